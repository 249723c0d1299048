"""Publishes messages as ntop's probes do, for tests: a publisher that shares nothing with flowrelay.

    ntopng_publisher.py ENDPOINT connect|bind FILE [SERVER_KEY]

FILE holds lines of two hexadecimal texts, header and payload. They are sent once somebody has subscribed to topic flow.
SERVER_KEY is the collector's public key in Z85.
"""

import sys

import zmq

endpoint, how, path = sys.argv[1:4]
context = zmq.Context()
socket = context.socket(zmq.XPUB)
socket.setsockopt(zmq.LINGER, 30000)
if len(sys.argv) > 4:
    socket.curve_publickey, socket.curve_secretkey = zmq.curve_keypair()
    socket.curve_serverkey = sys.argv[4].encode()
getattr(socket, how)(endpoint)
while not b"flow".startswith(socket.recv()[1:]):
    pass
for line in open(path):
    header, payload = (bytes.fromhex(word) for word in line.rstrip("\n").split(" "))
    socket.send_multipart([header, payload])
socket.close()
context.term()
