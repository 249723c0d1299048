import type { Argv, Options } from 'yargs';
import { type CommandName, OPTION_NAMES, OPTIONS, type OptionSchema } from '../config/configuration.ts';
import { type LoadedConfiguration, loadConfiguration } from '../config/load-configuration.ts';
import { showDash } from './dash.ts';

/** Adds the options of `command`, as the configuration describes them, to a yargs command. */
export function addOptions(command: Argv, name: CommandName): Argv {
  for (const option of OPTION_NAMES) {
    const schema: OptionSchema = OPTIONS[option];
    if (schema.commands.includes(name)) command.option(option, optionOf(schema));
  }
  return command.option('config', {
    type: 'string',
    requiresArg: true,
    description: 'FILE  Read options from this JSON file; flags and the environment come first',
  });
}

/**
 * Everything but switches is text to yargs: values are checked in one place, whether they come from a flag, the environment
 * or a file. Defaults are filled in there too, so that it is known what was given.
 */
function optionOf(schema: OptionSchema): Options {
  const { type, enum: choices, default: byDefault } = schema;
  if (type === 'boolean')
    return { type, description: schema.description, ...(byDefault === true && { defaultDescription: 'true' }) };
  const placeholder = schema.placeholder ?? choices?.join('|');
  return {
    type: 'string',
    description: placeholder === undefined ? schema.description : `${placeholder}  ${schema.description}`,
    ...(!Array.isArray(byDefault) && byDefault !== '' && { defaultDescription: String(byDefault) }),
    // `--json` alone means standard output.
    ...(schema !== OPTIONS.json && { requiresArg: true }),
  };
}

/** Loads the configuration that the flags of a command, the environment and a file give. */
export function configurationOf(flags: Readonly<Record<string, unknown>>): LoadedConfiguration {
  const config = flags['config'];
  const json = flags['json'];
  const read = flags['read'];
  const texts = (Array.isArray(json) ? json : [json]).map((text) => (text === '' ? '-' : showDash(text)));
  return loadConfiguration({
    file: typeof config === 'string' ? config : undefined,
    environment: process.env,
    flags: {
      ...flags,
      ...(json !== undefined && { json: texts }),
      ...(read !== undefined && { read: (Array.isArray(read) ? read : [read]).map((text) => showDash(text)) }),
    },
  });
}
