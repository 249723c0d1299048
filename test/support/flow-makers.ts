/**
 * Processes that make flows and tell the truth about them: a server, and for each flow a process of its own that connects, sends, waits, and
 * closes.
 */

import { type ChildProcess, spawn } from 'node:child_process';

/** A connection as its client knows it. */
export interface MadeConnection {
  /** Of the client, which made no other one. */
  readonly pid: number;
  readonly fatherPid: number;
  readonly localPort: number;
  readonly remotePort: number;
  readonly remoteAddress: string;
  /** Payload sent and received by the client. */
  readonly octetsSent: number;
  readonly octetsReceived: number;
  readonly lifeMs: number;
  /** Unix milliseconds, after the connection was made and before it was closed. */
  readonly connectedMs: number;
  readonly closingMs: number;
}

/** All that was made. */
export interface MadeFlows {
  readonly serverPid: number;
  readonly connections: readonly MadeConnection[];
}

/** What to make. */
export interface FlowMakerOptions {
  /** How long connections live, and how many do of each, milliseconds. */
  readonly lives: readonly { readonly lifeMs: number; readonly count: number }[];
  /** `127.0.0.1` or `::1`. */
  readonly address?: string;
  /** Words before the program: of `ip netns exec`, for example. */
  readonly launcher?: readonly string[];
  /** Path of the interpreter, where the first in PATH will not do. */
  readonly python?: string;
}

// A fork for each connection, a few at a time; each prints one line, short enough to be written whole.
const MAKER = `
import json, os, socket, sys, threading, time
address, lives = sys.argv[1], json.loads(sys.argv[2])
family = socket.AF_INET6 if ':' in address else socket.AF_INET
server = socket.create_server((address, 0), family=family, backlog=512)
port = server.getsockname()[1]
master = os.getpid()
pid = os.fork()
if pid == 0:
    def serve(connection):
        total = 0
        while True:
            octets = connection.recv(65536)
            if not octets: break
            total += len(octets)
            connection.sendall(b'r' * (2 * len(octets)))
        connection.close()
    while True:
        connection, _ = server.accept()
        threading.Thread(target=serve, args=(connection,), daemon=True).start()
server.close()
os.write(1, (json.dumps({'server': pid}) + chr(10)).encode())
children = []
for number in range(max(life['count'] for life in lives)):
    for life in lives:
        if number >= life['count']: continue
        child = os.fork()
        if child != 0:
            children.append(child)
            continue
        octets = 1 + number
        client = socket.create_connection((address, port))
        connected = time.time() * 1000
        local = client.getsockname()[1]
        client.sendall(b's' * octets)
        received = 0
        while received < 2 * octets: received += len(client.recv(65536))
        time.sleep(life['lifeMs'] / 1000)
        closing = time.time() * 1000
        client.close()
        os.write(1, (json.dumps({'pid': os.getpid(), 'fatherPid': master, 'localPort': local, 'remotePort': port, 'remoteAddress': address,
            'octetsSent': octets, 'octetsReceived': received, 'lifeMs': life['lifeMs'], 'connectedMs': connected, 'closingMs': closing}) + chr(10)).encode())
        os._exit(0)
    time.sleep(0.005)
for child in children: os.waitpid(child, 0)
os.kill(pid, 9)
os.waitpid(pid, 0)
`;

/** Makes the flows and gives what they were, once all have ended. Rejects where Python fails. */
export async function makeFlows(options: FlowMakerOptions): Promise<MadeFlows> {
  const words = [options.address ?? '127.0.0.1', JSON.stringify(options.lives)];
  const output = await python(MAKER, words, options.launcher, options.python);
  const [first, ...rest] = output.split('\n').filter((line) => line !== '');
  const { server } = JSON.parse(first!) as { server: number };
  return { serverPid: server, connections: rest.map((line) => JSON.parse(line) as MadeConnection) };
}

/** Runs a program of Python, with its standard library alone, and gives what it prints. */
export function python(
  source: string,
  words: readonly string[] = [],
  launcher: readonly string[] = [],
  interpreter = 'python3',
): Promise<string> {
  const [program, ...rest] = [...launcher, interpreter, '-S', '-c', source, ...words];
  const child: ChildProcess = spawn(program!, rest, { stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) =>
      code === 0 ? resolve(stdout) : reject(new Error(`python3 ended with ${code}: ${stderr}`)),
    );
  });
}
