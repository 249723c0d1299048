/** A Grafana dashboard as a test reads it: its schema, and its queries as Grafana sends them to InfluxDB. */

import { readFileSync } from 'node:fs';
import { Ajv, type ErrorObject } from 'ajv';

/** One query of a panel. */
export interface DashboardTarget {
  readonly refId: string;
  readonly query: string;
  readonly resultFormat: 'time_series' | 'table';
  readonly alias?: string;
}

/** A panel, or a row of them. */
export interface DashboardPanel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly DashboardTarget[];
}

/** A variable that is chosen at the head of the page. */
export interface DashboardVariable {
  readonly name: string;
  readonly type: string;
  readonly query: string;
  readonly multi: boolean;
  readonly includeAll: boolean;
  readonly allValue?: string;
}

/** See the head of this file. */
export interface Dashboard {
  readonly panels: readonly DashboardPanel[];
  readonly templating: { readonly list: readonly DashboardVariable[] };
}

const text = { type: 'string', minLength: 1 };
const texts = { type: 'array', items: text };
const flag = { type: 'boolean' };
const integer = { type: 'integer' };

function closed(required: string, properties: object): object {
  return { type: 'object', additionalProperties: false, required: required.split(' '), properties };
}

// The data source is the one chosen at the head of the page.
// biome-ignore lint/suspicious/noTemplateCurlyInString: Grafana's own placeholder
const source = closed('type uid', { type: { const: 'influxdb' }, uid: { const: '${datasource}' } });
const grid = closed('h w x y', {
  h: { type: 'integer', minimum: 1 },
  w: { type: 'integer', minimum: 1, maximum: 24 },
  x: { type: 'integer', minimum: 0, maximum: 23 },
  y: { type: 'integer', minimum: 0 },
});
const choice = { anyOf: [{ type: 'string' }, { type: 'array', items: { type: 'string' } }] };
const calculations = { type: 'array', items: { enum: ['mean', 'max', 'min', 'sum', 'last', 'lastNotNull'] } };

/** Options of each kind of panel (timeseries, table and stat .jsonschema.json beside {@link DASHBOARD_SCHEMA}'s). */
const OPTIONS = {
  timeseries: closed('legend tooltip', {
    legend: closed('displayMode placement showLegend calcs', {
      displayMode: { enum: ['list', 'table', 'hidden'] },
      placement: { enum: ['bottom', 'right'] },
      showLegend: flag,
      calcs: calculations,
      sortBy: text,
      sortDesc: flag,
    }),
    tooltip: closed('mode sort', {
      mode: { enum: ['single', 'multi', 'none'] },
      sort: { enum: ['asc', 'desc', 'none'] },
    }),
  }),
  table: closed('showHeader', { showHeader: flag }),
  stat: closed('reduceOptions graphMode colorMode', {
    reduceOptions: closed('calcs', { calcs: calculations, fields: { type: 'string' }, values: flag }),
    graphMode: { enum: ['none', 'line', 'area'] },
    colorMode: { enum: ['value', 'background', 'background_solid', 'none'] },
  }),
};

const fieldConfig = closed('defaults overrides', {
  defaults: closed('unit', {
    unit: { enum: ['bps', 'pps', 'bytes', 'short', 'percent', 'ms'] },
    min: { type: 'number' },
    thresholds: closed('mode steps', {
      mode: { enum: ['absolute', 'percentage'] },
      steps: { type: 'array', minItems: 1, items: closed('value color', { value: { type: 'number' }, color: text }) },
    }),
    custom: closed('drawStyle', {
      drawStyle: { enum: ['line', 'bars', 'points'] },
      lineWidth: { type: 'number' },
      fillOpacity: { type: 'number', minimum: 0, maximum: 100 },
      showPoints: { enum: ['auto', 'never', 'always'] },
      spanNulls: { type: ['boolean', 'number'] },
      stacking: closed('mode group', { mode: { enum: ['none', 'normal', 'percent'] }, group: text }),
    }),
  }),
  overrides: { type: 'array', maxItems: 0 },
});

const target = closed('refId datasource rawQuery resultFormat query', {
  refId: { type: 'string', pattern: '^[A-Z]$' },
  datasource: source,
  rawQuery: { const: true },
  resultFormat: { enum: ['time_series', 'table', 'logs'] },
  query: text,
  alias: text,
});

function panel(type: keyof typeof OPTIONS): object {
  return closed('type id title datasource gridPos fieldConfig options targets', {
    type: { const: type },
    id: integer,
    title: text,
    description: text,
    datasource: source,
    gridPos: grid,
    fieldConfig,
    options: OPTIONS[type],
    transformations: { type: 'array', items: closed('id options', { id: text, options: { type: 'object' } }) },
    targets: { type: 'array', minItems: 1, items: target },
  });
}

const row = closed('type id title collapsed gridPos panels', {
  type: { const: 'row' },
  id: integer,
  title: text,
  collapsed: flag,
  gridPos: grid,
  panels: { type: 'array', maxItems: 0 },
});

const variable = closed('type name label query', {
  type: { enum: ['query', 'datasource'] },
  name: { type: 'string', pattern: '^\\w+$' },
  label: text,
  hide: { enum: [0, 1, 2] },
  query: text,
  datasource: source,
  current: closed('text value', { text: choice, value: choice, selected: flag }),
  multi: flag,
  includeAll: flag,
  allValue: text,
  refresh: { enum: [0, 1, 2] },
  sort: { type: 'integer', minimum: 0, maximum: 8 },
});

/**
 * What this dashboard uses of Grafana's schema, and nothing besides (grafana/grafana-foundation-sdk,
 * jsonschema/dashboard.jsonschema.json: Dashboard, VariableModel, RowPanel, Panel, FieldConfig).
 */
export const DASHBOARD_SCHEMA = closed('uid title schemaVersion templating annotations panels time', {
  uid: { type: 'string', pattern: '^[\\w-]{8,40}$' },
  title: text,
  description: text,
  tags: texts,
  timezone: text,
  editable: flag,
  graphTooltip: { enum: [0, 1, 2] },
  schemaVersion: { type: 'integer', minimum: 36 },
  version: integer,
  refresh: { type: 'string', pattern: '^\\d+[smhd]$' },
  time: closed('from to', { from: text, to: text }),
  annotations: closed('list', { list: { type: 'array', maxItems: 0 } }),
  links: { type: 'array', maxItems: 0 },
  templating: closed('list', { list: { type: 'array', items: variable } }),
  panels: { type: 'array', items: { anyOf: [row, panel('timeseries'), panel('table'), panel('stat')] } },
});

/** Reads a dashboard. */
export function readDashboard(path: string): Dashboard {
  return JSON.parse(readFileSync(path, 'utf8')) as Dashboard;
}

/** What a dashboard has that Grafana's schema has not. */
export function dashboardFaults(content: unknown): ErrorObject[] {
  const validate = new Ajv({ allErrors: true, strict: true, allowUnionTypes: true }).compile(DASHBOARD_SCHEMA);
  return validate(content) ? [] : (validate.errors ?? []);
}

/** What a page is shown with. */
export interface Shown {
  readonly fromMs: number;
  readonly toMs: number;
  readonly intervalSeconds: number;
  /** Values chosen of each variable; `$__all` for all. */
  readonly chosen: Readonly<Record<string, readonly string[]>>;
}

/**
 * A query as Grafana's InfluxDB data source sends it: where several values may be chosen they stand as a regular expression.
 * Throws where a variable is not known.
 */
export function filledQuery(query: string, variables: readonly DashboardVariable[], shown: Shown): string {
  return query.replace(/\$(\w+)/g, (_, name: string) => {
    if (name === 'timeFilter') return `time >= ${shown.fromMs}ms and time <= ${shown.toMs}ms`;
    if (name === '__interval') return `${shown.intervalSeconds}s`;
    const known = variables.find((each) => each.name === name);
    const values = shown.chosen[name];
    if (known === undefined || values === undefined) throw new Error(`no variable ${name}`);
    if (values[0] === '$__all') return known.allValue ?? '';
    if (!known.multi) return values[0] ?? '';
    return `(${values.map((value) => value.replace(/[\\^$*+?.()|[\]{}/-]/g, '\\$&')).join('|')})`;
  });
}
