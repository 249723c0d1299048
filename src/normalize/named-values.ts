import type { PlainValue } from '../flow/flow.ts';

/** Arrays that {@link addValue} made, as opposed to values that are arrays themselves. */
const joined = new WeakSet<object>();

/**
 * Gives `record` a value under `name`; a name that is there already gets an array of all its values. An Exporter may call an
 * element `constructor` or `__proto__`: only own properties count, and assignment would not make one.
 */
export function addValue(record: Record<string, PlainValue>, name: string, value: PlainValue): void {
  if (!Object.hasOwn(record, name)) {
    Object.defineProperty(record, name, { value, enumerable: true, configurable: true, writable: true });
    return;
  }
  record[name] = joinedValues(record[name]!, value);
}

/** `earlier` and `value` as an array; `earlier` itself where it is such an array already. */
export function joinedValues(earlier: PlainValue, value: PlainValue): PlainValue {
  if (typeof earlier === 'object' && earlier !== null && joined.has(earlier)) {
    (earlier as PlainValue[]).push(value);
    return earlier;
  }
  const values = [earlier, value];
  joined.add(values);
  return values;
}
