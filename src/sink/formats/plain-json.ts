import type { PlainValue } from '../../flow/flow.ts';

/** JSON text of a value whose integers may exceed 2^53: `JSON.stringify` refuses them. */
export function plainJson(value: PlainValue): string {
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'number') return Number.isFinite(value) ? String(value) : JSON.stringify(String(value));
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  if (isList(value)) return `[${value.map(plainJson).join(',')}]`;
  return `{${Object.entries(value)
    .map(([key, item]) => `${JSON.stringify(key)}:${plainJson(item)}`)
    .join(',')}}`;
}

function isList(value: PlainValue): value is readonly PlainValue[] {
  return Array.isArray(value);
}
