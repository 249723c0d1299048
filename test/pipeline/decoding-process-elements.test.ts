import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ethernet, ipv4 as ipv4Packet, pcap, udp } from '../support/capture-builder.ts';
import { DecodingHarness } from '../support/decoding-harness.ts';
import { dataSet, type Field, message, templateSet, VARIABLE } from '../support/ipfix-message.ts';
import { hasProgram } from '../support/lab.ts';
import { v9DataSet, v9Packet, v9TemplateSet } from '../support/netflow9-message.ts';
import { joined, type Octets, text, u32, variable } from '../support/wire-octets.ts';

const NTOP = 35632;
const NTOP_V9 = 57472;

/** ntop's process and container elements: number in its enterprise, name, octets of a number or text. */
const ELEMENTS: readonly (readonly [id: number, name: string, type: 'number' | 'text', length: number])[] = [
  [168, 'SRC_PROC_PID', 'number', 4],
  [169, 'SRC_PROC_NAME', 'text', 16],
  [425, 'SRC_PROC_UID', 'number', 4],
  [372, 'SRC_PROC_USER_NAME', 'text', 16],
  [373, 'SRC_FATHER_PROC_PID', 'number', 4],
  [374, 'SRC_FATHER_PROC_NAME', 'text', 16],
  [564, 'SRC_FATHER_PROC_UID', 'number', 4],
  [565, 'SRC_FATHER_PROC_USER_NAME', 'text', 16],
  [561, 'SRC_FATHER_PROC_PKG_NAME', 'text', 16],
  [540, 'SRC_PROC_PKG_NAME', 'text', 16],
  [556, 'SRC_PROC_CMDLINE', 'text', 32],
  [558, 'SRC_PROC_CONTAINER_ID', 'text', 16],
  [375, 'DST_PROC_PID', 'number', 4],
  [376, 'DST_PROC_NAME', 'text', 16],
  [426, 'DST_PROC_UID', 'number', 4],
  [377, 'DST_PROC_USER_NAME', 'text', 16],
  [378, 'DST_FATHER_PROC_PID', 'number', 4],
  [379, 'DST_FATHER_PROC_NAME', 'text', 16],
  [567, 'DST_FATHER_PROC_UID', 'number', 4],
  [568, 'DST_FATHER_PROC_USER_NAME', 'text', 16],
  [563, 'DST_FATHER_PROC_PKG_NAME', 'text', 16],
  [541, 'DST_PROC_PKG_NAME', 'text', 16],
  [557, 'DST_PROC_CMDLINE', 'text', 32],
  [559, 'DST_PROC_CONTAINER_ID', 'text', 16],
  [383, 'SRC_PROC_ACTUAL_MEMORY', 'number', 4],
  [384, 'SRC_PROC_PEAK_MEMORY', 'number', 4],
  [385, 'SRC_PROC_AVERAGE_CPU_LOAD', 'number', 4],
  [386, 'SRC_PROC_NUM_PAGE_FAULTS', 'number', 4],
  [393, 'SRC_PROC_PCTG_IOWAIT', 'number', 4],
  [387, 'DST_PROC_ACTUAL_MEMORY', 'number', 4],
  [388, 'DST_PROC_PEAK_MEMORY', 'number', 4],
  [389, 'DST_PROC_AVERAGE_CPU_LOAD', 'number', 4],
  [390, 'DST_PROC_NUM_PAGE_FAULTS', 'number', 4],
  [394, 'DST_PROC_PCTG_IOWAIT', 'number', 4],
];

function sampleOf([id, name, type]: (typeof ELEMENTS)[number]): number | string {
  return type === 'number' ? 4_000_000_000 + id : `${name.slice(0, 8).toLowerCase()}-${id}`;
}

const EXPECTED = Object.fromEntries(ELEMENTS.map((element) => [element[1], sampleOf(element)]));

function record(isVariable: boolean): Octets {
  return joined(
    u32(99),
    ...ELEMENTS.map((element) => {
      const [, , type, length] = element;
      const value = sampleOf(element);
      if (type === 'number') return u32(Number(value));
      return isVariable ? variable(String(value)) : text(String(value), length);
    }),
  );
}

function v9(isVariable: boolean): Octets {
  const fields = ELEMENTS.map(
    ([id, , type, length]) => [NTOP_V9 + id, isVariable && type === 'text' ? 65535 : length] as const,
  );
  return v9Packet([v9TemplateSet(256, [[1, 4], ...fields]), v9DataSet(256, record(isVariable))]);
}

function ipfix(isVariable: boolean): Octets {
  const fields = ELEMENTS.map(
    ([id, , type, length]): Field => [id, isVariable && type === 'text' ? VARIABLE : length, NTOP],
  );
  return message([templateSet(256, [[1, 4], ...fields]), dataSet(256, record(isVariable))]);
}

describe('process and container elements', () => {
  it('are 34', () => {
    expect(ELEMENTS).toHaveLength(34);
    expect(new Set(ELEMENTS.map(([id]) => id)).size).toBe(34);
  });

  it.each([
    ['v9, fixed length', v9(false)],
    ['v9, variable length', v9(true)],
    ['IPFIX, fixed length', ipfix(false)],
    ['IPFIX, variable length', ipfix(true)],
  ])('%s', (_, octets) => {
    for (const codeGeneration of [true, false]) {
      const harness = new DecodingHarness({ codeGeneration });
      const [line, ...others] = harness.lines(octets);
      expect(others).toEqual([]);
      expect(line).toMatchObject({ IN_BYTES: 99, ...EXPECTED });
      expect(harness.problems()).toEqual([]);
    }
  });
});

const isCompared = hasProgram('tshark');

/** Values of ntop's elements as tshark shows them, in the order of the record; it knows those below 540. */
function tsharkValues(octets: Octets): string[] {
  const directory = mkdtempSync(join(tmpdir(), 'process-elements-'));
  try {
    const path = join(directory, 'stream.pcap');
    const packet = ethernet(0x0800, ipv4Packet({ protocol: 17 }, udp(40000, 2055, octets)));
    writeFileSync(path, pcap({}, [{ octets: packet }]));
    const tree = execFileSync('tshark', ['-r', path, '-d', 'udp.port==2055,cflow', '-T', 'json'], { encoding: 'utf8' });
    return [...tree.matchAll(/"cflow\.pie\.ntop\.[^"]*": "([^"]*)"/g)].map(([, value]) => value!);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

describe('what tshark decodes', () => {
  it.skipIf(!isCompared).each([
    ['v9', v9(false)],
    ['IPFIX', ipfix(false)],
  ])('%s: the same values', (_, octets) => {
    const known = ELEMENTS.filter(([id]) => id < 540);
    const values = tsharkValues(octets);
    expect(values).toHaveLength(known.length);
    const [line] = new DecodingHarness().lines(octets);
    for (const [i, element] of known.entries())
      expect(values[i]!.replace(/\\0.*$/, ''), element[1]).toBe(String(line![element[1]]));
  });
});
