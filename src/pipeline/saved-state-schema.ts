const NUMBER = { type: 'number', minimum: 0 };
const PAIRS = (value: object) => ({
  type: 'array',
  items: { type: 'array', items: [NUMBER, value], minItems: 2, maxItems: 2 },
});
const INTERVALS = PAIRS({ type: 'number', exclusiveMinimum: 0 });
const NAMES = PAIRS({ type: 'string', maxLength: 256 });

const TEMPLATE = {
  type: 'object',
  properties: {
    id: { type: 'integer', minimum: 256, maximum: 65_535 },
    kind: { enum: ['netflow9', 'netflow9Options', 'ipfix', 'ipfixOptions'] },
    fields: { type: 'integer', minimum: 1, maximum: 65_535 },
    octets: { type: 'string', pattern: '^[A-Za-z0-9+/]*={0,2}$' },
  },
  required: ['id', 'kind', 'fields', 'octets'],
};

const OPTIONS = {
  type: 'object',
  properties: {
    samplers: INTERVALS,
    interfaceSampling: INTERVALS,
    samplingInterval: NUMBER,
    interfaceNames: NAMES,
    applicationNames: NAMES,
    vrfNames: NAMES,
    systemInitTimeMs: NUMBER,
  },
  required: [
    'samplers',
    'interfaceSampling',
    'samplingInterval',
    'interfaceNames',
    'applicationNames',
    'vrfNames',
    'systemInitTimeMs',
  ],
};

/** JSON Schema of saved state: what it does not hold is ignored as a whole. */
export const SAVED_STATE_SCHEMA = {
  type: 'object',
  properties: {
    format: { const: 1 },
    sessions: {
      type: 'array',
      items: {
        type: 'object',
        properties: {
          version: { enum: [5, 7, 9, 10, 105, 1] },
          address: { type: 'string', maxLength: 64 },
          port: { type: 'integer', minimum: 0, maximum: 65_535 },
          domain: { type: 'integer', minimum: 0, maximum: 4_294_967_295 },
          agent: { type: 'string', maxLength: 64 },
          lastSeenMs: NUMBER,
          templates: { type: 'array', items: TEMPLATE },
          options: OPTIONS,
        },
        required: ['version', 'address', 'port', 'domain', 'agent', 'lastSeenMs', 'templates'],
      },
    },
  },
  required: ['format', 'sessions'],
};
