import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { SavedTemplate } from '../decode/saved-template.ts';
import { VARIABLE_LENGTH } from '../decode/template.ts';
import type { ElementLookup } from '../ie/registry.ts';

/** Templates of one Exporter, given by its user because it sends none or too seldom. */
export interface ExporterTemplates {
  readonly version: number;
  readonly address: string;
  readonly port: number;
  readonly domain: number;
  readonly agent: string;
  readonly lastSeenMs: number;
  readonly templates: readonly SavedTemplate[];
}

interface TemplateFile {
  readonly exporter: string;
  readonly version: 9 | 10;
  readonly observationDomainId: number;
  readonly templates: readonly {
    readonly id: number;
    readonly fields: readonly {
      readonly name?: string;
      readonly id?: number;
      readonly enterpriseNumber?: number;
      readonly length: number | 'variable';
    }[];
  }[];
}

/** JSON Schema of a file with an Exporter's Templates. */
export const EXPORTER_TEMPLATES_SCHEMA = {
  type: 'object',
  additionalProperties: false,
  properties: {
    description: { type: 'string' },
    exporter: { type: 'string', minLength: 2 },
    version: { enum: [9, 10] },
    observationDomainId: { type: 'integer', minimum: 0, maximum: 4_294_967_295 },
    templates: {
      type: 'array',
      items: {
        type: 'object',
        additionalProperties: false,
        properties: {
          id: { type: 'integer', minimum: 256, maximum: 65_535 },
          fields: {
            type: 'array',
            minItems: 1,
            items: {
              type: 'object',
              additionalProperties: false,
              properties: {
                name: { type: 'string' },
                id: { type: 'integer', minimum: 1, maximum: 65_535 },
                enterpriseNumber: { type: 'integer', minimum: 0, maximum: 4_294_967_295 },
                length: { anyOf: [{ type: 'integer', minimum: 0, maximum: 65_534 }, { const: 'variable' }] },
              },
              required: ['length'],
            },
          },
        },
        required: ['id', 'fields'],
      },
    },
  },
  required: ['exporter', 'version', 'observationDomainId', 'templates'],
};

/** Reads a file of {@link EXPORTER_TEMPLATES_SCHEMA}; throws one clear error that names the file and the value. */
export function exporterTemplateFile(path: string, registry: ElementLookup): ExporterTemplates[] {
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new Error(`${path}: ${(error as Error).message}`);
  }
  const { Ajv } = createRequire(import.meta.url)('ajv') as typeof import('ajv');
  const ajv = new Ajv();
  const validate = ajv.compile<TemplateFile | TemplateFile[]>({
    anyOf: [EXPORTER_TEMPLATES_SCHEMA, { type: 'array', items: EXPORTER_TEMPLATES_SCHEMA }],
  });
  if (!validate(content))
    throw new Error(`${path}: ${ajv.errorsText(validate.errors?.slice(0, 1), { dataVar: 'file' })}`);
  const files: readonly TemplateFile[] = Array.isArray(content) ? content : [content];
  return files.map(({ exporter, version, observationDomainId, templates }) => ({
    version,
    address: exporter,
    port: 0,
    domain: observationDomainId,
    agent: '',
    lastSeenMs: 0,
    templates: templates.map(({ id, fields }): SavedTemplate => {
      const octets = fields.flatMap((field) => specifierOctets(field, version, registry, path));
      const kind = version === 9 ? 'netflow9' : 'ipfix';
      return { id, kind, fields: fields.length, octets: Buffer.from(octets).toString('base64') };
    }),
  }));
}

function specifierOctets(
  field: TemplateFile['templates'][number]['fields'][number],
  version: number,
  registry: ElementLookup,
  path: string,
): number[] {
  const element = field.name === undefined ? undefined : registry.findByName(field.name);
  if (field.name !== undefined && element === undefined)
    throw new Error(`${path}: no Information Element is called ${field.name}`);
  const id = element?.id ?? field.id;
  if (id === undefined) throw new Error(`${path}: a field needs a name or an id`);
  const enterpriseNumber = element?.enterpriseNumber ?? field.enterpriseNumber ?? 0;
  const length = field.length === 'variable' ? VARIABLE_LENGTH : field.length;
  const u16 = (value: number): number[] => [(value >> 8) & 0xff, value & 0xff];
  if (version === 9 || enterpriseNumber === 0)
    return [...u16(version === 9 && enterpriseNumber === 35_632 ? id + 57_472 : id), ...u16(length)];
  return [...u16(id | 0x8000), ...u16(length), ...u16(enterpriseNumber >>> 16), ...u16(enterpriseNumber & 0xffff)];
}
