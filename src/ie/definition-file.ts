/**
 * The files Information Elements are defined in: their form, and the reading of a user's own.
 * The files that come with flowrelay have the same form; the registry reads them without checks, a test checks them.
 */

import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { ErrorObject } from 'ajv';
import {
  ABSTRACT_DATA_TYPES,
  type AbstractDataType,
  MAX_NAME_LENGTH,
  NAME_PATTERN,
  SEMANTICS,
  type Semantics,
  UNITS,
  type Units,
} from './element.ts';

/** One element in a definition file. */
export interface ElementDefinition {
  /** Element number without the enterprise bit; over 32767 only where the file is {@link DefinitionFile.netflow9Only}. */
  readonly id: number;
  /** Name in IANA's or the enterprise's spelling. */
  readonly name: string;
  /** ntop's name where it is another. */
  readonly ntopName?: string;
  /** Other spellings by which the element is found, never written. */
  readonly aliases?: readonly string[];
  /** Abstract data type. */
  readonly type: AbstractDataType;
  /** Semantics; `default` when absent. */
  readonly semantics?: Semantics;
  /** Units; `none` when absent. */
  readonly units?: Units;
}

/** The content of a definition file: the elements of one enterprise. */
export interface DefinitionFile {
  /** Whose elements these are, in words. */
  readonly title: string;
  /** Private Enterprise Number, 0 for IANA. */
  readonly enterpriseNumber: number;
  /** Documents the definitions come from. */
  readonly source: string;
  /** NetFlow version 9 carries these elements under this number plus their own. */
  readonly netflow9Offset?: number;
  /** True when the elements are NetFlow version 9 field types that IPFIX does not know. */
  readonly netflow9Only?: boolean;
  /** The reverse of an element has this number plus the element's (RFC 5103 section 6.2 leaves it to the enterprise). */
  readonly reverseOffset?: number;
  /** Scope types of NetFlow version 9 Options Templates (RFC 3954 section 6.1). */
  readonly scopes?: readonly ElementDefinition[];
  /** The elements, sorted by id in the files that come with flowrelay. */
  readonly elements: readonly ElementDefinition[];
}

const NAME_SCHEMA = { type: 'string', pattern: NAME_PATTERN, maxLength: MAX_NAME_LENGTH };

const ELEMENT_SCHEMA = {
  type: 'object',
  additionalProperties: false,
  required: ['id', 'name', 'type'],
  properties: {
    id: { type: 'integer', minimum: 0, maximum: 65535 },
    name: NAME_SCHEMA,
    ntopName: NAME_SCHEMA,
    aliases: { type: 'array', items: NAME_SCHEMA },
    type: { enum: ABSTRACT_DATA_TYPES },
    semantics: { enum: SEMANTICS },
    units: { enum: UNITS },
  },
};

/** JSON Schema of {@link DefinitionFile}. */
export const DEFINITION_FILE_SCHEMA = {
  type: 'object',
  additionalProperties: false,
  required: ['title', 'enterpriseNumber', 'source', 'elements'],
  properties: {
    title: { type: 'string', minLength: 1 },
    enterpriseNumber: { type: 'integer', minimum: 0, maximum: 4294967295 },
    source: { type: 'string', minLength: 1 },
    netflow9Offset: { type: 'integer', minimum: 0, maximum: 65535 },
    netflow9Only: { type: 'boolean' },
    reverseOffset: { type: 'integer', minimum: 1, maximum: 32767 },
    scopes: { type: 'array', items: ELEMENT_SCHEMA },
    elements: { type: 'array', items: ELEMENT_SCHEMA },
  },
};

/** A user's definitions cannot be used; thrown at start, before anything is opened. */
export class DefinitionError extends Error {
  /** All that is wrong, one line each: file, path within it, what is expected, and the value found. */
  readonly messages: readonly string[];

  constructor(messages: readonly string[]) {
    super(messages.join('\n'));
    this.name = 'DefinitionError';
    this.messages = messages;
  }
}

/** Characters of a wrong value that are shown. */
const MAX_SHOWN_VALUE_LENGTH = 60;

/**
 * Reads every `*.json` in `directory`, in the order of their names, for {@link Registry.withDefinitions}.
 * Throws one {@link DefinitionError} that lists what is wrong in all of them.
 */
export function loadDefinitionDirectory(directory: string): DefinitionFile[] {
  // Loaded here and not at the top: a start without a user's definitions does without the validator's 20 ms.
  const { Ajv } = createRequire(import.meta.url)('ajv') as typeof import('ajv');
  const validate = new Ajv({ allErrors: true, verbose: true }).compile<DefinitionFile>(DEFINITION_FILE_SCHEMA);
  const messages: string[] = [];
  const files: DefinitionFile[] = [];
  const definedIn = new Map<string, string>();
  for (const path of definitionPaths(directory)) {
    const content = parseFile(path, messages);
    if (content === undefined) continue;
    if (validate(content)) {
      checkElements(path, content, definedIn, messages);
      files.push(content);
    } else {
      for (const error of validate.errors ?? []) messages.push(`${path}: ${describe(error)}`);
    }
  }
  if (messages.length > 0) throw new DefinitionError(messages);
  return files;
}

function definitionPaths(directory: string): string[] {
  let names: string[];
  try {
    names = readdirSync(directory);
  } catch (error) {
    throw new DefinitionError([`${directory}: cannot be read: ${messageOf(error)}`]);
  }
  names = names.filter((name) => name.endsWith('.json')).sort();
  if (names.length === 0) throw new DefinitionError([`${directory}: has no *.json file`]);
  return names.map((name) => join(directory, name));
}

/** The value in a file, or undefined when it cannot be read or is no JSON (no JSON text gives undefined). */
function parseFile(path: string, messages: string[]): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as unknown;
  } catch (error) {
    messages.push(`${path}: ${messageOf(error)}`);
    return undefined;
  }
}

/** What the schema cannot say: numbers within their space, and one definition per number and per name. */
function checkElements(path: string, file: DefinitionFile, definedIn: Map<string, string>, messages: string[]): void {
  const space = file.netflow9Only === true ? 'NetFlow version 9' : `enterprise ${file.enterpriseNumber}`;
  const names = new Set<string>();
  for (const [index, { id, name }] of file.elements.entries()) {
    if (id > 0x7fff && file.netflow9Only !== true) {
      messages.push(`${path}: /elements/${index}/id: must be <= 32767 unless the file is netflow9Only (found ${id})`);
    }
    const key = `element ${id} of ${space}`;
    const earlier = definedIn.get(key);
    if (earlier === undefined) definedIn.set(key, path);
    else messages.push(`${path}: /elements/${index}/id: ${key} is defined already in ${earlier} (found ${id})`);
    if (names.has(name)) {
      messages.push(`${path}: /elements/${index}/name: is in this file already (found ${shown(name)})`);
    }
    names.add(name);
  }
}

function describe(error: ErrorObject): string {
  const path = error.instancePath === '' ? '/' : error.instancePath;
  if (error.keyword === 'additionalProperties') {
    return `${path}: has an unknown property ${shown(error.params['additionalProperty'])}`;
  }
  if (error.keyword === 'required') return `${path}: lacks property ${shown(error.params['missingProperty'])}`;
  const allowed = error.keyword === 'enum' ? `: ${(error.params['allowedValues'] as string[]).join(', ')}` : '';
  return `${path}: ${error.message ?? 'is wrong'}${allowed} (found ${shown(error.data)})`;
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > MAX_SHOWN_VALUE_LENGTH ? `${text.slice(0, MAX_SHOWN_VALUE_LENGTH)}…` : text;
}

function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replaceAll('\n', ' ');
}
