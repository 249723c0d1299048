import { OPTIONS } from '../config/configuration.ts';

/** Options that are no part of the configuration. */
const OTHER_OPTIONS = [
  'config',
  'verbose',
  'to',
  'speed',
  'rate',
  'loop',
  'rewrite-time',
  'help',
  'version',
  'get-yargs-completions',
];

/**
 * What to say of a command line that yargs refuses with `message`. It takes the word behind an unknown option for its value and
 * then misses that word, so the unknown option is looked for first.
 */
export function usageMessage(message: string, words: readonly string[]): string {
  const end = words.indexOf('--');
  for (const word of end < 0 ? words : words.slice(0, end)) {
    const name = /^--(?:no-)?([^=]+)/.exec(word)?.[1];
    if (name === undefined || Object.hasOwn(OPTIONS, name) || OTHER_OPTIONS.includes(name)) continue;
    return `unknown option ${word}`;
  }
  if (message.startsWith('Not enough non-option arguments'))
    return `${words[0]}: which ${words[0] === 'listen' ? 'endpoint' : 'file'}? See flowrelay ${words[0]} --help`;
  if (message.startsWith('Missing required argument'))
    return `${message.replace(/.*: /, '--')}: must be given, see flowrelay ${words[0]} --help`;
  const valueless = /^Not enough arguments following: (\S+)$/.exec(message)?.[1];
  if (valueless !== undefined)
    return `--${valueless}: needs a value; one that begins with - is given as --${valueless}=VALUE`;
  return message.replaceAll('\n', ' ');
}
