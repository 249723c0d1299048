/** What an agent is measured beside: sockets, containers and connections made by Python, in namespaces of their own. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { descendantsOf } from './kernel-accounting.ts';

/**
 * Servers and clients of one connection each pair, in ten processes; each second a share of the connections carries 100 octets to and fro, and, where
 * that is asked for, one connection is made anew. Words: sockets, share, 1 for new ones or 0.
 */
export const SOCKETS = `
import os, select, socket, sys, time
count, share, makes = int(sys.argv[1]) // 2, float(sys.argv[2]), sys.argv[3] == '1'
processes = 5
server = socket.create_server(('127.0.0.1', 0), backlog=4096)
short = socket.create_server(('127.0.0.1', 0), backlog=4096)
def serve():
    poll = select.epoll(); poll.register(server, select.EPOLLIN); held = {}
    while len(held) < count // processes:
        one, _ = server.accept(); held[one.fileno()] = one; poll.register(one, select.EPOLLIN)
    poll.unregister(server)
    while True:
        for number, _ in poll.poll():
            octets = held[number].recv(65536)
            if octets: held[number].send(octets)
            else: poll.unregister(number); held.pop(number).close()
def ask(is_first):
    held = [socket.create_connection(server.getsockname()) for _ in range(count // processes)]
    os.write(1, b'ready\\n')
    active = held[:round(len(held) * share)]
    while True:
        for one in active: one.send(b'x' * 100); one.recv(65536)
        if is_first:
            one = socket.create_connection(short.getsockname()); other, _ = short.accept(); time.sleep(0.5); one.close(); other.close()
        time.sleep(0.5 if is_first else 1)
for _ in range(processes):
    if os.fork() == 0: serve()
for number in range(processes):
    if os.fork() == 0: ask(makes and number == 0)
while True: time.sleep(1000)
`;

/** As many network namespaces with a server each, which holds four connections to itself and one from outside; all carry 100 octets a second. Words: containers. */
export const CONTAINERS = `
import ctypes, os, select, socket, subprocess, sys, time
count = int(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
def ip(*words): subprocess.run(['ip', *words], check=True)
def contain(number, begun, linked):
    if libc.unshare(0x40000000) != 0: raise OSError(ctypes.get_errno(), 'unshare')
    os.write(begun, b'x'); os.read(linked, 1)
    ip('link', 'set', 'lo', 'up'); ip('addr', 'add', f'10.98.{number}.2/24', 'dev', 'eth0'); ip('link', 'set', 'eth0', 'up')
    server = socket.create_server(('0.0.0.0', 80))
    own = [socket.create_connection(('127.0.0.1', 80)) for _ in range(4)]
    held = [server.accept()[0] for _ in own]
    os.write(begun, b'y')
    held.append(server.accept()[0])
    while True:
        for one in own: one.send(b'x' * 100)
        for one in held: one.send(one.recv(65536))
        for one in own: one.recv(65536)
outside = []
for number in range(count):
    to_us, begun = os.pipe(); linked, to_it = os.pipe()
    pid = os.fork()
    if pid == 0: contain(number, begun, linked)
    os.read(to_us, 1)
    ip('link', 'add', f'veth{number}', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', str(pid))
    ip('addr', 'add', f'10.98.{number}.1/24', 'dev', f'veth{number}'); ip('link', 'set', f'veth{number}', 'up')
    os.write(to_it, b'x'); os.read(to_us, 1)
    outside.append(socket.create_connection((f'10.98.{number}.2', 80)))
os.write(1, b'ready\\n')
while True:
    for one in outside: one.send(b'x' * 100)
    for one in outside: one.recv(65536)
    time.sleep(1)
`;

/** Connections at a steady rate, a client that resets so that no port waits. Words: connections a second, seconds. Prints how many it made. */
export const CONNECTIONS = `
import json, os, socket, struct, sys, time
rate, seconds = int(sys.argv[1]), int(sys.argv[2])
server = socket.create_server(('127.0.0.1', 0), backlog=1024)
to = server.getsockname(); made = 0
linger = struct.pack('ii', 1, 0)
os.write(1, b'ready\\n'); sys.stdin.readline()
begin = time.monotonic()
while made < rate * seconds:
    due = min(rate * seconds, int((time.monotonic() - begin) * rate) + 1)
    while made < due:
        client = socket.socket(); client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger); client.connect(to)
        accepted, _ = server.accept(); client.send(b'x'); accepted.recv(1); client.close(); accepted.close(); made += 1
    time.sleep(0.001)
print(json.dumps({'port': to[1], 'made': made, 'seconds': time.monotonic() - begin}), flush=True)
sys.stdin.readline()
`;

/** A load in a network namespace of its own. */
export class AgentLoad {
  readonly child: ChildProcess;
  readonly #isAlone: boolean;
  #output = '';

  /** `isAlone` gives it processes of its own too, so that nothing else of the machine is looked at. */
  constructor(source: string, words: readonly (string | number)[], isAlone: boolean) {
    this.#isAlone = isAlone;
    const apart = isAlone ? ['--pid', '--mount', '--fork', '--kill-child', '--mount-proc'] : [];
    const python = ['python3', '-S', '-c', source, ...words.map(String)];
    const inside = ['sh', '-c', 'ip link set lo up && ulimit -n "$(ulimit -Hn)" && exec "$@"', 'sh', ...python];
    this.child = spawn('unshare', ['--net', ...apart, ...inside], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#output += text;
    });
  }

  /** Lines so far. */
  get lines(): string[] {
    return this.#output.split('\n').slice(0, -1);
  }

  /** The first process in its namespaces. */
  get pid(): number {
    return this.#isAlone ? descendantsOf(this.child.pid!)[0]! : this.child.pid!;
  }

  /** Lets it go on. */
  go(): void {
    this.child.stdin?.write('\n');
  }

  /** Ends it and all it has started. */
  async end(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    this.child.kill('SIGKILL');
    await once(this.child, 'exit');
  }
}
