/**
 * What the line of a record must say, worked out one field at a time from the definition files and the RFCs: slow, and
 * without the program's code. Numbers are given as `#` and their digits, so that 64 bits compare exactly.
 */

import { readFileSync } from 'node:fs';
import { type Field, VARIABLE } from './ipfix-message.ts';
import type { Octets } from './wire-octets.ts';

interface Definition {
  readonly id: number;
  readonly name: string;
  readonly ntopName?: string;
  readonly type: string;
}

function definitions(file: string): ReadonlyMap<number, Definition> {
  const text = readFileSync(new URL(`../../ie-definitions/${file}`, import.meta.url), 'utf8');
  return new Map((JSON.parse(text) as { elements: Definition[] }).elements.map((each) => [each.id, each]));
}

const IANA = definitions('iana.json');
const NTOP = definitions('ntop.json');

/** Numbers that fill one word of a flow: read from a variable-length field they have 32 bits. */
const WORD_FIELDS: ReadonlySet<string> = new Set([
  '4',
  '5',
  '6',
  '7',
  '10',
  '11',
  '14',
  '16',
  '61',
  '136',
  '168@35632',
]);
/** Numbers that fill two. */
const LONG_FIELDS: ReadonlySet<string> = new Set(['1', '2', '1@29305']);

/** A field of a record: where it is and what its octets are. */
interface Part {
  readonly field: Field;
  readonly octets: Octets;
}

/** Cuts a record into its fields (RFC 7011 section 7 for the variable ones). */
function parts(fields: readonly Field[], record: Octets): Part[] {
  let pos = 0;
  return fields.map((field) => {
    let length: number = field[1];
    if (length === VARIABLE) {
      length = record[pos++]!;
      if (length === 255) {
        length = record[pos]! * 256 + record[pos + 1]!;
        pos += 2;
      }
    }
    pos += length;
    return { field, octets: record.subarray(pos - length, pos) };
  });
}

function identity([id, , enterprise]: Field): string {
  return enterprise === undefined ? String(id) : `${id}@${enterprise}`;
}

/** Keys and values of a record's line, those of the message and of sampling left out. */
export function modelLine(fields: readonly Field[], record: Octets): Record<string, unknown> {
  const groups = new Map<string, Part[]>();
  for (const part of parts(fields, record)) {
    // A fixed field of no octets says nothing, and padding is none.
    if (part.field[1] === 0 || identity(part.field) === '210') continue;
    groups.set(identity(part.field), [...(groups.get(identity(part.field)) ?? []), part]);
  }
  const line: Record<string, unknown> = {};
  for (const group of groups.values()) {
    const occurrences = fields.filter((field) => identity(field) === identity(group[0]!.field)).length;
    const values = group.map((part) => value(part, occurrences > 1));
    const fills = occurrences === 1 && (group[0]!.field[1] <= 8 || group[0]!.field[1] === VARIABLE);
    line[keyOf(group[0]!.field, fills)] = values.length === 1 ? values[0] : values;
  }
  return line;
}

function definitionOf([id, , enterprise]: Field): Definition | undefined {
  if (enterprise === undefined || enterprise === 29305) return IANA.get(id);
  return enterprise === 35632 ? NTOP.get(id) : undefined;
}

function keyOf(field: Field, fills: boolean): string {
  const [id, , enterprise] = field;
  // The reverse counter of a biflow has ntop's name where it fills the flow's field.
  if (enterprise === 29305) return fills ? 'OUT_BYTES' : 'reverseOctetDeltaCount';
  const definition = definitionOf(field);
  return definition === undefined ? `${enterprise ?? 0}.${id}` : (definition.ntopName ?? definition.name);
}

function value({ field, octets }: Part, isRepeated: boolean): unknown {
  const [id, declared] = field;
  const isVariable = declared === VARIABLE;
  const { length } = octets;
  const digits = BigInt(`0x0${Buffer.from(octets).toString('hex')}`);
  const hexadecimal = Buffer.from(octets).toString('hex');
  if (isVariable && !isRepeated) {
    if (WORD_FIELDS.has(identity(field))) return `#${length <= 8 ? BigInt.asUintN(32, digits) : 0}`;
    if (LONG_FIELDS.has(identity(field))) return `#${length <= 8 ? digits : 0}`;
  }
  if (id === 95 && field[2] === undefined) {
    return length >= 2 && length <= 8 ? `${octets[0]}:${BigInt(`0x0${hexadecimal.slice(2)}`)}` : hexadecimal;
  }
  if (id === 70 && declared === 3) return `#${digits >> 4n}`;
  const isNumber = length >= 1 && length <= 8;
  const type = definitionOf(field)?.type ?? 'octetArray';
  if (/^unsigned(8|16|32|64)$/.test(type)) return isNumber ? `#${digits}` : hexadecimal;
  if (/^signed/.test(type)) return isNumber ? `#${BigInt.asIntN(8 * length, digits)}` : hexadecimal;
  const view = new DataView(octets.buffer, octets.byteOffset, length);
  switch (type) {
    case 'float32':
    case 'float64': {
      if (length !== 4 && length !== 8) return hexadecimal;
      const float = length === 4 ? view.getFloat32(0) : view.getFloat64(0);
      return Number.isFinite(float) ? `#${float === 0 ? 0 : JSON.stringify(float)}` : String(float);
    }
    case 'boolean':
      if (length === 1) return octets[0] === 1 ? true : octets[0] === 2 ? false : `#${octets[0]}`;
      return isNumber && !isVariable ? `#${digits}` : hexadecimal;
    case 'ipv4Address':
      return length === 4 ? octets.join('.') : hexadecimal;
    case 'ipv6Address':
      return length === 16 ? ipv6Text(octets) : hexadecimal;
    case 'macAddress':
      return length === 6 ? hexadecimal.match(/../g)!.join(':') : hexadecimal;
    case 'string': {
      let end = length;
      while (end > 0 && octets[end - 1] === 0) end--;
      return new TextDecoder('utf-8', { ignoreBOM: true }).decode(octets.subarray(0, end));
    }
    default:
      return hexadecimal;
  }
}

function ipv6Text(octets: Octets): string {
  const groups = Buffer.from(octets).toString('hex').match(/..../g)!;
  if (groups.slice(0, 6).join('') === '00000000000000000000ffff') return `::ffff:${octets.subarray(12).join('.')}`;
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
}

/** A line parsed, its numbers as `#` and their digits. */
export function exactValues(line: string): Record<string, unknown> {
  const marked = line.replace(/"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g, (token) =>
    token.startsWith('"') ? token : `"#${token}"`,
  );
  return JSON.parse(marked) as Record<string, unknown>;
}
