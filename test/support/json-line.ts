/** What a line must be, whatever it says: judged without our writer's help. */

import { isIPv4, isIPv6 } from 'node:net';
import { Ajv, type ValidateFunction } from 'ajv';
import { flowJsonSchema, type SchemaNaming } from '../../src/flow/json-schema.ts';

/** Compiled once: it takes a while. */
const validators = new Map<SchemaNaming, ValidateFunction>();

/** A validator of parsed lines; formats are judged by node's own address parsers. */
export function lineValidator(names: SchemaNaming): ValidateFunction {
  const known = validators.get(names);
  if (known !== undefined) return known;
  const ajv = new Ajv({ formats: { ipv4: isIPv4, ipv6: (text: string) => isIPv6(text) && !text.includes('%') } });
  const validator = ajv.compile(flowJsonSchema(names));
  validators.set(names, validator);
  return validator;
}

/** Keys that an object of a JSON text has twice; `JSON.parse` keeps the last in silence. */
export function doubledKeys(line: string): string[] {
  const doubled: string[] = [];
  const open: Set<string>[] = [];
  for (const [token] of line.matchAll(/[{}[\]]|"(?:[^"\\]|\\.)*":?/g)) {
    if (token === '{' || token === '[') open.push(new Set());
    else if (token === '}' || token === ']') open.pop();
    else if (token.endsWith(':')) {
      const keys = open.at(-1);
      if (keys?.has(token)) doubled.push(token.slice(1, -2));
      keys?.add(token);
    }
  }
  return doubled;
}

/** What is wrong with lines: each kind of problem once, with the first line that has it. */
export function lineProblems(text: string, names: SchemaNaming): string[] {
  const isValid = lineValidator(names);
  const problems = new Map<string, string>();
  for (const line of text.split('\n').filter((each) => each !== '')) {
    const value: unknown = JSON.parse(line);
    const found = doubledKeys(line).map((key) => `key ${key} twice`);
    if (!isValid(value))
      found.push(...(isValid.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`));
    for (const problem of found) if (!problems.has(problem)) problems.set(problem, line);
  }
  return [...problems].map(([problem, line]) => `${problem}: ${line}`);
}
