/** A probe on one end of a veth pair between two network namespaces, beside a tcpdump of the same seconds. */

import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isIntegrationRequired } from '../support/lab.ts';
import { type FlowLine, MeterHarness } from '../support/meter-harness.ts';
import { buildProgram, PROGRAM_NODE, repositoryPath } from '../support/program.ts';

const NAMES = { probe: `frp${process.pid}`, peer: `frq${process.pid}` };
const hasTools = spawnSync('tcpdump', ['--version']).status === 0 && process.getuid?.() === 0;
const canRun = hasTools && spawnSync('ip', ['netns', 'add', NAMES.probe]).status === 0;
if (!canRun) console.log('SKIPPED: live capture, which needs root, tcpdump and network namespaces');

const hasPcap = spawnSync(PROGRAM_NODE, ['-e', "require('pcap')"], { cwd: repositoryPath('') }).status === 0;
if (!hasPcap) console.log('SKIPPED: live capture with the package pcap, which is not there');

const directory = mkdtempSync(join(tmpdir(), 'flowrelay-live-'));
const children: ChildProcess[] = [];

/** Serves 100 000 octets to each connection. */
const SERVER = `
  const net = require('node:net');
  net.createServer((socket) => socket.on('error', () => {}).once('data', () => socket.end(Buffer.alloc(100000)))).listen(8000, '10.77.0.1', () => console.log('ready'));
`;
/** Opens connections one after the other, then sends datagrams, one of them in fragments. */
const CLIENT = `
  const net = require('node:net'), dgram = require('node:dgram');
  (async () => {
    for (let i = 0; i < 10; i++) await new Promise((done) => net.connect(8000, '10.77.0.1').on('connect', function () { this.write('x'); }).on('close', done).resume());
    const socket = dgram.createSocket('udp4');
    for (let i = 0; i < 200; i++) await new Promise((done) => socket.send(Buffer.alloc(i === 7 ? 5000 : 100), 5000 + (i % 5), '10.77.0.1', done));
    socket.close();
  })();
`;

function inNamespace(name: string, words: readonly string[]): ChildProcess {
  const child = spawn('ip', ['netns', 'exec', name, ...words], { stdio: ['ignore', 'pipe', 'pipe'] });
  children.push(child);
  return child;
}

/** Waits until a process has said something that matches. */
function said(stream: NodeJS.ReadableStream | null, pattern: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    stream?.on('data', (octets: Buffer) => {
      text += octets.toString();
      if (pattern.test(text)) resolve(text);
    });
    stream?.on('close', () => reject(new Error(`ended after: ${text}`)));
  });
}

/** Sums of the flows of a capture, and its packets of them. */
function sumsOfFile(path: string): { flows: Map<string, number[]>; packets: number; datagrams: number } {
  const harness = new MeterHarness();
  harness.addFile(path);
  const flows = sums(harness.lines());
  const count = (of: (key: string) => boolean) =>
    [...flows].filter(([key]) => of(key)).reduce((total, [, counts]) => total + counts[0]! + counts[2]!, 0);
  return { flows, packets: count(() => true), datagrams: count((key) => key.endsWith(' 17')) };
}

function ended(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve) => {
    child.on('close', resolve);
  });
}

/** Sums by both ends, of IP alone: neighbour discovery goes on by itself. */
function sums(lines: readonly FlowLine[]): Map<string, number[]> {
  const flows = new Map<string, number[]>();
  for (const line of lines) {
    if (line['PROTOCOL'] !== 6 && line['PROTOCOL'] !== 17) continue;
    const key = ['IPV4_SRC_ADDR', 'L4_SRC_PORT', 'IPV4_DST_ADDR', 'L4_DST_PORT', 'PROTOCOL']
      .map((each) => line[each])
      .join(' ');
    const counts = ['IN_PKTS', 'IN_BYTES', 'OUT_PKTS', 'OUT_BYTES'].map((each) => Number(line[each]));
    const before = flows.get(key) ?? [0, 0, 0, 0];
    flows.set(
      key,
      counts.map((count, i) => count + before[i]!),
    );
  }
  return new Map([...flows].sort());
}

describe.skipIf(!canRun && !isIntegrationRequired)('probe --interface', () => {
  beforeAll(() => {
    buildProgram();
    const ip = (...words: readonly string[]) => execFileSync('ip', words);
    ip('netns', 'add', NAMES.peer);
    ip('link', 'add', 'veth0', 'netns', NAMES.probe, 'type', 'veth', 'peer', 'name', 'veth0', 'netns', NAMES.peer);
    for (const [name, address] of [
      [NAMES.probe, '10.77.0.1/24'],
      [NAMES.peer, '10.77.0.2/24'],
    ] as const) {
      ip('-n', name, 'address', 'add', address, 'dev', 'veth0');
      ip('-n', name, 'link', 'set', 'veth0', 'up');
      ip('-n', name, 'link', 'set', 'lo', 'up');
    }
  });

  afterAll(() => {
    for (const child of children) child.kill('SIGKILL');
    for (const name of Object.values(NAMES)) spawnSync('ip', ['netns', 'delete', name]);
    rmSync(directory, { recursive: true });
  });

  for (const tool of ['pcap', 'tcpdump'] as const) {
    const isMissing = tool === 'pcap' && !hasPcap && !isIntegrationRequired;
    it.skipIf(isMissing)(`with ${tool} has the flows of a tcpdump beside it`, async () => {
      const beside = join(directory, `${tool}.pcap`);
      const json = join(directory, `${tool}.json`);
      const server = inNamespace(NAMES.probe, [PROGRAM_NODE, '-e', SERVER]);
      await said(server.stdout, /ready/);
      const dump = inNamespace(NAMES.probe, [
        'tcpdump',
        '-Z',
        'root',
        '-i',
        'veth0',
        '-U',
        '--immediate-mode',
        '-s',
        '65535',
        '-B',
        '65536',
        '-w',
        beside,
      ]);
      await said(dump.stderr, /listening/);
      const words = [repositoryPath('dist/main.js'), 'probe', '--interface', 'veth0', '--capture-with', tool];
      const probe = inNamespace(NAMES.probe, [PROGRAM_NODE, ...words, '--json', json, '--status', '127.0.0.1:9156']);
      const log = await said(probe.stderr, /"event":"started"/);
      expect(log).toContain(`"capturedWith":"${tool}"`);
      await ended(inNamespace(NAMES.peer, [PROGRAM_NODE, '-e', CLIENT]));
      // The datagrams come last; one is in four pieces.
      await expect.poll(() => sumsOfFile(beside).datagrams).toBe(203);
      const captured = sumsOfFile(beside).packets;
      let page = '';
      const seen = async () => {
        const metrics = inNamespace(NAMES.probe, [
          PROGRAM_NODE,
          '-e',
          "fetch('http://127.0.0.1:9156/metrics').then((answer) => answer.text()).then((text) => console.log(text))",
        ]);
        page = await said(metrics.stdout, /flowrelay_flows_most/);
        return Number(/^flowrelay_packets_seen_total (\d+)$/m.exec(page)?.[1]);
      };
      await expect.poll(seen).toBeGreaterThanOrEqual(captured);
      expect(page).toContain('flowrelay_capture_dropped_packets_total{interface="veth0"} 0');
      probe.kill('SIGTERM');
      const stopped = said(probe.stderr, /"event":"stopped"/);
      expect(await ended(probe)).toBe(0);
      expect(await stopped).toContain('"packetsDropped":0');
      dump.kill('SIGINT');
      server.kill();
      await ended(dump);
      const expected = sumsOfFile(beside).flows;
      expect(expected.size).toBe(15);
      const lines = readFileSync(json, 'utf8')
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as FlowLine);
      expect(sums(lines)).toEqual(expected);
      for (const line of lines)
        expect(line).toMatchObject({ INPUT_INTERFACE_NAME: 'veth0', INPUT_SNMP: expect.any(Number) });
    });
  }
});
