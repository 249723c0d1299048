import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  ConnectionTracking,
  type ConnectionTrackingOptions,
  parseTrackedConnection,
} from '../../src/agent/connection-tracking.ts';
import { endKey, FlowEnd } from '../../src/agent/flow-end.ts';
import { socketOf } from '../support/agent-parts.ts';

// As Linux 6.18 wrote them of real connections through DNAT and MASQUERADE.
const TCP =
  'ipv4     2 tcp      6 431998 ESTABLISHED src=10.79.1.2 dst=10.79.1.1 sport=47662 dport=8080 src=10.79.2.2 dst=10.79.2.1 sport=80 dport=22284 [ASSURED] mark=0 zone=0 use=2';
const TCP6 =
  'ipv6     10 tcp      6 431998 ESTABLISHED src=fd79:0001:0000:0000:0000:0000:0000:0002 dst=fd79:0001:0000:0000:0000:0000:0000:0001 sport=47724 dport=8080 src=fd79:0002:0000:0000:0000:0000:0000:0002 dst=fd79:0002:0000:0000:0000:0000:0000:0001 sport=80 dport=27217 [ASSURED] mark=0 zone=0 use=2';
const UDP =
  'ipv4     2 udp      17 28 src=10.79.1.2 dst=10.79.1.1 sport=55480 dport=8080 src=10.79.2.2 dst=10.79.2.1 sport=80 dport=26677 mark=0 zone=0 use=2';
// The same with nf_conntrack_acct, before an answer, and as conntrack 1.4.7 prints it.
const COUNTED =
  'ipv4     2 tcp      6 119 SYN_SENT src=10.79.1.2 dst=10.79.1.1 sport=47662 dport=8080 packets=1 bytes=60 [UNREPLIED] src=10.79.2.2 dst=10.79.2.1 sport=80 dport=22284 packets=0 bytes=0 mark=0 zone=0 use=2';
const OF_TOOL =
  'tcp      6 431998 ESTABLISHED src=fd79:1::2 dst=fd79:1::1 sport=47724 dport=8080 src=fd79:2::2 dst=fd79:2::1 sport=80 dport=27217 [ASSURED] mark=0 use=1';
const PLAIN =
  'ipv4     2 tcp      6 431998 ESTABLISHED src=10.79.1.2 dst=10.79.2.2 sport=40000 dport=80 src=10.79.2.2 dst=10.79.1.2 sport=80 dport=40000 [ASSURED] mark=0 zone=0 use=2';
const ICMP =
  'ipv4     2 icmp     1 29 src=10.79.1.2 dst=10.79.1.1 type=8 code=0 id=7 src=10.79.2.2 dst=10.79.2.1 type=0 code=0 id=7 mark=0 zone=0 use=2';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'flowrelay-tracking-'));
  mkdirSync(join(directory, 'net'));
  mkdirSync(join(directory, 'sys/net/netfilter'), { recursive: true });
});
afterEach(() => rmSync(directory, { recursive: true }));

/** A table of the kernel's with these lines. */
function table(...lines: readonly string[]): void {
  writeFileSync(join(directory, 'net/nf_conntrack'), lines.map((line) => `${line}\n`).join(''));
  count(lines.length);
}

function count(entries: number): void {
  writeFileSync(join(directory, 'sys/net/netfilter/nf_conntrack_count'), `${entries}\n`);
}

/** A conntrack that notes how it is called. */
function fakeTool(script: string): string {
  const path = join(directory, 'conntrack');
  writeFileSync(path, `#!/bin/sh\necho "$@" >> ${directory}/calls\n${script}\n`);
  chmodSync(path, 0o755);
  return path;
}

function tracking(options: ConnectionTrackingOptions = {}): ConnectionTracking {
  const ownAddresses = () => ['127.0.0.1', '10.79.1.1', '10.79.2.1', 'fd79:2::1'];
  return new ConnectionTracking({ procRoot: directory, tool: '', ownAddresses, ...options });
}

function endOf(local: string, remote: string, namespace = 1, protocol: 6 | 17 = 6): FlowEnd {
  const socket = socketOf(local, remote, 'none', { namespace, protocol });
  return new FlowEnd(endKey(socket), socket);
}

const CLIENT = endOf('10.79.1.2:47662', '10.79.1.1:8080');
const SERVER = endOf('10.79.2.2:80', '10.79.2.1:22284', 2);
const CLIENT6 = endOf('[fd79:1::2]:47724', '[fd79:1::1]:8080');
const SERVER6 = endOf('[fd79:2::2]:80', '[fd79:2::1]:27217', 2);
const PAIR = { client: CLIENT, server: SERVER };

describe('ends of connections that the kernel translates', () => {
  it('are found in its table, of TCP and UDP, IPv4 and IPv6', async () => {
    table(PLAIN, TCP, ICMP, TCP6, UDP);
    const [client, server] = [
      endOf('10.79.1.2:55480', '10.79.1.1:8080', 1, 17),
      endOf('10.79.2.2:80', '10.79.2.1:26677', 2, 17),
    ];
    const source = tracking();
    const ends = [SERVER, endOf('10.79.1.2:40000', '10.79.2.2:80'), SERVER6, client, CLIENT, server, CLIENT6];
    expect(await source.pairs(ends)).toEqual([PAIR, { client: CLIENT6, server: SERVER6 }, { client, server }]);
    expect([source.looks, source.looksFailed, source.missing]).toEqual([1, 0, []]);
  });

  it('are not found by another protocol, port or address, nor where two could be meant', async () => {
    table(TCP);
    const others = [
      endOf('10.79.2.2:80', '10.79.2.1:22284', 2, 17),
      endOf('10.79.2.2:80', '10.79.2.1:22285', 2),
      endOf('10.79.2.2:81', '10.79.2.1:22284', 2),
      endOf('10.79.2.3:80', '10.79.2.1:22284', 2),
    ];
    for (const other of others) expect(await tracking().pairs([CLIENT, other])).toEqual([]);
    expect(await tracking().pairs([CLIENT, SERVER, endOf('10.79.2.2:80', '10.79.2.1:22284', 3)])).toEqual([]);
    expect(await tracking().pairs([CLIENT, SERVER, ...others])).toEqual([PAIR]);
  });

  it('are not looked for where nothing was translated', async () => {
    const none = tracking();
    expect(await none.pairs([CLIENT, SERVER])).toEqual([]);
    table(TCP);
    const source = tracking({ ownAddresses: () => ['127.0.0.1', '198.51.100.1'] });
    expect(await source.pairs([CLIENT, SERVER, endOf('127.0.0.1:1', '127.0.0.1:2')])).toEqual([]);
    expect(await source.pairs([SERVER])).toEqual([]);
    count(0);
    expect(await tracking().pairs([CLIENT, SERVER])).toEqual([]);
    expect([none.looks, source.looks, none.looksFailed]).toEqual([0, 0, 0]);
  });

  it('are asked of conntrack where the file is not there or too long', async () => {
    count(5);
    const tool = fakeTool(`echo '${TCP}'; echo '${OF_TOOL}'`);
    const expected = [PAIR, { client: CLIENT6, server: SERVER6 }];
    const ends = [CLIENT, SERVER, CLIENT6, SERVER6];
    const source = tracking({ tool });
    expect(await source.pairs(ends)).toEqual(expected);
    table(...new Array<string>(11).fill(PLAIN));
    expect(await tracking({ tool, maxFileEntries: 10 }).pairs(ends)).toEqual(expected);
    expect(await tracking({ tool, maxFileEntries: 11 }).pairs(ends)).toEqual([]);
    expect(readFileSync(join(directory, 'calls'), 'utf8')).toBe('-L --any-nat\n'.repeat(2));
    expect([source.looks, source.looksFailed, source.missing]).toEqual([1, 0, []]);
  });

  it('stay alone, counted and said, where neither can be had', async () => {
    count(5);
    const source = tracking();
    expect(await source.pairs([CLIENT, SERVER])).toEqual([]);
    expect([source.looks, source.looksFailed]).toEqual([1, 1]);
    expect(source.missing).toEqual([expect.stringMatching(/^\/proc\/net\/nf_conntrack cannot be read/)]);
  });

  it.each([
    ['fails', 'exit 1', {}],
    ['hangs', 'exec sleep 60', { timeLimitMs: 200 }],
    ['prints without end', 'exec yes', { maxOctets: 100_000, timeLimitMs: 60_000 }],
    ['prints a line without end', "exec tr '\\0' x < /dev/zero", { maxOctets: 1_000_000, timeLimitMs: 60_000 }],
  ])('stay alone where conntrack %s', async (_what, script, limits) => {
    count(5);
    const source = tracking({ tool: fakeTool(script), ...limits });
    expect(await source.pairs([CLIENT, SERVER])).toEqual([]);
    expect([source.looks, source.looksFailed]).toEqual([1, 1]);
    expect(existsSync(join(directory, 'calls'))).toBe(true);
  });

  it('are found across the pieces that a file is read in, among lines that are none', async () => {
    table(
      ...new Array<string>(1000).fill(PLAIN),
      'x'.repeat(200_000),
      '',
      'tcp',
      TCP.slice(0, -40),
      TCP,
      TCP.slice(0, 130),
    );
    expect(await tracking().pairs([CLIENT, SERVER])).toEqual([PAIR]);
    const source = tracking({ maxOctets: 65_536 });
    expect(await source.pairs([CLIENT, SERVER])).toEqual([]);
    expect(source.looksFailed).toBe(1);
  });
});

describe('a line of the table', () => {
  const tcp = {
    protocol: 6,
    source: '10.79.1.2 47662',
    destination: '10.79.1.1 8080',
    replySource: '10.79.2.2 80',
    replyDestination: '10.79.2.1 22284',
  };
  it.each([
    ['with counts of packets', COUNTED, tcp],
    ['without a time, as of what hardware forwards', TCP.replace(' 431998 ESTABLISHED', ''), tcp],
    ['that is not translated', PLAIN, undefined],
    ['of ICMP', ICMP, undefined],
    ['that is too long', `${TCP} ${'x'.repeat(1000)}`, undefined],
    ['that is cut within a port', TCP.slice(0, TCP.indexOf('84 [ASSURED]')), undefined],
  ])('%s is read', (_what, line, expected) => {
    expect(parseTrackedConnection(line)).toEqual(expected);
  });

  it('cut anywhere is no fault', () => {
    for (const line of [TCP, TCP6, COUNTED, OF_TOOL])
      for (let length = 0; length < line.indexOf(' [ASSURED]'); length++)
        expect(parseTrackedConnection(line.slice(0, length))).toBeUndefined();
  });
});
