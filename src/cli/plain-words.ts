import { OPTIONS, type OptionSchema } from '../config/configuration.ts';

/** A `convert`, or a `probe` of captures, whose words are all plain to see. */
export interface PlainWords {
  readonly command: 'convert' | 'probe';
  /** Files of `convert`; those of `probe` are the value of a flag. */
  readonly files: readonly string[];
  /** Flags as yargs would give them. */
  readonly flags: Readonly<Record<string, unknown>>;
  readonly isVerbose: boolean;
}

/**
 * Reads the words of a `convert`, or of a `probe --read`, without yargs: files, and options of the configuration with their values.
 * Undefined for anything else, help and mistakes included, which is yargs' to answer.
 */
export function plainWords(words: readonly string[]): PlainWords | undefined {
  const [command] = words;
  if (command !== 'convert' && command !== 'probe') return undefined;
  const files: string[] = [];
  const flags: Record<string, unknown> = {};
  let isVerbose = false;
  for (let i = 1; i < words.length; i++) {
    const word = words[i]!;
    if (word === '-v' || word === '--verbose') {
      isVerbose = true;
      continue;
    }
    if (word === '-' || !word.startsWith('-')) {
      files.push(word);
      continue;
    }
    const [, given = '', inline] = /^--([a-z0-9-]+)(?:=(.*))?$/s.exec(word) ?? [];
    const isOff = given.startsWith('no-');
    const name = isOff ? given.slice(3) : given;
    const option: OptionSchema | undefined = Object.hasOwn(OPTIONS, name)
      ? OPTIONS[name as keyof typeof OPTIONS]
      : undefined;
    if (option === undefined || !option.commands.includes(command) || Object.hasOwn(flags, name)) return undefined;
    if (option.type === 'boolean') {
      if (inline !== undefined) return undefined;
      flags[name] = !isOff;
      continue;
    }
    const value = inline ?? words[++i];
    if (isOff || value === undefined || value === '' || value.startsWith('-')) return undefined;
    flags[name] = value;
  }
  const isPlain = command === 'convert' ? files.length > 0 : files.length === 0 && Object.hasOwn(flags, 'read');
  return isPlain ? { command, files, flags, isVerbose } : undefined;
}
