import type { FieldName } from '../../flow/fields.ts';
import type { Flow } from '../../flow/flow.ts';
import { fieldEntry, Layout } from '../../flow/layout.ts';
import { DETAIL, DETAIL_FIELDS, DETAIL_SLOTS, IS_TEXT } from './application-details.ts';

/** Fields that every flow has. */
const ALWAYS: readonly FieldName[] = ['l7Protocol', 'l7ProtocolName', 'l7Confidence'];
const MASTER: FieldName = 'l7MasterProtocol';

/** Fields that occur together, so that the lines of a DNS flow need not pass over those of HTTP. */
const GROUPS: readonly (readonly FieldName[])[] = [
  [],
  ['dnsQuery', 'dnsQueryType'],
  ['dnsQuery', 'dnsQueryType', 'dnsReturnCode', 'dnsAnswers'],
  ['tlsServerName', 'tlsAlpn', 'tlsVersion', 'tlsCipher', 'ja4'],
  ['httpMethod', 'httpHost', 'httpUrl', 'httpUserAgent', 'httpReturnCode'],
  DETAIL_FIELDS.slice(DETAIL.l7Info),
  DETAIL_FIELDS,
];

const GROUP_OF_ALL = GROUPS.length - 1;
const DNS_ANSWERED = 2;

/** Zero is an answer: these are there whenever their group is. */
const REQUIRED: ReadonlySet<FieldName> = new Set<FieldName>(['dnsReturnCode', 'dnsAnswers']);

const DETAIL_NUMBERS: Readonly<Record<string, number>> = DETAIL;

const NUMBERS_OF_GROUP = GROUPS.map((fields) => Uint8Array.from(fields, (field) => DETAIL_NUMBERS[field]!));

const DETAILS_OF_GROUP = NUMBERS_OF_GROUP.map((numbers) => numbers.reduce((bits, number) => bits | (2 ** number), 0));

/** The smallest group that has all details whose bits are set in `present`. */
export function groupOf(present: number): number {
  if (present === 0) return 0;
  for (let group = 1; group < GROUP_OF_ALL; group++) if ((present & ~DETAILS_OF_GROUP[group]!) === 0) return group;
  return GROUP_OF_ALL;
}

/** Empties the fields of a group, so that none is left from another flow. */
export function clearGroup(group: number, { names, words }: Flow): void {
  const details = NUMBERS_OF_GROUP[group]!;
  for (let i = 0; i < details.length; i++) {
    const detail = details[i]!;
    if (IS_TEXT[detail] === 1) names[DETAIL_SLOTS[detail]!] = '';
    else words[DETAIL_SLOTS[detail]!] = 0;
  }
}

/** Layouts with the fields of an application beside those of the meter, one for each of a few groups. */
export class ApplicationLayouts {
  private readonly made = new Map<Layout, readonly Layout[]>();
  private readonly bases = new Map<Layout, Layout>();
  private lastBase: Layout | undefined;
  private last: readonly Layout[] = [];

  /**
   * `layout` with the fields of `group`, all optional but those of DNS' answer; the same object for the same arguments. A
   * layout that came from here counts as the one it was made of.
   */
  with(layout: Layout, group: number): Layout {
    if (layout !== this.lastBase) {
      const base = this.bases.get(layout) ?? layout;
      this.last = this.made.get(base) ?? this.make(base);
      this.lastBase = base;
    }
    return this.last[group]!;
  }

  private make(base: Layout): readonly Layout[] {
    const layouts = GROUPS.map((fields, group) => {
      const entries = [...ALWAYS, MASTER, ...fields]
        .filter((field) => !base.has(field))
        .map((field) => fieldEntry(field, !ALWAYS.includes(field) && !(group === DNS_ANSWERED && REQUIRED.has(field))));
      return new Layout(base.recordType, [...base.entries, ...entries]);
    });
    for (const layout of layouts) this.bases.set(layout, base);
    this.made.set(base, layouts);
    return layouts;
  }
}
