/** Text that libfixbuf's ipfixDump prints of IPFIX Messages. */

import type { Line, LineValue } from './conformance-capture.ts';
import { type GoldenRecord, type GoldenValue, lineValue } from './golden.ts';

/** Elements that lines have under another name. */
const KEYS: Readonly<Record<string, readonly string[]>> = {
  octetTotalCount: ['octetTotalCount', 'octetDeltaCount'],
  packetTotalCount: ['packetTotalCount', 'packetDeltaCount'],
  reverseOctetTotalCount: ['reverseOctetTotalCount', 'reverseOctetDeltaCount'],
  reversePacketTotalCount: ['reversePacketTotalCount', 'reversePacketDeltaCount'],
  initiatorOctets: ['octetDeltaCount'],
  initiatorPackets: ['packetDeltaCount'],
  responderOctets: ['reverseOctetDeltaCount'],
  responderPackets: ['reversePacketDeltaCount'],
  exporterIPv4Address: ['EXPORTER_IPV4_ADDRESS'],
  observationDomainId: ['0.149'],
  templateId: ['0.145'],
};

const FIELD = /^(\t+)\((\d+)\)\s+(\w+)\s+:\s?(.*)$/;
const DATE = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/;
const NTP_TO_UNIX_SECONDS = 2_208_988_800n;

/** What a dump says. */
export interface IpfixDump {
  readonly records: GoldenRecord[];
  /** Template Records it counts. */
  readonly templates: number;
  /** Fields it prints no value of: elements it does not know, and texts of which it tells the length alone. */
  readonly unread: number;
}

/** Reads a dump. */
export function ipfixDump(text: string): IpfixDump {
  const records: GoldenValue[][] = [];
  let domain = '';
  let templates = 0;
  let unread = 0;
  let current: GoldenValue[] | undefined;
  for (const line of text.split('\n')) {
    domain = /observation domain id: (\d+)/.exec(line)?.[1] ?? domain;
    templates += Number(/^\*\*\* Msg Stats: (\d+) Template Records/.exec(line)?.[1] ?? 0);
    if (line.startsWith('--- data record ')) {
      current = [{ name: 'domain', keys: ['observationDomainId'], text: domain }];
      records.push(current);
    }
    const template = /^\ttid:\s+(\d+) /.exec(line)?.[1];
    if (template !== undefined) current?.push({ name: 'tid', keys: ['templateId'], text: template });
    const [, depth = '', , name = '', printed = ''] = FIELD.exec(line) ?? [];
    if (name === '' || current === undefined) continue;
    const value = printed.replace(/^\s/, '').trimStart();
    if (/List$/.test(name)) continue;
    if (name === '_alienInformationElement' || /^length: \d+$/.test(value)) unread++;
    else if (depth.length > 1)
      current.push({ name, keys: (flow) => insideLists(flow, name), text: plainText(name, value) });
    else current.push(golden(name, value));
  }
  return { records, templates, unread };
}

function golden(name: string, value: string): GoldenValue {
  const keys = KEYS[name] ?? [name];
  // Placed in time where the Exporter's start is known, which is compared by other goldens.
  if (/SysUpTime$/.test(name))
    return { name, keys, text: (line) => (lineValue(line, name) === undefined ? '(absent)' : value) };
  if (DATE.test(value)) {
    const seconds = String(Date.parse(`${value}Z`) / 1000);
    return { name, keys: (line) => inSeconds(find(line, keys)), text: seconds };
  }
  const flowTime = /^(flow(?:Start|End))Seconds$/.exec(name);
  if (flowTime !== null)
    return { name, keys: (line) => inSeconds(line.iana[`${flowTime[1]}Milliseconds`]), text: value };
  return { name, keys, text: plainText(name, value) };
}

function find(line: Line, keys: readonly string[]): LineValue | undefined {
  return keys.map((key) => lineValue(line, key)).find((value) => value !== undefined);
}

function inSeconds(value: LineValue | undefined): LineValue | undefined {
  return value === undefined ? undefined : Math.floor(Number(value) / 1000);
}

/** Every value of that name in the lists of a line. */
function insideLists({ iana }: Line, name: string): LineValue | undefined {
  const found: LineValue[] = [];
  const look = (value: LineValue): void => {
    if (Array.isArray(value)) value.forEach(look);
    else if (value !== null && typeof value === 'object') {
      for (const [key, inner] of Object.entries(value)) {
        if (key === name) found.push(inner);
        look(inner);
      }
    }
  };
  for (const value of Object.values(iana)) look(value);
  return found.length === 0 ? undefined : found;
}

/** Octets of a number that ipfixDump took from memory in the machine's (little-endian) order. */
function swapped(value: string, octets: number): string {
  const hex = BigInt(value)
    .toString(16)
    .padStart(octets * 2, '0');
  return (hex.match(/../g) ?? []).reverse().join('');
}

function plainText(name: string, value: string): string {
  const quoted = /^\(length: \d+\) ?(.*)$/.exec(value);
  if (quoted !== null) return quoted[1]!;
  if (/^[0-9a-f:]+$/.test(value) && value.includes('::') && value.length > 2)
    return new URL(`http://[${value}]`).hostname.slice(1, -1);
  if (/^(?:[0-9a-f]{4}:){7}[0-9a-f]{4}$/.test(value)) return new URL(`http://[${value}]`).hostname.slice(1, -1);
  switch (name) {
    case 'flowStartMicroseconds':
    case 'flowEndMicroseconds': {
      const seconds = (BigInt(value) >> 32n) - NTP_TO_UNIX_SECONDS;
      const fraction = ((BigInt(value) & 0xffff_ffffn) * 1_000_000n + 0x8000_0000n) >> 32n;
      return String(seconds * 1_000_000n + fraction);
    }
    case 'applicationId': {
      const hex = swapped(value, 4);
      return `${Number.parseInt(hex.slice(0, 2), 16)}:${Number.parseInt(hex.slice(2), 16)}`;
    }
    case 'mplsVpnRouteDistinguisher':
      return swapped(value, 8);
    case 'forwardingStatus':
      // One octet, printed as the first of four.
      return Number(value) > 255 ? String(Number(value) >>> 24) : value;
    default:
      return /^mpls(?:Top)?LabelStackSection\d*$/.test(name)
        ? String(Number.parseInt(swapped(value, 3), 16) >> 4)
        : value;
  }
}
