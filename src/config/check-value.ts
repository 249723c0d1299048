/**
 * Checks one option's value against its schema. It covers what option schemas use and nothing else: loading a whole
 * validator would double the time the program takes to start. A test holds it to ajv's verdicts.
 */

import type { OptionSchema, ValueSchema } from './configuration.ts';

/** Says in words what is wrong with `value`, or undefined when nothing is. */
export function checkValue(value: unknown, option: OptionSchema): string | undefined {
  if (option.type !== 'array') return checkSingle(value, option, option.expected);
  if (!Array.isArray(value)) return `must be a list, not ${show(value)}`;
  const items = option.items!;
  for (const item of value) {
    const problem = checkSingle(item, items, option.expected);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function checkSingle(value: unknown, schema: ValueSchema, expected: string | undefined): string | undefined {
  if (schema.enum !== undefined) {
    return schema.enum.some((choice) => choice === value)
      ? undefined
      : `must be ${either(schema.enum)}, not ${show(value)}`;
  }
  switch (schema.type) {
    case 'boolean':
      return typeof value === 'boolean' ? undefined : `must be true or false, not ${show(value)}`;
    case 'integer': {
      if (typeof value !== 'number' || !Number.isInteger(value)) return `must be a whole number, not ${show(value)}`;
      const { minimum = Number.NEGATIVE_INFINITY, maximum = Number.POSITIVE_INFINITY } = schema;
      return value < minimum || value > maximum ? `must be ${minimum} to ${maximum}, not ${value}` : undefined;
    }
    default:
      if (typeof value !== 'string') return `must be text, not ${show(value)}`;
      if (schema.pattern === undefined || new RegExp(schema.pattern, 'u').test(value)) return undefined;
      return `must be ${expected ?? schema.pattern}, not ${show(value)}`;
  }
}

function either(choices: readonly string[]): string {
  return choices.length < 2 ? choices.join('') : `${choices.slice(0, -1).join(', ')} or ${choices.at(-1)}`;
}

/** A value as a line can hold it, without the user and password of a URL. */
function show(value: unknown): string {
  const text = (JSON.stringify(value) ?? String(value)).replace(/:\/\/[^\s"]*@/g, '://…@');
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
