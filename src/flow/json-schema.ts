/**
 * The JSON Schema of the lines, made from the tables that the writers use: a field more there is a property more here.
 */

import { APPLICATION_FIELDS } from './application-fields.ts';
import { FIELDS, type Field, type FieldName } from './fields.ts';
import { RECORD_TYPES, type RecordType } from './layout.ts';
import { ORIGIN_KEYS, type OriginKey } from './origin.ts';

/** A JSON Schema, or a part of one: plain JSON. */
export interface JsonSchema {
  readonly [keyword: string]: JsonSchemaValue;
}

/** What stands behind a keyword of a {@link JsonSchema}. */
export type JsonSchemaValue = string | number | boolean | readonly JsonSchemaValue[] | JsonSchema;

/** Whose names a schema's keys are, as `--names` says it. */
export type SchemaNaming = 'ntop' | 'iana';

const IPV4: JsonSchema = { type: 'string', format: 'ipv4' };
const IPV6: JsonSchema = { type: 'string', format: 'ipv6' };
const MAC: JsonSchema = { type: 'string', pattern: '^[0-9a-f]{2}(:[0-9a-f]{2}){5}$' };
const APPLICATION: JsonSchema = { type: 'string', pattern: '^[0-9]+:[0-9]+$' };
const ANY_VALUE: JsonSchema = { $ref: '#/definitions/value' };

/**
 * The JSON Schema (draft-07) of one line with all its keys (no `--fields`), under ntop's or IANA's names. Formats used: `ipv4`
 * and `ipv6`, which a validator may have to be taught. Ranges are those of a field's own size: RFC 7011 section 6.2 lets
 * Exporters send fewer octets, not more. A value that has more digits than a double holds is an integer all the same.
 */
export function flowJsonSchema(names: SchemaNaming): JsonSchema {
  const keyOf = ({ ntop, iana }: { readonly ntop: string; readonly iana: string }) => (names === 'ntop' ? ntop : iana);
  const recordType = names === 'ntop' ? 'RECORD_TYPE' : 'recordType';
  const properties: Record<string, JsonSchema> = { [recordType]: { enum: RECORD_TYPES } };
  for (const field of FIELDS) {
    const schema = fieldSchema(field);
    const known = properties[keyOf(field)];
    properties[keyOf(field)] = known === undefined ? schema : eitherOf(known, schema);
  }
  for (const key of ORIGIN_KEYS) {
    if (key.property === 'exporterAddress') {
      properties[keyOf(key)] = { ...IPV4, description: 'address the datagram came from' };
      properties[exporterIPv6Key(keyOf(key))] = {
        // A link-local address names its zone: fe80::1%eth0 (RFC 4007 section 11).
        anyOf: [IPV6, { type: 'string', pattern: '^fe[89ab][0-9a-f]:[0-9a-f:]*%.+$' }],
        description: 'address the datagram came from',
      };
    } else {
      properties[keyOf(key)] = originSchema(key);
    }
  }
  const originKeys = new Map(ORIGIN_KEYS.map((key) => [key.property, keyOf(key)]));
  const origin = (property: OriginKey['property']): string => originKeys.get(property)!;
  const fromExporter = [origin('exporterPort'), origin('version'), origin('exportTimeMs')];
  const fieldKeys = new Map(FIELDS.map((field) => [field.field, keyOf(field)]));
  const agentOrigin = (addressKey: string): JsonSchema => ({
    properties: { [origin('protocol')]: { const: 'agent' } },
    required: [addressKey, origin('exportTimeMs')],
  });
  // What ntop's feeds say depends on the probe alone.
  const fromNtopng: JsonSchema = { properties: { [origin('protocol')]: { const: 'ntopng' } } };
  const fromAgent: JsonSchema = { properties: { [origin('protocol')]: { const: 'agent' } }, required: ['timestamp'] };
  const branches: Readonly<Record<RecordType, JsonSchema>> = {
    flow: { required: [fieldKeys.get('samplingOrigin')!] },
    event: {
      anyOf: [
        {
          properties: { [origin('protocol')]: { enum: ['NetFlow', 'IPFIX'] } },
          required: [origin('templateId'), origin('observationDomainId')],
        },
        fromNtopng,
        fromAgent,
      ],
    },
    discard: {
      properties: { [origin('protocol')]: { const: 'sFlow' } },
      required: [fieldKeys.get('forwardingStatus')!],
    },
    counters: {
      anyOf: [
        {
          properties: { [origin('protocol')]: { const: 'sFlow' } },
          required: [fieldKeys.get('sourceIdType')!, fieldKeys.get('sourceIdIndex')!],
        },
        fromNtopng,
        fromAgent,
      ],
    },
    options: {
      anyOf: [
        {
          properties: { [origin('protocol')]: { enum: ['NetFlow', 'IPFIX'] } },
          required: [origin('templateId'), origin('observationDomainId')],
        },
        fromNtopng,
      ],
    },
  };
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: `A line of flowrelay under ${names === 'ntop' ? "ntop's" : "IANA's"} names`,
    type: 'object',
    properties,
    required: [recordType, origin('protocol')],
    allOf: [
      // The address is there, in one of the two families, unless nobody exported the flow.
      {
        oneOf: [
          { required: [origin('exporterAddress'), ...fromExporter] },
          { required: [exporterIPv6Key(origin('exporterAddress')), ...fromExporter] },
          { properties: { [origin('protocol')]: { const: 'packets' }, [recordType]: { const: 'flow' } } },
          agentOrigin(origin('exporterAddress')),
          agentOrigin(exporterIPv6Key(origin('exporterAddress'))),
        ],
      },
      // Every kind of line has keys of its own.
      {
        oneOf: RECORD_TYPES.map((type) => ({
          ...branches[type],
          properties: { ...(branches[type]['properties'] as JsonSchema | undefined), [recordType]: { const: type } },
        })),
      },
      // So has every protocol.
      {
        oneOf: [
          {
            properties: { [origin('protocol')]: { const: 'NetFlow' }, [origin('version')]: { enum: [1, 5, 7, 9] } },
            not: { required: [origin('agentAddress')] },
          },
          {
            properties: { [origin('protocol')]: { const: 'IPFIX' }, [origin('version')]: { const: 10 } },
            required: [origin('observationDomainId'), origin('templateId'), origin('sequenceNumber')],
            not: { required: [origin('agentAddress')] },
          },
          {
            properties: { [origin('protocol')]: { const: 'sFlow' }, [origin('version')]: { const: 5 } },
            required: [origin('subAgentId'), origin('sequenceNumber')],
            not: { required: [origin('templateId')] },
          },
          {
            properties: { [origin('protocol')]: { const: 'ntopng' }, [origin('version')]: { enum: [0, 1, 2, 3] } },
            not: { anyOf: [{ required: [origin('templateId')] }, { required: [origin('agentAddress')] }] },
          },
          {
            properties: { [origin('protocol')]: { const: 'agent' } },
            not: {
              anyOf: [origin('templateId'), origin('exporterPort'), origin('version')].map((key) => ({
                required: [key],
              })),
            },
          },
          {
            properties: { [origin('protocol')]: { const: 'packets' } },
            not: {
              anyOf: [
                origin('exporterAddress'),
                exporterIPv6Key(origin('exporterAddress')),
                origin('templateId'),
                origin('exporterPort'),
                origin('version'),
              ].map((key) => ({ required: [key] })),
            },
          },
        ],
      },
    ],
    // Elements without a field of their own, under their names or <PEN>.<id>; lists; sFlow's rarer structures.
    additionalProperties: ANY_VALUE,
    definitions: {
      value: {
        anyOf: [
          { type: 'string' },
          { type: 'number' },
          { type: 'boolean' },
          { type: 'array', items: ANY_VALUE },
          { type: 'object', additionalProperties: ANY_VALUE },
        ],
      },
    },
  };
}

/** The key of an Exporter's IPv6 address, from that of its IPv4 address. */
function exporterIPv6Key(key: string): string {
  return key.replace('IPV4', 'IPV6').replace('IPv4', 'IPv6');
}

function fieldSchema(field: Field): JsonSchema {
  const schema = typeSchema(field);
  // An element that a Template has several times makes an array.
  const several: JsonSchema = { type: 'array', items: schema };
  const unit = field.unit === '' ? '' : ` [${field.unit}]`;
  // What others report under the name of a field that payload tells is theirs.
  const isOthersToo = APPLICATION_FIELDS.has(field.field as FieldName);
  return { anyOf: isOthersToo ? [schema, ANY_VALUE] : [schema, several], description: field.meaning + unit };
}

function typeSchema({ type, role, choices }: Field): JsonSchema {
  switch (type) {
    case 'u8':
      return unsigned(255);
    case 'u16':
      return unsigned(65535);
    case 'u32':
      return unsigned(4294967295);
    case 'u64':
      // --upscale takes counters beyond 64 bits.
      return role === 'counter' ? { type: 'integer', minimum: 0 } : unsigned(18446744073709551615n);
    case 'ipv4':
      return IPV4;
    case 'ipv6':
      return IPV6;
    case 'mac':
      return MAC;
    case 'time':
      return { type: 'integer' };
    case 'duration':
      return { type: 'number', minimum: 0 };
    case 'text':
      return { type: 'string' };
    case 'name':
      return { type: 'string', minLength: 1 };
    case 'application':
      return APPLICATION;
    case 'choice':
      return { enum: choices ?? [] };
  }
}

function originSchema({ property, type, meaning }: OriginKey): JsonSchema {
  const description = meaning;
  if (property === 'protocol')
    return { enum: ['NetFlow', 'IPFIX', 'sFlow', 'ntopng', 'packets', 'agent'], description };
  if (property === 'agentAddress') return { anyOf: [IPV4, IPV6], description };
  if (type === 'text') return { type: 'string', description };
  if (type === 'time') return { type: 'integer', description };
  const most = property === 'exporterPort' || property === 'templateId' ? 65535 : 4294967295;
  return { ...unsigned(most), description };
}

function unsigned(most: number | bigint): JsonSchema {
  return { type: 'integer', minimum: 0, maximum: Number(most) };
}

/** Two fields share a key: a line has one of them. */
function eitherOf(known: JsonSchema, other: JsonSchema): JsonSchema {
  const alternatives = new Map(
    [known, other].flatMap((schema) =>
      (schema['anyOf'] as readonly JsonSchema[]).map(
        (alternative) => [JSON.stringify(alternative), alternative] as const,
      ),
    ),
  );
  return { anyOf: [...alternatives.values()], description: `${known['description']}, or ${other['description']}` };
}
