"""A subscriber to ntop's ZeroMQ feeds, written from the description of the messages alone.

    ntopng_subscriber.py ENDPOINT [--topics flow,event,...] [--secret-key Z85] [--server-key Z85] [--idle SECONDS]

ENDPOINT as ntopng's -i takes it: tcp://H:P connects, tcp://H:Pc binds. --secret-key makes it a CURVE server whatever side
binds, as ntopng is. Prints "ready" on standard error once it receives, then a line of JSON for each message:
{"topic", "headerSize", "url", "version", "flags", "size", "sourceId", "messageId", "octets", "records" | "json"}, where a
record is a list of [key, type, value]. A message that is wrong gives "fault" instead. Ends on SIGTERM, with its parent, or after
--idle seconds without a message once there was one.
"""

import argparse
import json
import os
import signal
import struct
import sys
import zlib

import zmq

MAXIMUM_PAYLOAD = 131072
INTEGERS = {2: ("u8", ">B"), 3: ("u16", ">H"), 4: ("u32", ">I"), 5: ("u64", ">Q"),
            6: ("i8", ">b"), 7: ("i16", ">h"), 8: ("i32", ">i"), 9: ("i64", ">q")}
FLOAT, STRING, END_OF_RECORD = 10, 11, 1


class Fault(Exception):
    pass


def read_header(frame):
    """The header is told by its size; message ids are big endian, the other numbers the host's (little endian)."""
    if len(frame) == 24:
        url, version, source, size, message = struct.unpack("<16sBBH", frame[:20]) + struct.unpack(">I", frame[20:])
        flags = 0
    elif len(frame) == 28:
        url, version, size = struct.unpack("<16sBxH", frame[:20])
        (message,), (source,), flags = struct.unpack(">I", frame[20:24]), struct.unpack("<I", frame[24:]), 0
    elif len(frame) == 36:
        url, version, flags, size, compressed = struct.unpack("<16sBBxxII", frame[:28])
        (message,), (source,) = struct.unpack(">I", frame[28:32]), struct.unpack("<I", frame[32:])
        # ntopng 6.2 makes its buffer for the uncompressed data by the second size.
        if version != 4:
            raise Fault("a header of 36 octets has version 4")
        if flags & 4 and compressed != size and not (compressed == 0 and size < 43000):
            raise Fault("both sizes are the uncompressed one")
    else:
        raise Fault("header of %d octets" % len(frame))
    if version > 4:
        raise Fault("version %d" % version)
    topic, _, padding = url.partition(b"\0")
    if padding.strip(b"\0"):
        raise Fault("octets after the topic")
    return {"headerSize": len(frame), "url": topic.decode("ascii"), "version": version, "flags": flags, "size": size,
            "sourceId": source, "messageId": message}


def take(octets, at, count):
    if at + count > len(octets):
        raise Fault("cut at octet %d" % at)
    return octets[at:at + count], at + count


def read_value(octets, at, kind):
    """Integers of 16 digits and more become texts: whoever reads the lines may hold numbers as doubles."""
    if kind in INTEGERS:
        name, form = INTEGERS[kind]
        raw, at = take(octets, at, struct.calcsize(form))
        value = struct.unpack(form, raw)[0]
        return name, value if abs(value) < 10**15 else str(value), at
    if kind == FLOAT:
        raw, at = take(octets, at, 4)
        return "f32", struct.unpack("<f", raw)[0], at
    if kind == STRING:
        raw, at = take(octets, at, 2)
        raw, at = take(octets, at, struct.unpack(">H", raw)[0])
        return "text", raw.decode("utf-8", "replace"), at
    raise Fault("type %d at octet %d" % (kind, at))


def read_records(octets, ends_with_mark=True):
    """Records of a TLV payload. Those of topic counter have no end-of-record octet."""
    head, at = take(octets, 0, 2)
    if head != b"\x01\x01":
        raise Fault("payload begins %s" % head.hex())
    records, record = [], []
    while at < len(octets):
        (kind,), at = take(octets, at, 1)
        if kind == END_OF_RECORD:
            records.append(record)
            record = []
            continue
        if kind >> 4 not in (2, 3, 4, STRING):
            raise Fault("key of type %d at octet %d" % (kind >> 4, at - 1))
        _, key, at = read_value(octets, at, kind >> 4)
        name, value, at = read_value(octets, at, kind & 15)
        record.append([str(key), name, value])
    if record and ends_with_mark:
        raise Fault("the last record has no end")
    if record:
        records.append(record)
    return records


def read_message(frames):
    if len(frames) != 2:
        raise Fault("%d frames" % len(frames))
    header, payload = read_header(frames[0]), frames[1]
    message = dict(header, topic=header["url"], octets=len(payload))
    if len(payload) > MAXIMUM_PAYLOAD:
        raise Fault("payload of %d octets" % len(payload))
    if header["headerSize"] == 36 and header["flags"] & 4:
        payload = zlib.decompress(payload)
    elif header["headerSize"] != 36 and payload[:1] == b"\0":
        if header["version"] == 3:
            raise Fault("TLV is not compressed under this header")
        payload = zlib.decompress(payload[1:])
        if len(payload) > 43690:
            raise Fault("%d octets when unpacked" % len(payload))
    if header["headerSize"] == 36 and header["size"] != len(payload):
        raise Fault("size says %d, payload has %d" % (header["size"], len(payload)))
    is_tlv = header["flags"] & 2 if header["headerSize"] == 36 else header["version"] == 3
    if is_tlv and payload[:1] == b"\x01":
        message["records"] = read_records(payload, header["url"] != "counter")
    else:
        message["text"] = payload.decode("utf-8", "replace")
        try:
            message["json"] = json.loads(payload)
        except ValueError:
            pass  # lines of a feed that is not ntopng's
    return message


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("endpoint")
    parser.add_argument("--topics", default="")
    parser.add_argument("--secret-key")
    parser.add_argument("--server-key")
    parser.add_argument("--idle", type=float)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))  # what is printed is flushed; a context may wait at its end
    socket = zmq.Context().socket(zmq.SUB)
    socket.setsockopt(zmq.RCVHWM, 0)
    socket.setsockopt(zmq.LINGER, 0)
    if options.secret_key:
        socket.curve_server = True
        socket.curve_secretkey = options.secret_key.encode()
        socket.curve_publickey = zmq.curve_public(options.secret_key.encode())
    elif options.server_key:
        public, secret = zmq.curve_keypair()
        socket.curve_serverkey = options.server_key.encode()
        socket.curve_publickey, socket.curve_secretkey = public, secret
    for topic in options.topics.split(","):
        socket.setsockopt(zmq.SUBSCRIBE, topic.encode())
    if options.endpoint.endswith("c"):
        socket.bind(options.endpoint[:-1])
    else:
        socket.connect(options.endpoint)
    print("ready", file=sys.stderr, flush=True)
    has_begun, parent = False, os.getppid()
    while True:
        if not socket.poll(1000 if options.idle is None or not has_begun else int(options.idle * 1000)):
            if os.getppid() != parent or (has_begun and options.idle is not None):
                os._exit(0)
            continue
        frames = socket.recv_multipart()
        has_begun = True
        try:
            message = read_message(frames)
        except (Fault, zlib.error) as fault:
            message = {"fault": str(fault), "topic": frames[0][:16].split(b"\0")[0].decode("ascii", "replace"),
                       "frames": [frame.hex()[:400] for frame in frames]}
        print(json.dumps(message), flush=True)


if __name__ == "__main__":
    main()
