import { afterEach, describe, expect, it, vi } from 'vitest';
import { Flow } from '../../src/flow/flow.ts';
import { Origin } from '../../src/flow/origin.ts';
import { loadBuiltInRegistry } from '../../src/ie/registry.ts';
import { compileReader } from '../../src/normalize/compile-reader.ts';
import { planRecord, type RecordPlan } from '../../src/normalize/record-plan.ts';
import { interpretLine } from '../../src/sink/formats/interpret-line.ts';
import { planLine } from '../../src/sink/formats/line-plan.ts';
import { compileLine, type WriteLine } from '../../src/sink/formats/line-writer.ts';

const REGISTRY = loadBuiltInRegistry();
const ENTERPRISE = 4242;
const ELEMENTS = 60;

/** A Template of `count` elements that no registry knows, an octet each, numbered from `first`; at `changed` one of another number. */
function plan(count: number, first = 1, changed = -1): RecordPlan {
  const fields = Array.from({ length: count }, (_, i) => ({
    elementId: i === changed ? 9999 : first + i,
    enterpriseNumber: ENTERPRISE,
    length: 1,
  }));
  const template = {
    id: 256,
    version: 10,
    fields,
    scopeFieldCount: -1,
    minRecordLength: count,
    signature: '',
    words: [],
  };
  return planRecord(template, REGISTRY, true);
}

function steps(plan: RecordPlan) {
  return planLine(plan.layout, { names: 'ntop', fields: undefined, upscale: false });
}

/** The line of a record whose octets are 1, 2, 3… */
function line(plan: RecordPlan, write: WriteLine): string {
  const flow = new Flow(new Origin());
  const bytes = Uint8Array.from({ length: ELEMENTS }, (_, i) => i + 1);
  flow.bytes = bytes;
  flow.view = new DataView(bytes.buffer);
  compileReader(plan)(flow.view, 0, bytes.length, flow.words, flow.times, new Float64Array(2));
  const octets = new Uint8Array(8192);
  const end = write(new DataView(octets.buffer), octets, 0, flow);
  return Buffer.from(octets.subarray(0, end)).toString('latin1');
}

/** The sources of functions made from now on in this test. */
function madeSources(): string[] {
  const made: string[] = [];
  const { Function: Original } = globalThis;
  vi.stubGlobal(
    'Function',
    class extends Original {
      constructor(...texts: string[]) {
        super(...texts);
        made.push(texts.at(-1)!);
      }
    },
  );
  return made;
}

describe('a compiled line', () => {
  afterEach(() => {
    vi.unstubAllGlobals();
  });

  it('has every key and value once and in order, however many there are', () => {
    for (let count = 1; count <= ELEMENTS; count++) {
      const planned = plan(count);
      const elements = Array.from({ length: count }, (_, i) => {
        const octet = (i + 1).toString(16).padStart(2, '0').toUpperCase();
        return `,"${ENTERPRISE}.${i + 1}":"${octet}"`;
      });
      for (const write of [compileLine(steps(planned)), interpretLine(steps(planned))]) {
        const written = line(planned, write);
        expect(written.slice(written.indexOf(`,"${ENTERPRISE}.`)).toUpperCase()).toBe(elements.join(''));
      }
    }
  });

  it('shares most of its functions with a line that has another field, or one less', () => {
    const made = madeSources();
    compileLine(steps(plan(ELEMENTS, 1001)));
    const whole = made.length;
    expect(whole).toBeGreaterThan(8);
    compileLine(steps(plan(ELEMENTS, 1001, 30)));
    expect(made).toHaveLength(whole + 1);
    compileLine(steps(plan(ELEMENTS, 1001)));
    expect(made).toHaveLength(whole + 1);
    compileLine(steps(plan(ELEMENTS, 1001)).filter((_, i) => i !== 4));
    expect(made.length).toBeLessThanOrEqual(whole + 3);
  });

  it('is made of functions of at most ten values, short enough to be optimised soon', () => {
    const made = madeSources();
    for (const step of steps(plan(ELEMENTS, 2001))) compileLine(new Array(ELEMENTS).fill(step));
    expect(made.length).toBeGreaterThan(ELEMENTS);
    for (const source of made) expect(source.split('writeHexadecimal(').length - 1).toBeLessThanOrEqual(10);
  });
});
