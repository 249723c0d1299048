import type { PlainValue } from '../../flow/flow.ts';

/** JSON text of a value whose integers may exceed 2^53: `JSON.stringify` refuses them. */
export function plainJson(value: PlainValue): string {
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'number') return Number.isFinite(value) ? String(value) : JSON.stringify(String(value));
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  if (isList(value)) return `[${value.map(plainJson).join(',')}]`;
  // No arrays of entries: an agent writes tens of thousands of such objects a second.
  let text = '{';
  for (const key of Object.keys(value)) {
    text += `${text.length > 1 ? ',' : ''}${JSON.stringify(key)}:${plainJson(value[key]!)}`;
  }
  return `${text}}`;
}

/** Whether it is a list: `Array.isArray` does not tell one that may not be changed. */
export function isList(value: PlainValue): value is readonly PlainValue[] {
  return Array.isArray(value);
}
