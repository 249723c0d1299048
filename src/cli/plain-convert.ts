import { OPTIONS, type OptionSchema } from '../config/configuration.ts';

/** A `convert` whose words are all plain to see. */
export interface PlainConvert {
  readonly files: readonly string[];
  /** Flags as yargs would give them. */
  readonly flags: Readonly<Record<string, unknown>>;
  readonly isVerbose: boolean;
}

/**
 * Reads the words of a `convert` without yargs: files, and options of the configuration with their values. Undefined for
 * anything else, help and mistakes included, which is yargs' to answer.
 */
export function plainConvert(words: readonly string[]): PlainConvert | undefined {
  if (words[0] !== 'convert') return undefined;
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
    const [, name = '', inline] = /^--([a-z-]+)(?:=(.*))?$/s.exec(word) ?? [];
    const option: OptionSchema | undefined = Object.hasOwn(OPTIONS, name)
      ? OPTIONS[name as keyof typeof OPTIONS]
      : undefined;
    if (option === undefined || !option.commands.includes('convert') || Object.hasOwn(flags, name)) return undefined;
    if (option.type === 'boolean') {
      if (inline !== undefined) return undefined;
      flags[name] = true;
      continue;
    }
    const value = inline ?? words[++i];
    if (value === undefined || value === '' || value.startsWith('-')) return undefined;
    flags[name] = value;
  }
  return files.length === 0 ? undefined : { files, flags, isVerbose };
}
