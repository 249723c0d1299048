import { describe, expect, it } from 'vitest';
import type { FieldSpecifier, Template } from '../../src/decode/template.ts';
import { FIELD_WORDS, FIELDS, SLOT } from '../../src/flow/fields.ts';
import { loadBuiltInRegistry } from '../../src/ie/registry.ts';
import { compileReader, readerSource } from '../../src/normalize/compile-reader.ts';
import { interpretReader } from '../../src/normalize/interpret-reader.ts';
import { planRecord, type RecordPlan } from '../../src/normalize/record-plan.ts';
import { type LineOptions, planLine } from '../../src/sink/formats/line-plan.ts';
import { lineSource } from '../../src/sink/formats/line-writer.ts';
import type { Field } from '../support/ipfix-message.ts';
import { hex, joined, u32 } from '../support/wire-octets.ts';

const REGISTRY = loadBuiltInRegistry();
const VARIABLE = 65535;

function plan(fields: readonly Field[], version = 10): RecordPlan {
  const specifiers = fields.map(
    ([elementId, length, enterpriseNumber = 0]): FieldSpecifier => ({ elementId, length, enterpriseNumber }),
  );
  const minRecordLength = specifiers.reduce((sum, { length }) => sum + (length === VARIABLE ? 1 : length), 0);
  const template: Template = {
    id: 256,
    version,
    fields: specifiers,
    scopeFieldCount: -1,
    minRecordLength,
    signature: '',
    words: [],
  };
  return planRecord(template, REGISTRY, true);
}

/** Source with the words of fields under their names: what is reviewed is the reading, not where fields happen to lie. */
function named(source: string): string {
  const inWords = FIELDS.filter(({ type }) => type !== 'time' && type !== 'name');
  const fields = new Map(inWords.map(({ field }) => [SLOT[field], field] as const));
  return source.replace(/words\[(\d+)\]/g, (word, slot: string) => {
    const name: string | undefined = fields.get(Number(slot)) ?? fields.get(Number(slot) - 1);
    if (Number(slot) >= FIELD_WORDS) return `words[element + ${Number(slot) - FIELD_WORDS}]`;
    return name === undefined ? word : `words[${name}${fields.has(Number(slot)) ? '' : ' + 1'}]`;
  });
}

describe('generated source', () => {
  it('of a Template of fixed fields', () => {
    const fields: Field[] = [
      [8, 4],
      [7, 2],
      [4, 1],
      [1, 8],
      [2, 3],
      [152, 8],
      [153, 8],
    ];
    expect(named(readerSource(plan(fields)))).toMatchInlineSnapshot(`
      "function read(view, pos, end, words, times, clock) {
        words[sourceIPv4] = view.getUint32(pos + 0);
        words[sourcePort] = view.getUint16(pos + 4);
        words[protocol] = view.getUint8(pos + 6);
        words[octets] = view.getUint32(pos + 7); words[octets + 1] = view.getUint32(pos + 11);
        words[packets] = 0; words[packets + 1] = (view.getUint16(pos + 15) * 256 + view.getUint8(pos + 17));
        times[0] = (view.getUint32(pos + 18) * 4294967296 + view.getUint32(pos + 22));
        times[1] = (view.getUint32(pos + 26) * 4294967296 + view.getUint32(pos + 30));
        return pos + 34;
      }"
    `);
  });

  it('of a v9 Template with times since the start of the Exporter', () => {
    expect(
      named(
        readerSource(
          plan(
            [
              [22, 4],
              [21, 4],
              [27, 16],
              [56, 6],
              [2, 4],
            ],
            9,
          ),
        ),
      ),
    ).toMatchInlineSnapshot(`
      "function read(view, pos, end, words, times, clock) {
        const exportMs = clock[0];
        let upTimeMs = clock[1];
        times[0] = exportMs + ((view.getUint32(pos + 0) - upTimeMs) | 0);
        times[1] = exportMs + ((view.getUint32(pos + 4) - upTimeMs) | 0);
        words[sourceIPv6] = pos + 8;
        words[sourceMac] = pos + 24;
        words[packets] = 0; words[packets + 1] = view.getUint32(pos + 30);
        return pos + 34;
      }"
    `);
  });

  it('of a Template with variable-length fields', () => {
    const fields: Field[] = [
      [160, 8],
      [22, 4],
      [169, VARIABLE, 35632],
      [1, 4],
      [95, VARIABLE],
      [10, 2],
    ];
    expect(named(readerSource(plan(fields)))).toMatchInlineSnapshot(`
      "function read(view, pos, end, words, times, clock) {
        const exportMs = clock[0];
        let upTimeMs = clock[1];
        upTimeMs = exportMs - (view.getUint32(pos + 0) * 4294967296 + view.getUint32(pos + 4));
        words[element + 0] = pos + 0;
        times[0] = exportMs + ((view.getUint32(pos + 8) - upTimeMs) | 0);
        pos += 13;
        { let length = view.getUint8(pos - 1);
          if (length === 255) { if (pos + 2 > end) return -1; length = view.getUint16(pos); pos += 2; }
          if (pos + length + 7 > end) return -1;
          words[sourceProcessName] = pos; words[sourceProcessName + 1] = length;
          pos += length; }
        words[octets] = 0; words[octets + 1] = view.getUint32(pos + 0);
        pos += 5;
        { let length = view.getUint8(pos - 1);
          if (length === 255) { if (pos + 2 > end) return -1; length = view.getUint16(pos); pos += 2; }
          if (pos + length + 2 > end) return -1;
          words[applicationId] = pos; words[applicationId + 1] = length;
          pos += length; }
        words[inputInterface] = view.getUint16(pos + 0);
        return pos + 2;
      }"
    `);
  });

  it('of a line', () => {
    const options: LineOptions = { names: 'ntop', fields: undefined, upscale: false };
    const { source, texts } = lineSource(
      planLine(
        plan([
          [8, 4],
          [4, 1],
          [1, 8],
        ]).layout,
        options,
      ),
    );
    expect(texts).toHaveLength(1);
    // The constants are keys: eight octets a number. Shown as their texts.
    const shown = source.replace(/setFloat64\((pos[ +\d]*), (-?[\d.e+-]+)\)/g, (_, at: string, number: string) => {
      const octets = Buffer.alloc(8);
      octets.writeDoubleBE(Number(number));
      return `store(${at}, ${JSON.stringify(octets.toString('latin1'))})`;
    });
    expect(named(shown)).toMatchInlineSnapshot(`
      "const { OCTET_DIGITS, OCTET_LENGTH, chunksOf, lengthsOf, writeUnsigned32, writeUnsigned64, writeIPv4Word, writeIPv6, writeMac, writeHexadecimal, writeJsonText, writeJsonString, writeApplication, writeScaled, writeElement, writeMilliseconds, writeThousandths } = runtime;
      const chunks0 = chunksOf(texts[0]), lengths0 = lengthsOf(texts[0]);
      return function write(out, octets, pos, flow) {
        const { words, times, names, bytes, view } = flow;
        out.store(pos, ",\\"IPV4_S"); out.store(pos + 8, "RC_ADDR\\""); out.store(pos + 16, ":\\"      "); pos += 18;
        pos = writeIPv4Word(out, pos, words, 0);
        out.store(pos, "\\",\\"PROTO"); out.store(pos + 8, "COL\\":   "); pos += 13;
        out.setUint32(pos, OCTET_DIGITS[words[protocol] & 255]); pos += OCTET_LENGTH[words[protocol] & 255];
        out.store(pos, ",\\"IN_BYT"); out.store(pos + 8, "ES\\":    "); pos += 12;
        pos = words[octets] === 0 ? writeUnsigned32(out, pos, words[octets + 1]) : writeUnsigned64(out, pos, words[octets], words[octets + 1]);
        if (words[samplingInterval] !== 0) {
        out.store(pos, ",\\"SAMPLI"); out.store(pos + 8, "NG_INTER"); out.store(pos + 16, "VAL\\":   "); pos += 21;
        pos = writeUnsigned32(out, pos, words[samplingInterval]);
        }
        out.store(pos, ",\\"SAMPLI"); out.store(pos + 8, "NG_ORIGI"); out.store(pos + 16, "N\\":\\"    "); pos += 20;
        out.setFloat64(pos, chunks0[words[samplingOrigin]]); pos += lengths0[words[samplingOrigin]];
        out.store(pos, "\\"       "); pos += 1;
        return pos;
      };"
    `);
  });

  it('holds nothing an Exporter says: numbers and our own words alone', () => {
    const fields: Field[] = [
      [8, 4],
      [82, VARIABLE],
      [77, 3, 4242],
      [154, 8],
      [305, 4],
      [1, 2],
      [1, 4],
    ];
    const words = readerSource(plan(fields)).match(/[A-Za-z_$][\w$]*/g)!;
    const own = 'function read view pos end words times clock const let exportMs upTimeMs return if else for';
    const more = 'getUint8 getUint16 getUint32 length high low i Math floor ntpToUnixMs';
    expect([...new Set(words)].filter((word) => !`${own} ${more}`.split(' ').includes(word))).toEqual([]);
  });
});

it('reads times the same compiled and by steps, and as worked out by hand', () => {
  const both = (
    fields: readonly Field[],
    record: Uint8Array,
    exportMs: number,
    upTimeMs: number,
    version = 10,
  ): number[][] =>
    [compileReader, interpretReader].map((make) => {
      const words = new Uint32Array(1000);
      const times = new Float64Array(2);
      const octets = joined(new Uint8Array(3), record);
      const next = make(plan(fields, version))(
        new DataView(octets.buffer),
        3,
        octets.length,
        words,
        times,
        Float64Array.of(exportMs, upTimeMs),
      );
      expect(next).toBe(octets.length);
      return [...times];
    });
  const now = 1_700_000_000_000;
  const relative: Field[] = [
    [22, 4],
    [21, 4],
    [1, 1],
  ];
  const cases: [number[][], number[]][] = [
    [both(relative, joined(u32(1000), u32(3000), hex('01')), now, 5000, 9), [now - 4000, now - 2000]],
    [both(relative, joined(u32(2 ** 32 - 1000), u32(3000), hex('01')), now, 5000, 9), [now - 6000, now - 2000]],
    // Microseconds before the export
    [
      both(
        [
          [158, 4],
          [159, 4],
        ],
        joined(u32(2_000_500), u32(1000)),
        now,
        -1,
      ),
      [now - 2001, now - 1],
    ],
    [
      both(
        [
          [150, 4],
          [151, 4],
        ],
        joined(u32(5), u32(2 ** 32 - 1)),
        now,
        -1,
      ),
      [5000, 4_294_967_295_000],
    ],
    [both([[323, 8]], hex('0000018bcfe56800'), now, -1), [now, now]],
    [
      both(
        [
          [160, 8],
          [22, 4],
          [21, 4],
        ],
        joined(hex('0000018bcfe56800'), u32(7), u32(9)),
        now + 100,
        -1,
      ),
      [now + 7, now + 9],
    ],
  ];
  for (const [found, expected] of cases) expect(found).toEqual([expected, expected]);
});
