import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { parseZmqEndpoint } from '../bytes/zmq-endpoint.ts';
import { checkValue } from './check-value.ts';
import { type Configuration, OPTION_NAMES, OPTIONS, type OptionName, type OptionSchema } from './configuration.ts';

/** Configuration that cannot be used: all that is wrong with it, a line each. */
export class ConfigurationError extends Error {
  /** One line per problem, each naming the field and where it was set. */
  readonly problems: readonly string[];

  /** Holds `problems`, at least one. */
  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.name = 'ConfigurationError';
    this.problems = problems;
  }
}

/** Where values come from, the strongest last. */
export interface ConfigurationSources {
  /** Path of a JSON file, where one was named. */
  readonly file?: string | undefined;
  /** The environment: `FLOWRELAY_LISTEN` and so on. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Flags given, by option name: text, true or false, or several texts; an absent or undefined one was not given. */
  readonly flags: Readonly<Record<string, unknown>>;
}

/** A configuration, and which options were set rather than left at their defaults. */
export interface LoadedConfiguration {
  readonly configuration: Configuration;
  readonly given: ReadonlySet<OptionName>;
}

interface Given {
  readonly value: unknown;
  /** How messages name it: `--names`, `FLOWRELAY_NAMES`, `relay.json: names`. */
  readonly label: string;
}

/** Puts defaults, file, environment and flags together. Throws a {@link ConfigurationError} with all problems at once. */
export function loadConfiguration(sources: ConfigurationSources): LoadedConfiguration {
  const problems: string[] = [];
  const given = new Map<OptionName, Given>();
  const file = sources.file ?? sources.environment['FLOWRELAY_CONFIG'];
  if (file !== undefined && file !== '') takeFile(file, given, problems);
  for (const name of OPTION_NAMES) {
    const variable = environmentName(name);
    const text = sources.environment[variable];
    if (text !== undefined && text !== '') given.set(name, { value: fromText(text, OPTIONS[name]), label: variable });
  }
  for (const name of OPTION_NAMES) {
    const flag = sources.flags[name];
    if (flag === undefined) continue;
    const value = fromFlag(name, flag, problems);
    if (value !== undefined) given.set(name, { value, label: `--${name}` });
  }

  const values: Record<string, unknown> = {};
  for (const name of OPTION_NAMES) {
    const option: OptionSchema = OPTIONS[name];
    const found = given.get(name);
    const problem =
      found === undefined ? undefined : (checkValue(found.value, option) ?? checkMeaning(name, found.value));
    if (problem !== undefined) problems.push(`${found?.label}: ${problem}`);
    values[camelCase(name)] = found === undefined ? option.default : found.value;
  }
  const feed = problems.length === 0 ? feedProblem(values['zmq'], values['zmqConnect']) : undefined;
  if (feed !== undefined) problems.push(`${given.get('zmq')?.label}: ${feed}`);
  if (problems.length > 0) throw new ConfigurationError(problems);
  return { configuration: values as unknown as Configuration, given: new Set(given.keys()) };
}

/** The variable that sets an option. */
export function environmentName(name: OptionName): string {
  return `FLOWRELAY_${name.toUpperCase().replaceAll('-', '_')}`;
}

/** The property of {@link Configuration} that holds an option. */
export function camelCase(name: OptionName): keyof Configuration {
  return name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase()) as keyof Configuration;
}

/** What a pattern cannot say. */
function checkMeaning(name: OptionName, value: unknown): string | undefined {
  const texts = Array.isArray(value) ? value : [value];
  if (name === 'listen' || name === 'status' || name === 'zmq' || name === 'export') {
    for (const text of texts) {
      if (name === 'export' && !/^(udp|tcp):/.test(String(text))) continue;
      if (text !== 'off' && Number(/:([0-9]+)c?$/.exec(String(text))?.[1] ?? 0) > 65535)
        return `has no port up to 65535: ${text}`;
    }
  }
  if (name === 'agent-address' && value !== '' && isIP(String(value)) === 0) return `is no IP address: ${value}`;
  if (name === 'json' || name === 'listen' || name === 'zmq' || name === 'export' || name === 'interface') {
    const twice = texts.find((text, at) => texts.indexOf(text) !== at);
    if (twice !== undefined) return `names ${twice} twice`;
  }
  return undefined;
}

/** Whoever calls needs to know where. */
function feedProblem(endpoints: unknown, connects: unknown): string | undefined {
  const binding = connects === true ? 'never' : 'without_c';
  const wrong = (endpoints as readonly string[]).find((text) => parseZmqEndpoint(text, binding) === undefined);
  return wrong === undefined ? undefined : `${wrong} is no place to call: it takes a host or address, and a port`;
}

function takeFile(path: string, given: Map<OptionName, Given>, problems: string[]): void {
  let parsed: unknown;
  try {
    parsed = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    problems.push(
      code === undefined ? `${path}: is no JSON: ${message.split('\n')[0]}` : `${path}: cannot be read (${code})`,
    );
    return;
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    problems.push(`${path}: must hold one JSON object`);
    return;
  }
  for (const [key, value] of Object.entries(parsed)) {
    if (!Object.hasOwn(OPTIONS, key)) {
      problems.push(`${path}: ${key}: no such option`);
      continue;
    }
    const name = key as OptionName;
    const isList = OPTIONS[name].type === 'array' && !Array.isArray(value);
    given.set(name, { value: isList ? [value] : value, label: `${path}: ${key}` });
  }
}

function fromFlag(name: OptionName, flag: unknown, problems: string[]): unknown {
  const option: OptionSchema = OPTIONS[name];
  const texts: unknown[] = Array.isArray(flag) ? flag : [flag];
  if (option.type === 'array') return texts.flatMap((text) => fromText(String(text), option));
  if (texts.length > 1) {
    problems.push(`--${name}: may be given once`);
    return undefined;
  }
  return typeof texts[0] === 'string' ? fromText(texts[0], option) : texts[0];
}

/** The value a text stands for; where it is none, the text itself, for the check to name it. */
function fromText(text: string, option: OptionSchema): unknown {
  switch (option.type) {
    case 'array': {
      const { items } = option;
      if (option.splitsAtCommas !== true) return [text];
      return text.split(',').map((part) => (items?.type === 'integer' ? wholeNumber(part) : part.trim()));
    }
    case 'integer':
      return wholeNumber(text);
    case 'boolean':
      if (/^(true|yes|on|1)$/i.test(text)) return true;
      return /^(false|no|off|0)$/i.test(text) ? false : text;
    default:
      return text;
  }
}

function wholeNumber(text: string): unknown {
  return /^\s*-?[0-9]{1,16}\s*$/.test(text) ? Number(text) : text;
}
