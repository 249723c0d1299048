import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pcapngFile } from '../packet/capture.ts';
import { FRAMES } from '../packet/frames.ts';
import { lineProblems } from '../support/json-line.ts';
import { icmpFrame, reversed, tcpFrame, udpFrame } from '../support/packets.ts';
import { buildProgram, runProgram } from '../support/program.ts';

const hasTcpdump = spawnSync('tcpdump', ['--version']).status === 0;
if (!hasTcpdump) console.log('SKIPPED: --filter of files, which needs tcpdump');

const directory = mkdtempSync(join(tmpdir(), 'flowrelay-probe-'));
const capture = join(directory, 'made.pcapng');
const server = reversed({ toPort: 80 });

beforeAll(() => {
  buildProgram();
  const octets = [
    tcpFrame({ flags: 'S', sequence: 9 }),
    tcpFrame({ ...server, flags: 'SA', sequence: 99, acknowledgement: 10 }),
    tcpFrame({ sequence: 10, acknowledgement: 100, length: 5 }),
    udpFrame({}, 10),
    icmpFrame(8, 0),
  ];
  writeFileSync(capture, pcapngFile(octets.map((each) => ({ linkType: 1, octets: each, name: '' }))));
});

afterAll(() => rmSync(directory, { recursive: true }));

function parsed(text: string): Record<string, unknown>[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

describe('probe --read', () => {
  it('writes the flows of a capture', async () => {
    const { code, stdout, stderr } = await runProgram(['probe', '--read', capture, '-v']);
    expect(code).toBe(0);
    const flows = parsed(stdout).map((line) => [line['PROTOCOL'], line['IN_PKTS'], line['OUT_PKTS']]);
    expect(flows.sort()).toEqual([
      [1, 1, 0],
      [17, 1, 0],
      [6, 2, 1],
    ]);
    expect(stderr).toBe('flowrelay: 1 files, 5 packets, 5 metered, 3 flows, 3 lines\n');
  });

  it('reads several, gzipped or from standard input, as one', async () => {
    const packed = join(directory, 'made.gz');
    writeFileSync(packed, gzipSync(readFileSync(capture)));
    const { stdout } = await runProgram(['probe', '--read', packed, '--read', '-'], { input: readFileSync(capture) });
    expect(parsed(stdout).find((line) => line['PROTOCOL'] === 17)?.['IN_PKTS']).toBe(2);
  });

  it('writes lines that the JSON Schema allows, under both namings, with and without generated code', async () => {
    const all = join(directory, 'all.pcapng');
    writeFileSync(all, pcapngFile(FRAMES.map(({ linkType, octets }, i) => ({ linkType, octets, name: String(i) }))));
    for (const words of [[], ['--tunnels', 'outer'], ['--no-code-generation', '--sample', '2']]) {
      for (const names of ['ntop', 'iana'] as const) {
        const { code, stdout } = await runProgram(['probe', '--read', all, '--names', names, ...words]);
        expect(code).toBe(0);
        expect(parsed(stdout).length).toBeGreaterThan(10);
        expect(lineProblems(stdout, names)).toEqual([]);
      }
    }
  });

  it.skipIf(!hasTcpdump)('takes a BPF filter', async () => {
    const { code, stdout } = await runProgram(['probe', '--read', capture, '--filter', 'udp or icmp']);
    expect(code).toBe(0);
    expect(
      parsed(stdout)
        .map((line) => line['PROTOCOL'])
        .sort(),
    ).toEqual([1, 17]);
  });

  it('says what is wrong in one line', async () => {
    const cut = join(directory, 'cut.pcapng');
    writeFileSync(cut, readFileSync(capture).subarray(0, -7));
    const text = join(directory, 'text');
    writeFileSync(text, 'no capture at all, but some text');
    const cases: readonly (readonly [readonly string[], number, RegExp])[] = [
      [['--read', join(directory, 'absent')], 1, /cannot read .*absent: .*ENOENT/],
      [['--read', text], 1, /text is no capture/],
      [['--read', cut], 1, /cut\.pcapng is cut off; what it holds was metered/],
      [[], 2, /which --interface, or which file to --read/],
      [['--read', capture, '--interface', 'lo'], 2, /--read: goes not with --interface/],
      [['--read', capture, '--max-flows', '3'], 2, /--max-flows: /],
      [['--read', capture, '--flow-key', 'colour'], 2, /--flow-key: /],
      [['--interface', '../etc'], 2, /--interface: must be the name of an interface/],
      [['--interface', 'eth0', '--interface', 'eth0'], 2, /--interface: names eth0 twice/],
      ...(hasTcpdump ? [[['--read', capture, '--filter', 'udp prt'], 1, /--filter: .*syntax error/] as const] : []),
    ];
    for (const [words, exitCode, message] of cases) {
      const { code, stderr } = await runProgram(['probe', ...words]);
      const [first = ''] = stderr.split('\n');
      expect([words, code]).toEqual([words, exitCode]);
      expect(first).toMatch(message);
      expect(stderr).not.toMatch(/\n\s+at /);
    }
  });
});

describe('probe --interface', () => {
  it('says what is wrong in one line', async () => {
    for (const tool of ['auto', 'tcpdump']) {
      const { code, stderr } = await runProgram([
        'probe',
        '--interface',
        'absent0',
        '--capture-with',
        tool,
        '--status',
        'off',
      ]);
      expect(code).toBe(1);
      expect(stderr.trimEnd().split('\n')).toHaveLength(1);
      expect(stderr).toMatch(/^flowrelay: (cannot capture on absent0: |nothing here captures packets: install )/);
    }
  });

  it('says what to install where nothing captures', async () => {
    const { code, stderr } = await runProgram(
      ['probe', '--interface', 'lo', '--capture-with', 'tcpdump', '--status', 'off'],
      {
        environment: { PATH: directory },
      },
    );
    expect(code).toBe(1);
    expect(stderr).toBe(
      'flowrelay: nothing here captures packets: install tcpdump, or libpcap-dev and then the package pcap again ' +
        '(apt-get install tcpdump; or apt-get install libpcap-dev && npm rebuild pcap)\n',
    );
  });
});
