/**
 * Every capture of real exporters, exported and read again: flows come back field by field, but for what is named here and why.
 */

import { afterAll, describe, expect, it } from 'vitest';
import { ORIGIN_KEYS } from '../../src/flow/origin.ts';
import {
  cataloguedCaptures,
  decodeCapture,
  hasCorpora,
  type LineValue,
  skipVisibly,
} from '../support/conformance-capture.ts';
import { DecodingHarness } from '../support/decoding-harness.ts';
import { ExportHarness, REGISTRY } from '../support/export-harness.ts';

type Flow = Record<string, LineValue>;

/** Says the way, not the flow: the exporter is another one now. */
const ORIGIN: ReadonlySet<string> = new Set(['EXPORTER_IPV6_ADDRESS', ...ORIGIN_KEYS.map(({ ntop }) => ntop)]);

/** A difference that may be, and why. */
interface Difference {
  readonly key: RegExp | ((key: string) => boolean);
  readonly kind: 'lost' | 'new' | 'changed';
  /** Versions it is seen in. */
  readonly versions: readonly (9 | 10)[];
  readonly reason: string;
}

const BOTH = [9, 10] as const;
const NO_ELEMENT = 'no Information Element stands for it';
const LIST = 'lists are left out, and counted';
const NETFLOW9_NUMBER = 'a field type of NetFlow v9 alone: IPFIX has no element of that number';
const ENTERPRISE = 'NetFlow v9 has no enterprises';

/** An element of an enterprise without numbers in NetFlow v9, or a reverse one. */
function isOfAnEnterprise(key: string): boolean {
  const element = REGISTRY.findByName(key);
  const enterpriseNumber = element?.enterpriseNumber ?? Number(/^(\d+)\.\d+$/.exec(key)?.[1] ?? 0);
  return ![0, 9, 35_632].includes(enterpriseNumber);
}

function isMatch({ key: pattern }: Difference, key: string): boolean {
  return typeof pattern === 'function' ? pattern(key) : pattern.test(key);
}

const DIFFERENCES: readonly Difference[] = [
  { key: /^SAMPLING_ORIGIN$/, kind: 'changed', versions: BOTH, reason: 'the export says the interval in its own way' },
  { key: /^SFLOW_|^OUTPUT_INTERFACE_COUNT$/, kind: 'lost', versions: BOTH, reason: NO_ELEMENT },
  { key: /^OUTPUT_DISCARD_REASON/, kind: 'lost', versions: BOTH, reason: NO_ELEMENT },
  { key: /^DST_VLAN_PRIORITY$|^TUNNEL_(TYPE|ID)$/, kind: 'lost', versions: BOTH, reason: NO_ELEMENT },
  { key: /^NETFLOW1_/, kind: 'lost', versions: BOTH, reason: NO_ELEMENT },
  { key: /^BGP_(AS_PATH|COMMUNITIES|LOCAL_PREFERENCE)$|^ARP$/, kind: 'lost', versions: BOTH, reason: NO_ELEMENT },
  { key: /^(basic|subTemplate|subTemplateMulti)List(Semantic)?$/, kind: 'lost', versions: BOTH, reason: LIST },
  { key: /^httpContentType$/, kind: 'lost', versions: [9], reason: "NetScaler's, which has the name of one of IANA's" },
  { key: isOfAnEnterprise, kind: 'lost', versions: [9], reason: ENTERPRISE },
  { key: /^dataLinkFrameSection$/, kind: 'lost', versions: [9], reason: 'octets of a variable number' },
  { key: /^(FIRST|LAST)_SWITCHED$/, kind: 'lost', versions: [9], reason: 'they would count from another start' },
  {
    key: /^(firewallEventExtended|ingressAclId|egressAclId|userName)$/,
    kind: 'lost',
    versions: [10],
    reason: NETFLOW9_NUMBER,
  },
  { key: /^streamcore/, kind: 'lost', versions: [10], reason: NETFLOW9_NUMBER },
  { key: /^0\.8\d{3}$/, kind: 'new', versions: [10], reason: 'the same under its number' },
];

function seenOf(text: string): Flow[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line.replace(/([:[,])(-?\d{16,})(?=[,\]}])/g, '$1"$2"')) as Flow);
}

function isFlow({ RECORD_TYPE }: Flow): boolean {
  return RECORD_TYPE === 'flow' || RECORD_TYPE === 'event';
}

describe('a capture, exported and read again', () => {
  if (!hasCorpora) {
    skipVisibly('the captures of ../shared/corpora are not here');
    return;
  }
  const used = new Set<Difference>();
  for (const version of BOTH) {
    const unexplained = new Map<string, string>();
    let flows = 0;
    it(`as ${version === 9 ? 'NetFlow v9' : 'IPFIX'} is what it was`, () => {
      for (const { path } of cataloguedCaptures()) {
        const harness = new ExportHarness({ version, isReliable: version === 10, sendsOptions: true });
        const { lines } = decodeCapture(path, false, [harness]);
        const before = lines.map(({ ntop }) => ntop).filter(isFlow);
        const decoding = new DecodingHarness();
        const sender = { isReliable: version === 10 };
        let text = '';
        for (const message of harness.take()) {
          decoding.decode(new Uint8Array(message), sender);
          text += decoding.takeText();
        }
        const { counters } = decoding;
        expect([path, Object.values(counters.faults).filter((count) => count > 0)]).toEqual([path, []]);
        expect([path, counters.sequenceLost, counters.sequenceDuplicates, counters.setsWithoutTemplate]).toEqual([
          path,
          0,
          0,
          0,
        ]);
        const after = seenOf(text).filter(isFlow);
        const { no_element, record_too_long, template_too_long } = harness.format.leftOut;
        expect([path, after.length + no_element + record_too_long + template_too_long]).toEqual([path, before.length]);
        if (after.length !== before.length) continue;
        flows += after.length;
        for (const [i, flow] of before.entries()) compare(path, flow, after[i]!, version, unexplained);
      }
      expect([...unexplained]).toEqual([]);
      expect(flows).toBeGreaterThan(10_000);
    }, 60_000);
  }

  afterAll(() => {
    expect(DIFFERENCES.filter((each) => !used.has(each)).map(({ key }) => String(key))).toEqual([]);
  });

  function compare(path: string, before: Flow, after: Flow, version: 9 | 10, unexplained: Map<string, string>): void {
    for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
      if (ORIGIN.has(key)) continue;
      const [was, is] = [before[key], after[key]];
      if (was === is || JSON.stringify(was) === JSON.stringify(is)) continue;
      const kind = is === undefined ? 'lost' : was === undefined ? 'new' : 'changed';
      const difference = DIFFERENCES.find(
        (each) => each.kind === kind && each.versions.includes(version) && isMatch(each, key),
      );
      if (difference === undefined)
        unexplained.set(`${kind} ${key}`, `${path}: ${JSON.stringify(was)} became ${JSON.stringify(is)}`.slice(0, 300));
      else used.add(difference);
    }
  }
});
