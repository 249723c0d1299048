import { APPLICATION_FIELDS } from '../flow/application-fields.ts';
import { FIELD_BY_NAME, FIELDS, type FieldName, type FieldType, SLOT } from '../flow/fields.ts';
import { type FieldEntry, fieldEntry, RESERVED_IANA_KEYS, RESERVED_NTOP_KEYS } from '../flow/layout.ts';
import type { ElementLookup } from '../ie/registry.ts';
import { ENTERPRISES, mappingOf, NTOP_NETFLOW9_OFFSET } from './mapping.ts';
import { describeElement } from './record-plan.ts';

/**
 * What is done with the value of a key of ntop's feeds:
 * - `field`: it fills a flow field
 * - `element`: it is kept as an Information Element
 * - `other`: it is kept under its own name
 * - `exporterIPv4`, `exporterIPv6`, `exporterPort`, `exportTime`: it says where the record comes from
 * - `probeAddress`: an element, and the Exporter where none is named
 * - `timestamp`: when an agent saw it; kept, and the flow's time where it has none
 * - `user`: an agent's user name; kept, and that of the source's process where it has none
 * - `agent`: a nested record of an agent
 * - `sampling`: a rate; that of a probe's flow, whose counters are already multiplied by it, is kept under a name of its own
 * - `samplingOrigin`: where the rate came from; lines of ours have it, whose counters are not multiplied
 * - `ignored`: a key that every line has for itself
 */
export type KeyRole =
  | 'field'
  | 'element'
  | 'other'
  | 'exporterIPv4'
  | 'exporterIPv6'
  | 'exporterPort'
  | 'exportTime'
  | 'probeAddress'
  | 'timestamp'
  | 'user'
  | 'agent'
  | 'sampling'
  | 'samplingOrigin'
  | 'ignored';

/** A flow field as keys fill it; shared by all keys that do. */
export class FieldFill {
  readonly field: FieldName;
  readonly type: FieldType;
  readonly slot: number;
  readonly entry: FieldEntry;
  /** Texts of a `choice`. */
  readonly choices: readonly string[];
  /** Place in the table, unlike that of any other field. */
  readonly code: number;
  /** Record that filled it last, and the rank of the key that did. */
  seenIn = 0;
  seenRank = 0;
  /** Record in which a value that did not fit it was kept elsewhere. */
  spareIn = 0;

  /** Of a row of the table. */
  constructor(field: FieldName, code: number) {
    const row = FIELD_BY_NAME.get(field)!;
    this.field = field;
    this.type = row.type;
    this.slot = SLOT[field];
    this.entry = fieldEntry(field, false, MAX_OCTETS[row.type] ?? 8);
    this.choices = row.choices ?? [];
    this.code = code;
  }
}

const MAX_OCTETS: Readonly<Partial<Record<FieldType, number>>> = { u8: 1, u16: 2, u32: 4 };

/** What a key stands for. */
export class KeyTarget {
  readonly role: KeyRole;
  /** Key of the line, by default and under `--names iana`. */
  readonly ntop: string;
  readonly iana: string;
  /** Key for a value that does not fit the field; `''` for none. */
  readonly spareKey: string;
  readonly fill: FieldFill | undefined;
  /** Of several keys that fill a field the lowest rank does. */
  readonly rank: number;
  /** Milliseconds that one of a time's units has. */
  readonly unitMs: number;
  /** Element's numbers and data type; 0 and `''` for others. */
  readonly enterpriseNumber: number;
  readonly elementId: number;
  readonly dataType: string;
  /** Unlike that of any other target or field. */
  readonly code: number;
  /** Record that had it last. */
  seenIn = 0;

  /** Defaults stand for a key that is kept under its own name. */
  constructor(code: number, name: string, values: Partial<Omit<KeyTarget, 'seenIn' | 'code'>> = {}) {
    this.code = code;
    this.role = values.role ?? 'other';
    this.ntop = values.ntop ?? name;
    this.iana = values.iana ?? name;
    this.spareKey = values.spareKey ?? '';
    this.fill = values.fill;
    this.rank = values.rank ?? 0;
    this.unitMs = values.unitMs ?? 1;
    this.enterpriseNumber = values.enterpriseNumber ?? 0;
    this.elementId = values.elementId ?? 0;
    this.dataType = values.dataType ?? '';
  }
}

/** Keys remembered; more than any feed has, so that reaching it means nonsense is sent. */
const MAX_KEYS = 16_384;
/** Names that templates of feeds may teach. */
const MAX_TAUGHT_NAMES = 4096;
const MAX_NAME_LENGTH = 127;
const FIRST_TARGET_CODE = 1024;

/**
 * ntopng's meaning of numbers that IANA or NetFlow v9 give another: 23 and 24 count the other direction, 300 is the
 * observation point's.
 */
const NUMBER_FIELDS: ReadonlyMap<number, FieldName> = new Map([
  [23, 'reverseOctets'],
  [24, 'reversePackets'],
]);
const SAMPLING_INTERVAL = 34;
const NTOPNG_OBSERVATION_POINT = 300;
const OBSERVATION_POINT_ID = 138;

/** Times as ntop's feeds give them: Unix time, whatever the element counts from elsewhere. */
const TIME_NUMBERS: ReadonlyMap<number, readonly [field: FieldName, unitMs: number, rank: number]> = new Map([
  [22, ['startMs', 1000, 2]],
  [21, ['endMs', 1000, 2]],
  [150, ['startMs', 1000, 1]],
  [151, ['endMs', 1000, 1]],
  [152, ['startMs', 1, 0]],
  [153, ['endMs', 1, 0]],
]);

/** Names that agents use, and such of ntopng's as no table has. */
const OTHER_NAMES: ReadonlyMap<string, FieldName> = new Map([
  ['IPV4_LOCAL_ADDR', 'sourceIPv4'],
  ['IPV4_REMOTE_ADDR', 'destinationIPv4'],
  ['IPV6_LOCAL_ADDR', 'sourceIPv6'],
  ['IPV6_REMOTE_ADDR', 'destinationIPv6'],
  ['L4_LOCAL_PORT', 'sourcePort'],
  ['L4_REMOTE_PORT', 'destinationPort'],
  ['POST_NAT_SRC_TRANSPORT_PORT', 'postNaptSourcePort'],
  ['POST_NAT_DST_TRANSPORT_PORT', 'postNaptDestinationPort'],
]);

const ROLES: ReadonlyMap<string, KeyRole> = new Map<string, KeyRole>([
  ['EXPORTER_IPV4_ADDRESS', 'exporterIPv4'],
  ['exporterIPv4Address', 'exporterIPv4'],
  ['EXPORTER_IPV6_ADDRESS', 'exporterIPv6'],
  ['exporterIPv6Address', 'exporterIPv6'],
  ['EXPORTER_TRANSPORT_PORT', 'exporterPort'],
  ['exporterTransportPort', 'exporterPort'],
  ['EXPORT_TIME_MILLISECONDS', 'exportTime'],
  ['exportTimeMilliseconds', 'exportTime'],
  ['timestamp', 'timestamp'],
  ['USER_NAME', 'user'],
  ['LOCAL_PROCESS', 'agent'],
  ['LOCAL_FATHER_PROCESS', 'agent'],
  ['LOCAL_CONTAINER', 'agent'],
  ['REMOTE_PROCESS', 'agent'],
  ['REMOTE_FATHER_PROCESS', 'agent'],
  ['REMOTE_CONTAINER', 'agent'],
]);

const NPROBE_IPV4_ADDRESS = 471;
/** Under which a line tells a rate that its counters are already multiplied by. */
export const PROBE_SAMPLING_KEY = 'PROBE_SAMPLING_INTERVAL';

/** Finds what keys of ntop's feeds stand for: numbers, `PEN.id`, ntop's and IANA's names, names that templates teach. */
export class ListenedKeys {
  /** Every field by its name in code. */
  readonly fills: ReadonlyMap<FieldName, FieldFill> = new Map(
    FIELDS.map(({ field }, code) => [field, new FieldFill(field, code)]),
  );
  private readonly registry: ElementLookup;
  private readonly fieldNames = new Map<string, FieldName>();
  private readonly byNumber = new Map<number, KeyTarget>();
  private readonly byName = new Map<string, KeyTarget>();
  /** By `PEN.id`: whatever key an element has, it is one. */
  private readonly byElement = new Map<string, KeyTarget>();
  private readonly taught = new Map<string, { readonly enterpriseNumber: number; readonly elementId: number }>();
  private targets = FIRST_TARGET_CODE;

  /** Elements are looked up in `registry`. */
  constructor(registry: ElementLookup) {
    this.registry = registry;
    for (const { field, ntop, iana } of FIELDS) {
      if (APPLICATION_FIELDS.has(field)) continue;
      if (!this.fieldNames.has(ntop)) this.fieldNames.set(ntop, field);
      if (!this.fieldNames.has(iana)) this.fieldNames.set(iana, field);
    }
  }

  /** What a number stands for: IANA's, or ntop's own from 57472 on. */
  ofNumber(number: number): KeyTarget {
    let target = this.byNumber.get(number);
    if (target === undefined) {
      target = this.elementTarget(ENTERPRISES.iana, number, String(number));
      this.byNumber.set(number, target);
    }
    return target;
  }

  /** What a name, or a number as text, stands for. */
  ofName(name: string): KeyTarget {
    let target = this.byName.get(name);
    if (target === undefined) {
      target = this.makeTarget(name);
      this.byName.set(name, target);
    }
    return target;
  }

  /** To be called before a record: forgets keys when there are too many, which must not happen within one. */
  startRecord(): void {
    if (this.byNumber.size + this.byName.size + this.byElement.size < MAX_KEYS) return;
    this.byNumber.clear();
    this.byName.clear();
    this.byElement.clear();
  }

  /** Takes a name that a feed's template gives an element. Names that are known keep their meaning. */
  teach(name: string, enterpriseNumber: number, elementId: number): void {
    if (name.length > MAX_NAME_LENGTH || this.taught.size >= MAX_TAUGHT_NAMES) return;
    if (this.taught.has(name)) return;
    this.taught.set(name, { enterpriseNumber, elementId });
    this.byName.delete(name);
  }

  private makeTarget(name: string): KeyTarget {
    if (/^\d{1,10}$/.test(name)) return this.elementTarget(ENTERPRISES.iana, Number(name), name);
    const dotted = /^(\d{1,10})\.(\d{1,10})$/.exec(name);
    if (dotted !== null) return this.elementTarget(Number(dotted[1]), Number(dotted[2]), name);
    const role = ROLES.get(name);
    if (role !== undefined) return this.target(name, { role });
    // Ours, when lines of ours are passed on.
    if (name === PROBE_SAMPLING_KEY) return this.ofNumber(SAMPLING_INTERVAL);
    if (RESERVED_NTOP_KEYS.has(name) || RESERVED_IANA_KEYS.has(name)) return this.target(name, { role: 'ignored' });
    const other = OTHER_NAMES.get(name);
    // Their own names are free for a value that does not fit.
    if (other !== undefined) return this.fieldTarget(other, name, { rank: 1 });
    const element = this.registry.findByName(name);
    const field = this.fieldNames.get(name);
    if (field === 'samplingInterval') return this.ofNumber(SAMPLING_INTERVAL);
    if (field === 'samplingOrigin') return this.target(name, { role: 'samplingOrigin' });
    if (field !== undefined) {
      const spareKey = element === undefined ? '' : `${element.enterpriseNumber}.${element.id}`;
      return this.fieldTarget(field, spareKey);
    }
    if (element !== undefined) return this.elementTarget(element.enterpriseNumber, element.id, name);
    const taught = this.taught.get(name);
    if (taught === undefined) return this.target(name);
    const { enterpriseNumber, elementId } = taught;
    const known = this.elementTarget(enterpriseNumber, elementId, name);
    // What no registry names keeps the name it came by.
    return known.role === 'element' && known.dataType === ''
      ? this.target(name, { ...known, ntop: name, iana: name })
      : known;
  }

  private elementTarget(enterpriseNumber: number, elementId: number, name: string): KeyTarget {
    let enterprise = enterpriseNumber;
    let id = elementId;
    if (id >= NTOP_NETFLOW9_OFFSET && (enterprise === ENTERPRISES.iana || enterprise === ENTERPRISES.ntop)) {
      enterprise = ENTERPRISES.ntop;
      id -= NTOP_NETFLOW9_OFFSET;
    }
    if (enterprise === ENTERPRISES.iana && id === NTOPNG_OBSERVATION_POINT) id = OBSERVATION_POINT_ID;
    const identity = `${enterprise}.${id}`;
    let target = this.byElement.get(identity);
    if (target === undefined) {
      target = this.makeElementTarget(enterprise, id, identity, name);
      this.byElement.set(identity, target);
    }
    return target;
  }

  private makeElementTarget(enterprise: number, id: number, spareKey: string, name: string): KeyTarget {
    if (enterprise === ENTERPRISES.iana) {
      const time = TIME_NUMBERS.get(id);
      if (time !== undefined) return this.fieldTarget(time[0], spareKey, { unitMs: time[1], rank: time[2] });
      if (id === 130) return this.target(name, { role: 'exporterIPv4' });
      if (id === 131) return this.target(name, { role: 'exporterIPv6' });
    }
    const isIana = enterprise === ENTERPRISES.iana;
    const mapping = mappingOf(9, enterprise, id);
    const field = (isIana ? NUMBER_FIELDS.get(id) : undefined) ?? mapping?.field;
    if (field === 'samplingInterval') return this.target(name, { role: 'sampling' });
    if (field !== undefined) return this.fieldTarget(field, spareKey, { rank: mapping?.rank ?? 0 });
    const described = describeElement(9, { enterpriseNumber: enterprise, elementId: id, length: 0 }, this.registry);
    // Fields that no element fills elsewhere, since their values are found or looked up, come with the record here.
    const named = this.fieldNames.get(described.ntop) ?? this.fieldNames.get(described.iana);
    if (named !== undefined) return this.fieldTarget(named, spareKey);
    const isProbe = enterprise === ENTERPRISES.ntop && id === NPROBE_IPV4_ADDRESS;
    return this.target(name, {
      role: isProbe ? 'probeAddress' : 'element',
      ntop: described.ntop,
      iana: described.iana,
      enterpriseNumber: described.element?.enterpriseNumber ?? enterprise,
      elementId: described.element?.id ?? id,
      dataType: described.element?.type ?? '',
    });
  }

  private fieldTarget(field: FieldName, spareKey: string, rest: Partial<KeyTarget> = {}): KeyTarget {
    return this.target(spareKey, { ...rest, role: 'field', fill: this.fills.get(field)!, spareKey });
  }

  private target(name: string, values: Partial<KeyTarget> = {}): KeyTarget {
    return new KeyTarget(this.targets++, name, values);
  }
}
