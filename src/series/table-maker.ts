import { type Family, SCHEMA_BY_NAME } from './schema.ts';
import type { SeriesLimits } from './series-limits.ts';
import { type FieldSource, type LineSource, SeriesTable } from './series-table.ts';
import type { StepWindow } from './step-window.ts';

/** Rows without traffic are forgotten after an hour, and not before they had 12 idle steps. */
const IDLE_SECONDS = 3600;
const IDLE_STEPS = 12;

/** What the tables of one program share. */
export interface TableContext {
  readonly limits: SeriesLimits;
  /** The steps of a family. */
  readonly windowOf: (family: Family) => StepWindow;
  /** Takes a table to be closed with its window's steps, in order: details before the rows that they belong to. */
  readonly register: (table: SeriesTable) => void;
}

/** What a table's columns are written as. */
export interface TableShape {
  readonly columns: number;
  readonly absoluteFrom?: number;
  readonly lines: readonly LineSource[];
  /** Whether rows stay for ever. */
  readonly isLasting?: boolean;
  /** Told of each row that is forgotten. */
  readonly onForget?: (row: number) => void;
  /** See {@link TableOptions.beforeClosing}. */
  readonly beforeClosing?: (row: number, step: number) => void;
}

/** Makes a table of a family's measurements and registers it. */
export function makeTable(context: TableContext, family: Family, shape: TableShape): SeriesTable {
  const window = context.windowOf(family);
  const idleSteps = Math.max(IDLE_STEPS, Math.ceil((IDLE_SECONDS * 1000) / window.stepMs));
  const table = new SeriesTable(
    {
      family,
      columns: shape.columns,
      lines: shape.lines,
      idleSteps: shape.isLasting === true ? Number.POSITIVE_INFINITY : idleSteps,
      ...(shape.absoluteFrom !== undefined && { absoluteFrom: shape.absoluteFrom }),
      ...(shape.onForget !== undefined && { onForget: shape.onForget }),
      ...(shape.beforeClosing !== undefined && { beforeClosing: shape.beforeClosing }),
    },
    window,
    context.limits,
  );
  context.register(table);
  return table;
}

/** A measurement of the schema whose fields, in its order, are made of these columns. */
export function line(
  measurement: string,
  kind: FieldSource['kind'],
  columns: readonly (readonly number[])[],
  written: LineSource['written'] = 'live',
): LineSource {
  const { fields } = SCHEMA_BY_NAME.get(measurement)!;
  return { measurement, written, fields: columns.map((of, i) => ({ field: fields[i]!, kind, columns: of })) };
}
