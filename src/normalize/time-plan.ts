import { type Template, VARIABLE_LENGTH } from '../decode/template.ts';
import { type FieldName, SLOT } from '../flow/fields.ts';

/** The forms in which a Template gives a time; the names of the plan's steps. */
export type TimeKind =
  | 'seconds'
  | 'milliseconds'
  | 'microseconds'
  | 'nanoseconds'
  | 'deltaMicroseconds'
  | 'relative'
  | 'systemInit';

/** Which elements of a Template give start and end of its flows. */
export interface TimeSources {
  /** Steps by index of the Template's field. */
  readonly steps: ReadonlyMap<number, { readonly kind: TimeKind; readonly slot: number }>;
  /** Fields that need not be kept as elements: the flow's times say all they do. */
  readonly consumed: ReadonlySet<number>;
  /** `startMs`, `endMs` or both. */
  readonly fields: readonly FieldName[];
  /** Times count from the Exporter's start, and the record does not tell it. */
  readonly needsUpTime: boolean;
  /** The Template has times that count from the Exporter's start, used or not. */
  readonly hasRelative: boolean;
  /** Times that are read from one and the same element are copied to the other: index in `Flow.times`, -1 for none. */
  readonly copyTo: number;
}

interface Source {
  readonly id: number;
  readonly kind: TimeKind;
  /** Octets it may have. */
  readonly lengths: readonly [min: number, max: number];
  /** The flow's times keep its whole precision. */
  readonly isExact: boolean;
}

const NANOSECONDS = { kind: 'nanoseconds', lengths: [8, 8], isExact: false } as const;
const MICROSECONDS = { kind: 'microseconds', lengths: [8, 8], isExact: false } as const;
const MILLISECONDS = { kind: 'milliseconds', lengths: [4, 8], isExact: true } as const;
const DELTA = { kind: 'deltaMicroseconds', lengths: [4, 4], isExact: false } as const;
const RELATIVE = { kind: 'relative', lengths: [1, 4], isExact: true } as const;
const SECONDS = { kind: 'seconds', lengths: [4, 8], isExact: true } as const;

/** Finest first. Event times stand in where a record has no others (Cisco ASA, element 323). */
const EVENT: readonly Source[] = [
  { id: 325, ...NANOSECONDS },
  { id: 324, ...MICROSECONDS },
  { id: 323, ...MILLISECONDS, isExact: false },
  { id: 322, ...SECONDS, isExact: false },
];
const START: readonly Source[] = [
  { id: 156, ...NANOSECONDS },
  { id: 154, ...MICROSECONDS },
  { id: 152, ...MILLISECONDS },
  { id: 158, ...DELTA },
  { id: 22, ...RELATIVE },
  { id: 150, ...SECONDS },
  ...EVENT,
];
const END: readonly Source[] = [
  { id: 157, ...NANOSECONDS },
  { id: 155, ...MICROSECONDS },
  { id: 153, ...MILLISECONDS },
  { id: 159, ...DELTA },
  { id: 21, ...RELATIVE },
  { id: 151, ...SECONDS },
  ...EVENT,
];

const SYSTEM_INIT = 160;

/**
 * Chooses the elements that give a flow's start and end: of several the finest. Times since the Exporter's start come
 * before seconds only where the start is sure: in NetFlow v9, whose header tells it, and where the record has element 160;
 * Viptela sends them in IPFIX without any, beside seconds that are right.
 */
export function planTimes(template: Template, knowsUpTime: boolean): TimeSources {
  const indices = new Map<number, number>();
  template.fields.forEach(({ elementId, enterpriseNumber }, index) => {
    if (enterpriseNumber === 0 && !indices.has(elementId)) indices.set(elementId, index);
  });
  const present = ({ id, lengths: [min, max] }: { id: number; lengths: readonly [number, number] }): boolean => {
    const index = indices.get(id);
    const length = index === undefined ? 0 : template.fields[index]!.length;
    return length >= min && length <= max;
  };
  // Behind a variable-length field it would be found only after the times that need it.
  const firstVariable = template.fields.findIndex(({ length }) => length === VARIABLE_LENGTH);
  const hasOwnStart =
    present({ id: SYSTEM_INIT, lengths: [8, 8] }) && (firstVariable < 0 || indices.get(SYSTEM_INIT)! < firstVariable);
  const isSure = template.version === 9 || hasOwnStart;
  const choose = (sources: readonly Source[]): Source | undefined => {
    const usable = sources.filter((source) => present(source) && (source.kind !== 'relative' || isSure || knowsUpTime));
    const best = usable[0];
    if (best?.kind !== 'relative' || isSure) return best;
    return usable.find(({ kind }) => kind === 'seconds') ?? best;
  };
  const start = choose(START);
  const end = choose(END);
  const steps = new Map<number, { kind: TimeKind; slot: number }>();
  const consumed = new Set<number>();
  let copyTo = -1;
  let needsUpTime = false;
  for (const [source, slot] of [
    [start, SLOT.startMs],
    [end, SLOT.endMs],
  ] as const) {
    if (source === undefined) continue;
    const index = indices.get(source.id)!;
    if (steps.has(index)) copyTo = slot;
    else steps.set(index, { kind: source.kind, slot });
    if (source.isExact) consumed.add(index);
    if (source.kind !== 'relative') continue;
    if (hasOwnStart) {
      steps.set(indices.get(SYSTEM_INIT)!, { kind: 'systemInit', slot: 0 });
    } else if (template.version !== 9) {
      needsUpTime = true;
    }
  }
  const fields: FieldName[] = [];
  if (start !== undefined) fields.push('startMs');
  if (end !== undefined) fields.push('endMs');
  const hasRelative = indices.has(21) || indices.has(22);
  return { steps, consumed, fields, needsUpTime, hasRelative: hasRelative && !isSure, copyTo };
}
