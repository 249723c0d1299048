import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { ConfigurationError } from '../config/load-configuration.ts';
import type { ElementLookup } from '../ie/registry.ts';
import {
  type FieldSelection,
  type SelectedField,
  selectElement,
  selectField,
} from '../sink/formats/field-selection.ts';
import { EXPORTER_TEMPLATES_SCHEMA } from './exporter-templates.ts';

interface SelectionFile {
  readonly templates: readonly {
    readonly fields: readonly {
      readonly name?: string;
      readonly id?: number;
      readonly enterpriseNumber?: number;
      readonly length?: number | 'variable';
    }[];
  }[];
}

const FIELDS = EXPORTER_TEMPLATES_SCHEMA.properties.templates.items.properties.fields;

/** JSON Schema of a file with a field selection: one with an Exporter's Templates will do, of which only the fields of its one Template count. */
export const FIELD_SELECTION_SCHEMA = {
  ...EXPORTER_TEMPLATES_SCHEMA,
  properties: {
    ...EXPORTER_TEMPLATES_SCHEMA.properties,
    templates: {
      type: 'array',
      minItems: 1,
      maxItems: 1,
      items: {
        ...EXPORTER_TEMPLATES_SCHEMA.properties.templates.items,
        properties: {
          ...EXPORTER_TEMPLATES_SCHEMA.properties.templates.items.properties,
          fields: { ...FIELDS, items: { ...FIELDS.items, required: [] } },
        },
        required: ['fields'],
      },
    },
  },
  required: ['templates'],
};

// Two levels above this file, whether that is in src/ or, built, in dist/.
const BUILT_IN_DIRECTORY = new URL('../../templates/', import.meta.url);
/** A name, rather than a path. */
const NAME = /^[a-z0-9-]+$/;
const MAX_FIELDS = 512;

/** Names of the selections that come with flowrelay. */
export function selectionNames(): string[] {
  return readdirSync(BUILT_IN_DIRECTORY)
    .filter((name) => name.endsWith('.json'))
    .map((name) => name.slice(0, -'.json'.length))
    .sort();
}

/** Reads `--template`: a name or a file. Throws a {@link ConfigurationError} of one line where it is of no use. */
export function readSelection(template: string, registry: ElementLookup): FieldSelection {
  const isName = NAME.test(template) && selectionNames().includes(template);
  const path = isName ? new URL(`${template}.json`, BUILT_IN_DIRECTORY) : template;
  const label = `--template ${template}`;
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw new ConfigurationError([`${label}: is no JSON`]);
    throw new ConfigurationError([
      `${label}: is no file that can be read (${code}) and none of ${selectionNames().join(', ')}`,
    ]);
  }
  const { Ajv } = createRequire(import.meta.url)('ajv') as typeof import('ajv');
  const ajv = new Ajv();
  const validate = ajv.compile<SelectionFile>(FIELD_SELECTION_SCHEMA);
  if (!validate(content))
    throw new ConfigurationError([`${label}: ${ajv.errorsText(validate.errors?.slice(0, 1), { dataVar: 'file' })}`]);
  return content.templates[0]!.fields.map((field) => {
    const { name, id, enterpriseNumber = 0, length } = field;
    if (name !== undefined) return taken(selectField(name, length, registry), label);
    if (id === undefined) throw new ConfigurationError([`${label}: a field needs a name or an id`]);
    const element = registry.find(enterpriseNumber, id);
    if (element === undefined)
      throw new ConfigurationError([`${label}: no Information Element has id ${id} of enterprise ${enterpriseNumber}`]);
    return taken(selectElement(element, length, registry), label);
  });
}

/** Reads `--template-fields`: `%NAME %NAME`, blanks between, `@NAME@` for a selection that comes with flowrelay. Throws as {@link readSelection}. */
export function parseSelection(text: string, registry: ElementLookup): FieldSelection {
  const label = '--template-fields';
  const words = text.trim().split(/\s+/);
  const fields = words.flatMap((word): FieldSelection => {
    const macro = /^@([A-Za-z0-9-]+)@$/.exec(word)?.[1]?.toLowerCase();
    if (macro !== undefined) {
      if (!selectionNames().includes(macro))
        throw new ConfigurationError([`${label}: ${word} is none of ${selectionNames().join(', ')}`]);
      return readSelection(macro, registry);
    }
    if (!/^%[A-Za-z]/.test(word))
      throw new ConfigurationError([`${label}: must be %NAME %NAME…, not ${word.slice(0, 60)}`]);
    return [taken(selectField(word.slice(1), undefined, registry), label)];
  });
  if (fields.length > MAX_FIELDS) throw new ConfigurationError([`${label}: has more than ${MAX_FIELDS} fields`]);
  return fields;
}

function taken(field: SelectedField | string, label: string): SelectedField {
  if (typeof field === 'string') throw new ConfigurationError([`${label}: ${field}`]);
  return field;
}
