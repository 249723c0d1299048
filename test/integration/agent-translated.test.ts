/** Connections through a host that translates both their ends, by real rules of the firewall, are one flow each with both processes. */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createInterface, type Interface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AgentLine, AgentRun, total } from '../support/agent-run.ts';
import { namedNamespace } from '../support/close-listeners.ts';
import { rootObstacle } from '../support/lab.ts';
import { buildProgram } from '../support/program.ts';

/** Answers whatever comes on port 80; a socket of UDP is connected to the first that asks. */
const SERVER = `
import socket, threading
def echo(s):
    while True:
        octets = s.recv(65536)
        if not octets: break
        s.sendall(octets)
    s.close()
tcp = socket.create_server(('::', 80), family=socket.AF_INET6, dualstack_ipv6=True)
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(('10.79.2.2', 80))
def datagrams():
    octets, peer = udp.recvfrom(65536)
    udp.connect(peer)
    udp.send(octets)
    echo(udp)
threading.Thread(target=datagrams, daemon=True).start()
print('ready', flush=True)
while True: threading.Thread(target=echo, args=(tcp.accept()[0],), daemon=True).start()
`;

/** Connects, tells its ports, and at each line it reads sends on; short connections at the second. */
const CLIENT = `
import socket, sys
def ask(s, count):
    s.sendall(b'a' * count)
    while count > 0: count -= len(s.recv(65536))
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.connect(('10.79.1.1', 8080))
long = [socket.create_connection(('10.79.1.1', 8080)), socket.create_connection(('fd79:1::1', 8080)), udp]
for s in long: ask(s, 10)
print(*[s.getsockname()[1] for s in long], flush=True)
sys.stdin.readline()
for s in long: ask(s, 1000)
ports = []
for address in ['10.79.1.1', 'fd79:1::1'] * 5:
    s = socket.create_connection((address, 8080))
    ports.append(s.getsockname()[1])
    ask(s, 300)
    s.close()
print(*ports, flush=True)
sys.stdin.readline()
`;

const isImpossible =
  rootObstacle(
    'the agent with translated addresses',
    'ip',
    'nsenter',
    'iptables',
    'ip6tables',
    'ss',
    'stdbuf',
    'python3',
  ) !== undefined;

describe.skipIf(isImpossible)('flowrelay agent on a host that translates addresses', () => {
  const [host, clients, servers] = ['h', 'c', 's'].map((letter) => `frn${letter}${process.pid}`) as [
    string,
    string,
    string,
  ];
  const children: ChildProcess[] = [];

  /** Runs a program of Python in a namespace; its lines of output are read one by one. */
  function python(namespace: string, source: string): { child: ChildProcess; next: () => Promise<string> } {
    const words = [`--net=/run/netns/${namespace}`, 'python3', '-S', '-c', source];
    const child = spawn('nsenter', words, { stdio: ['pipe', 'pipe', 'inherit'] });
    children.push(child);
    const lines: Interface = createInterface({ input: child.stdout! });
    const iterator = lines[Symbol.asyncIterator]();
    return { child, next: async () => String((await iterator.next()).value) };
  }

  function ip(...words: readonly string[]): void {
    execFileSync('ip', words);
  }

  beforeAll(() => {
    buildProgram();
    for (const name of [host, clients, servers]) {
      ip('netns', 'add', name);
      ip('-n', name, 'link', 'set', 'lo', 'up');
    }
    for (const [number, name] of [clients, servers].map((name, i) => [i + 1, name] as const)) {
      const link = `v${number}`;
      ip('link', 'add', link, 'netns', host, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name);
      for (const [place, device, last] of [
        [host, link, 1],
        [name, 'eth0', 2],
      ] as const) {
        ip('-n', place, 'address', 'add', `10.79.${number}.${last}/24`, 'dev', device);
        ip('-n', place, 'address', 'add', `fd79:${number}::${last}/64`, 'dev', device, 'nodad');
        ip('-n', place, 'link', 'set', device, 'up');
      }
      ip('-n', name, 'route', 'add', 'default', 'via', `10.79.${number}.1`);
      ip('-n', name, '-6', 'route', 'add', 'default', 'via', `fd79:${number}::1`);
    }
    const onHost = (...words: readonly string[]) =>
      execFileSync('nsenter', [`--net=/run/netns/${host}`, ...words], { stdio: ['ignore', 'ignore', 'inherit'] });
    const forwards = ['ipv4/ip_forward', 'ipv6/conf/all/forwarding'].map((name) => `/proc/sys/net/${name}`);
    onHost('sh', '-c', 'for path; do echo 1 > "$path"; done', 'sh', ...forwards);
    for (const [tool, address, server] of [
      ['iptables', '10.79.1.1', '10.79.2.2:80'],
      ['ip6tables', 'fd79:1::1', '[fd79:2::2]:80'],
    ] as const) {
      const nat = [tool, '-t', 'nat', '-A'];
      for (const protocol of ['tcp', 'udp']) {
        const published = ['-d', address, '-p', protocol, '--dport', '8080', '-j', 'DNAT', '--to-destination', server];
        onHost(...nat, 'PREROUTING', ...published);
        // Other ports too: nothing of the client is left.
        onHost(...nat, 'POSTROUTING', '-p', protocol, '--dport', '80', '-j', 'MASQUERADE', '--to-ports', '20000-30000');
      }
    }
  });

  afterAll(() => {
    for (const child of children) child.kill('SIGKILL');
    for (const name of [host, clients, servers]) execFileSync('ip', ['netns', 'delete', name]);
  });

  it('tells each connection once, with both processes and both translations', async () => {
    const server = python(servers, SERVER);
    expect(await server.next()).toBe('ready');
    const client = python(clients, CLIENT);
    const long = (await client.next()).split(' ').map(Number);
    const launcher = ['nsenter', `--net=/run/netns/${host}`];
    const words = ['--interval', '1', '--agent-mode', 'netlink', '--agent-records', 'flows', '--status', '127.0.0.1:0'];
    const agent = await AgentRun.start(words, { launcher });
    await agent.withCloses(...[host, clients, servers].map(namedNamespace));
    const isOfLab = (line: AgentLine) =>
      ['IPV4_SRC_ADDR', 'IPV4_DST_ADDR', 'IPV6_SRC_ADDR', 'IPV6_DST_ADDR'].some((key) =>
        /^(10\.79\.|fd79:)/.test(String(line[key] ?? '')),
      );
    const flowsSoFar = () => agent.lines.filter((line) => line['RECORD_TYPE'] === 'flow' && isOfLab(line));
    const octetsOf = (port: number | undefined) => {
      const records = flowsSoFar().filter((line) => line['L4_SRC_PORT'] === port && line['PROTOCOL'] === 6);
      return [total(records, 'IN_BYTES'), total(records, 'OUT_BYTES')];
    };
    let short: number[];
    try {
      client.child.stdin?.write('\n');
      short = (await client.next()).split(' ').map(Number);
      const areTold = () => {
        const isWhole = (port: number, octets: number) => octetsOf(port)[1] === octets;
        const isUdpThere = flowsSoFar().some((line) => line['L4_SRC_PORT'] === long[2]);
        const areWhole =
          long.slice(0, 2).every((port) => isWhole(port, 1000)) && short.every((port) => isWhole(port, 300));
        return areWhole && isUdpThere ? true : undefined;
      };
      await agent.until(areTold, 'all connections');
      const metrics = execFileSync(
        'nsenter',
        [`--net=/run/netns/${host}`, 'python3', '-S', '-c', FETCH, String(agent.log.find(isStarted)?.['status'])],
        { encoding: 'utf8' },
      );
      expect(metrics).toMatch(/^flowrelay_agent_tracking_looks_total [1-9]/m);
      expect(metrics).toMatch(/^flowrelay_agent_tracking_looks_failed_total 0$/m);
    } finally {
      expect(await agent.stop()).toBe(0);
    }
    expect(agent.faults).toEqual([]);
    const flows = flowsSoFar();
    // No record of what the servers saw.
    expect([...new Set(flows.map((line) => line['L4_DST_PORT']))]).toEqual([8080]);
    expect([...new Set(flows.map((line) => line['L4_SRC_PORT']))].toSorted()).toEqual([...long, ...short].toSorted());
    for (const line of flows) {
      // Of what was over before a look nobody tells without kernel events.
      if (long.includes(Number(line['L4_SRC_PORT'])))
        expect(line).toMatchObject({ SRC_PROC_PID: client.child.pid, DST_PROC_PID: server.child.pid });
      const { IPV4_SRC_ADDR, IPV6_SRC_ADDR, POST_NAPT_SRC_TRANSPORT_PORT: port } = line as Record<string, number>;
      expect(IPV4_SRC_ADDR ?? IPV6_SRC_ADDR).toBe(IPV4_SRC_ADDR === undefined ? 'fd79:1::2' : '10.79.1.2');
      if (IPV4_SRC_ADDR === undefined) continue;
      expect(line).toMatchObject({
        IPV4_DST_ADDR: '10.79.1.1',
        POST_NAT_SRC_IPV4_ADDR: '10.79.2.1',
        POST_NAT_DST_IPV4_ADDR: '10.79.2.2',
        POST_NAPT_DST_TRANSPORT_PORT: 80,
      });
      expect(port! >= 20_000 && port! <= 30_000).toBe(true);
    }
    for (const port of long.slice(0, 2)) expect(octetsOf(port)).toEqual([1000, 1000]);
    for (const port of short) expect(octetsOf(port)).toEqual([300, 300]);
  });
});

const FETCH =
  "import sys, urllib.request; print(urllib.request.urlopen('http://' + sys.argv[1] + '/metrics').read().decode())";

function isStarted({ event }: { readonly event: string }): boolean {
  return event === 'started';
}
