import { describe, expect, it } from 'vitest';
import { DecodingHarness } from '../support/decoding-harness.ts';
import { dataSet, type Field, message, templateSet, VARIABLE } from '../support/ipfix-message.ts';
import { v9DataSet, v9Packet, v9TemplateSet } from '../support/netflow9-message.ts';
import { Random } from '../support/random.ts';
import { exactValues, modelLine } from '../support/slow-model.ts';
import { joined, type Octets, variable } from '../support/wire-octets.ts';

const SEED = Number(process.env['FUZZ_SEED'] ?? Date.now() % 2 ** 32);
const TEMPLATES = 40 * Number(process.env['FUZZ_SECONDS'] ?? 1);
/** More than are read and written by steps before code is generated. */
const RECORDS = 150;

/** Elements whose keys are all different. */
const ELEMENTS: readonly (readonly [id: number, enterprise?: number])[] = [
  ...[1, 2, 4, 5, 6, 7, 8, 10, 11, 12, 14, 15, 16, 27, 28, 56, 70, 80, 82, 83, 95, 136, 148, 210, 276, 311, 434].map(
    (id) => [id] as const,
  ),
  [168, 35632],
  [169, 35632],
  [556, 35632],
  [1, 29305],
  [77, 4242],
  [32767, 4294967295],
];
const USUAL_LENGTHS = [1, 2, 4, 8, 16, 6, 3, VARIABLE, VARIABLE];
/** Keys that every line has. */
const OF_MESSAGE =
  /^(RECORD_TYPE|EXPORTER_.*|EXPORT_.*|OBSERVATION_DOMAIN_ID|TEMPLATE_ID|SAMPLING_(INTERVAL|ORIGIN)|APPLICATION_NAME)$/;

function randomFields(random: Random, version: number): Field[] {
  const fields: Field[] = [];
  for (let i = 0, count = 1 + random.below(12); i < count; i++) {
    const [id, enterprise] = random.pick(ELEMENTS);
    if (version === 9 && enterprise !== undefined && enterprise !== 35632) continue;
    const length = random.below(2) === 0 ? random.below(21) : random.pick(USUAL_LENGTHS);
    fields.push(enterprise === undefined ? [id, length] : [id, length, enterprise]);
  }
  return fields.some(([, length]) => length > 0) ? fields : [...fields, [8, 4]];
}

function randomOctets(random: Random, length: number): Octets {
  const kind = random.below(4);
  const octets = random.octets(length);
  if (kind === 0) return octets.fill(random.pick([0, 0xff, 1]));
  if (kind === 1) for (let i = 0; i < length; i++) octets[i] = 0x20 + (octets[i]! % 0x60);
  return octets;
}

function randomRecord(random: Random, fields: readonly Field[]): Octets {
  return joined(
    ...fields.map(([, length]) => {
      if (length !== VARIABLE) return randomOctets(random, length);
      const octets = randomOctets(random, random.below(40) === 0 ? 250 + random.below(20) : random.below(21));
      return variable(octets, random.below(5) === 0);
    }),
  );
}

/** Messages of at most some ten records, with the Template in the first. */
function messagesOf(version: number, id: number, fields: readonly Field[], records: readonly Octets[]): Octets[] {
  const messages: Octets[] = [];
  for (let i = 0; i < records.length; i += 10) {
    const some = records.slice(i, i + 10);
    if (version === 9) {
      const types = fields.map(
        ([type, length, enterprise]) => [type + (enterprise === undefined ? 0 : 57472), length] as const,
      );
      const data = joined(...some.map((record) => v9DataSet(id, record)));
      messages.push(v9Packet(i === 0 ? [v9TemplateSet(id, types), data] : [data]));
    } else {
      messages.push(message(i === 0 ? [templateSet(id, fields), dataSet(id, ...some)] : [dataSet(id, ...some)]));
    }
  }
  return messages;
}

describe.each([10, 9])('random Templates and records of version %i', (version) => {
  it('give the lines of a slow model, compiled and by steps alike', () => {
    const random = new Random(SEED);
    const compiling = new DecodingHarness();
    const stepping = new DecodingHarness({ codeGeneration: false });
    for (let i = 0; i < TEMPLATES; i++) {
      const fields = randomFields(random, version);
      // Records shorter than their padding would be records: version 9 pads to four octets.
      if (version === 9) fields.push([148, 8]);
      const records = Array.from({ length: RECORDS }, () => randomRecord(random, fields));
      const messages = messagesOf(version, 256 + i, fields, records);
      const what = `FUZZ_SEED=${SEED} ${JSON.stringify(fields)}`;
      compiling.lines(messages);
      stepping.lines(messages);
      expect(compiling.text, what).toBe(stepping.text);
      const lines = compiling.text.trimEnd().split('\n');
      expect(lines.length, what).toBe(records.length);
      for (const [n, line] of lines.entries()) {
        const values = Object.entries(exactValues(line)).filter(([key]) => !OF_MESSAGE.test(key));
        expect(Object.fromEntries(values), `${what} record ${n}`).toEqual(modelLine(fields, records[n]!));
      }
    }
    expect(compiling.problems()).toEqual([]);
    expect(compiling.counters.faults).toEqual(stepping.counters.faults);
  });
});

describe('times, sampling, lists and packet sections, upscaled under IANA names', () => {
  it('give the same lines compiled and by steps', () => {
    const random = new Random(SEED);
    const others = [21, 22, 150, 151, 152, 153, 154, 155, 156, 157, 158, 159, 160, 322, 323, 324, 325, 34, 48, 302];
    const ids = [...others, 305, 306, 85, 86, 1, 2, 10, 291, 292, 313, 315, 104, 231, 298, 23, 24];
    const compiling = new DecodingHarness({}, 'iana', true);
    const stepping = new DecodingHarness({ codeGeneration: false }, 'iana', true);
    for (let i = 0; i < TEMPLATES; i++) {
      const fields: Field[] = [[148, 8]];
      for (let n = 0, count = random.below(10); n < count; n++) {
        fields.push([random.pick(ids), random.pick([1, 2, 3, 4, 4, 4, 8, 8, 8, 8, 9, VARIABLE])]);
      }
      const records = Array.from({ length: RECORDS }, () => randomRecord(random, fields));
      const messages = messagesOf(random.pick([9, 10]), 256 + i, fields, records);
      const what = `FUZZ_SEED=${SEED} ${JSON.stringify(fields)}`;
      expect(compiling.lines(messages).length, what).toBe(RECORDS);
      stepping.lines(messages);
      expect(compiling.text, what).toBe(stepping.text);
    }
    expect(compiling.problems()).toEqual([]);
    expect(stepping.problems()).toEqual([]);
  });
});
