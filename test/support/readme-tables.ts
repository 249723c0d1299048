/** The tables of the README that come from the program's own. */

import { OPTION_NAMES } from '../../src/config/configuration.ts';
import { environmentName } from '../../src/config/load-configuration.ts';
import { FIELDS } from '../../src/flow/fields.ts';
import { ORIGIN_KEYS } from '../../src/flow/origin.ts';
import { DECODE_FAULTS } from '../../src/metrics/decode-counters.ts';
import { schemaMarkdown } from '../../src/series/schema.ts';
import { elementOfField, type TemplateVersion } from '../../src/sink/formats/export-element.ts';
import { REGISTRY } from './export-harness.ts';

function row(...cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

function table(header: readonly string[], rows: readonly string[]): string {
  return [row(...header), row(...header.map(() => '---')), ...rows].join('\n');
}

/** Keys of a record that an export cannot carry; names of interfaces and VRFs go out as options data. */
function keysWithoutElement(version: TemplateVersion): string[] {
  return FIELDS.filter(({ field }) => elementOfField(field, version, REGISTRY) === undefined)
    .map(({ ntop }) => ntop)
    .filter((key) => !/(INTERFACE|VRF)_NAME$|^SAMPLING_ORIGIN$/.test(key))
    .map((key) => `\`${key}\``);
}

/** Each generated part by the name in its markers. */
export const README_TABLES: Readonly<Record<string, () => string>> = {
  origin: () =>
    table(
      ['Key', 'With `--names iana`', 'Meaning'],
      ORIGIN_KEYS.map(({ ntop, iana, meaning }) => row(`\`${ntop}\``, `\`${iana}\``, meaning)),
    ),
  fields: () =>
    table(
      ['Key', 'With `--names iana`', 'Unit', 'Meaning'],
      FIELDS.map(({ ntop, iana, unit, meaning }) => row(`\`${ntop}\``, `\`${iana}\``, unit, meaning)),
    ),
  'keys without an element': () => {
    const [ipfix, netflow9] = [keysWithoutElement(10), keysWithoutElement(9)];
    const only9 = netflow9.filter((key) => !ipfix.includes(key));
    return `${ipfix.join(', ')}; in NetFlow v9 also ${only9.join(', ')}`;
  },
  faults: () => DECODE_FAULTS.map((fault) => `\`${fault}\``).join(', '),
  series: schemaMarkdown,
  environment: () => OPTION_NAMES.map((name) => `\`${environmentName(name)}\``).join(', '),
};

/** The README with its generated parts made anew. */
export function withTables(readme: string): string {
  let text = readme;
  for (const [name, make] of Object.entries(README_TABLES)) {
    const begin = `<!-- ${name}: made by test/readme.test.ts -->`;
    const end = `<!-- end of ${name} -->`;
    const [before, rest] = [text.indexOf(begin), text.indexOf(end)];
    if (before < 0 || rest < before) throw new Error(`the README has no part ${name}`);
    text = `${text.slice(0, before + begin.length)}\n\n${make()}\n\n${text.slice(rest)}`;
  }
  return text;
}
