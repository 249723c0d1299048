import { FIELD_WORDS } from '../flow/fields.ts';
import { ELEMENT_WORDS } from '../flow/flow.ts';
import { type ElementValue, fieldEntry, Layout, type LayoutEntry } from '../flow/layout.ts';
import type { FieldFill, KeyTarget } from './listened-key.ts';

/** How the octets of an element were made of a value. */
export const LISTENED_VALUES = [
  'unsigned',
  'signed',
  'float',
  'boolean',
  'ipv4',
  'ipv6',
  'mac',
  'string',
] as const satisfies readonly ElementValue[];

/** Steps of a tree and entries of its layouts: a feed has a few dozen layouts of some 40 entries. */
const MAX_STEPS = 50_000;
const MAX_ENTRIES = 200_000;
/** Codes below it are fields', each target takes as many as there are {@link LISTENED_VALUES}, and a few are left. */
const CODES_PER_TARGET = 16;
const WITHOUT_IPV4 = 1;
const WITHOUT_IPV6 = 2;

const COUNTERS: ReadonlySet<string> = new Set([
  'octets',
  'packets',
  'reverseOctets',
  'reversePackets',
  'postOctets',
  'postPackets',
]);
const IPV4_ENDS: ReadonlySet<string> = new Set(['sourceIPv4', 'destinationIPv4']);
const IPV6_ENDS: ReadonlySet<string> = new Set(['sourceIPv6', 'destinationIPv6']);

/** One step on the way from no keys to all keys of a record. */
export class LayoutStep {
  /** First word of the element that was added here, or where the next one begins. */
  readonly slot: number;
  /** Where a further element begins. */
  readonly nextSlot: number;
  private readonly before: LayoutStep | undefined;
  private readonly entry: LayoutEntry | undefined;
  private readonly without: number;
  private readonly steps = new Map<number, LayoutStep>();
  private lastCode = -1;
  private lastStep: LayoutStep | undefined;
  private made: Layout | undefined;

  /** Behind `before`, with one entry more or the addresses of one IP version fewer. */
  constructor(before: LayoutStep | undefined, entry: LayoutEntry | undefined, without: number) {
    this.before = before;
    this.entry = entry;
    this.without = without;
    this.slot = before?.nextSlot ?? FIELD_WORDS;
    this.nextSlot = entry?.kind === 'element' ? this.slot + 2 : this.slot;
  }

  /** The step that `code` leads to, or undefined where nobody went there yet. */
  find(code: number): LayoutStep | undefined {
    if (code === this.lastCode) return this.lastStep;
    const step = this.steps.get(code);
    if (step !== undefined) {
      this.lastCode = code;
      this.lastStep = step;
    }
    return step;
  }

  /** Adds a step. */
  add(code: number, entry: LayoutEntry | undefined, without: number): LayoutStep {
    const step = new LayoutStep(this, entry, without);
    this.steps.set(code, step);
    return step;
  }

  /** The layout of records with the keys up to here, made on first need. */
  get layout(): Layout | undefined {
    return this.made;
  }

  /** Makes {@link LayoutStep.layout} and gives it. */
  makeLayout(): Layout {
    const entries: LayoutEntry[] = [];
    let without = 0;
    for (let step: LayoutStep | undefined = this; step !== undefined; step = step.before) {
      without |= step.without;
      if (step.entry !== undefined) entries.push(step.entry);
    }
    entries.reverse();
    const kept = entries.filter((entry) => {
      if (entry.kind !== 'field') return true;
      const { field } = entry.field;
      if ((without & WITHOUT_IPV4) !== 0 && IPV4_ENDS.has(field)) return false;
      return (without & WITHOUT_IPV6) === 0 || !IPV6_ENDS.has(field);
    });
    const names = new Set(kept.map((entry) => (entry.kind === 'field' ? entry.field.field : '')));
    kept.push(fieldEntry('samplingOrigin'));
    for (const [name, field] of LOOKED_UP) {
      if (names.has(field) && !names.has(name)) kept.push(fieldEntry(name, true));
    }
    this.made = new Layout([...names].some((name) => COUNTERS.has(name)) ? 'flow' : 'event', kept);
    return this.made;
  }
}

const LOOKED_UP = [
  ['inputInterfaceName', 'inputInterface'],
  ['outputInterfaceName', 'outputInterface'],
] as const;

/**
 * The layouts of listened records, found key by key: records with the same keys in the same order get the same one. Made anew
 * when it has grown beyond what any feed needs.
 */
export class ListenedLayouts {
  private root = new LayoutStep(undefined, undefined, 0);
  private steps = 0;
  private entries = 0;

  /** Where a record begins. */
  start(): LayoutStep {
    if (this.steps > MAX_STEPS || this.entries > MAX_ENTRIES) {
      this.root = new LayoutStep(undefined, undefined, 0);
      this.steps = 0;
      this.entries = 0;
    }
    return this.root;
  }

  /** With a field more, which the record does not have yet. */
  withField(step: LayoutStep, { code, entry }: FieldFill): LayoutStep {
    return step.find(code * CODES_PER_TARGET) ?? this.add(step, code * CODES_PER_TARGET, entry, 0);
  }

  /**
   * With an element more, whose octets are read as the value of that number in {@link LISTENED_VALUES}; undefined where a
   * record has no room for it. The element's two words are at the step's `slot`.
   */
  withElement(step: LayoutStep, target: KeyTarget, value: number): LayoutStep | undefined {
    const code = target.code * CODES_PER_TARGET + value;
    const known = step.find(code);
    if (known !== undefined) return known;
    if (step.nextSlot + 2 > FIELD_WORDS + ELEMENT_WORDS) return undefined;
    const { enterpriseNumber, elementId, ntop, iana } = target;
    return this.add(
      step,
      code,
      {
        kind: 'element',
        enterpriseNumber,
        elementId,
        ntop,
        iana,
        value: LISTENED_VALUES[value]!,
        positionSlot: step.nextSlot,
        length: -1,
      },
      0,
    );
  }

  /** Without the addresses of one IP version, which are all zeros. */
  withoutAddresses(step: LayoutStep, ipVersion: 4 | 6): LayoutStep {
    const without = ipVersion === 4 ? WITHOUT_IPV4 : WITHOUT_IPV6;
    return step.find(-1 - without) ?? this.add(step, -1 - without, undefined, without);
  }

  /** The layout of records whose keys led to `step`. */
  layoutOf(step: LayoutStep): Layout {
    if (step.layout !== undefined) return step.layout;
    const layout = step.makeLayout();
    this.entries += layout.entries.length;
    return layout;
  }

  private add(step: LayoutStep, code: number, entry: LayoutEntry | undefined, without: number): LayoutStep {
    this.steps++;
    return step.add(code, entry, without);
  }
}
