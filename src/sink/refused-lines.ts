/** Which lines of a batch a server has refused, as far as its answer tells. */

import type { InfluxdbAnswer } from './influxdb-transport.ts';

/** What an answer says of the lines it was given. */
export interface Refusal {
  /** Indices of the lines named, each with the server's words. */
  readonly named: ReadonlyMap<number, string>;
  /** All lines were refused. */
  readonly isWhole: boolean;
}

/** Words that the servers use of lines, and a proxy before them does not of requests. */
const OF_LINES =
  /pars|partial write|field type|line protocol|point|measurement|max-|missing|timestamp|time outside|schema|column/i;

/**
 * Whether an answer is about the lines: only then may they be set aside. A proxy that answers 400 means the request, and
 * what is wrong with that is wrong with any lines.
 */
export function isAboutLines({ status, text }: InfluxdbAnswer, words: string): boolean {
  return (status === 400 || status === 422) && text.trimStart().startsWith('{') && OF_LINES.test(words);
}

/**
 * Reads `text`, the body of an answer to `lines`. InfluxDB 1.x and 2.x quote each line that they cannot parse, and say of
 * others how many were dropped; 3.x gives their numbers, from 1 on.
 */
export function readRefusal(text: string, lines: readonly string[]): Refusal {
  const named = new Map<number, string>();
  const words = errorText(text);
  const quoted = new Map<string, string>();
  for (const [, line = '', reason = ''] of words.matchAll(
    /unable to parse '(.*?)': (.*?)(?=\nunable to parse '| dropped=\d|$)/gs,
  )) {
    quoted.set(line, reason);
  }
  for (const { lineNumber, reason } of numberedLines(text)) {
    if (lineNumber >= 1 && lineNumber <= lines.length) named.set(lineNumber - 1, reason);
  }
  if (quoted.size > 0) {
    lines.forEach((line, i) => {
      const reason = quoted.get(line);
      if (reason !== undefined) named.set(i, `unable to parse: ${reason}`);
    });
  }
  const dropped = Number(/ dropped=(\d{1,9})\s*$/.exec(words)?.[1] ?? 0);
  return { named, isWhole: dropped >= lines.length };
}

function errorText(text: string): string {
  const { error, message } = parse(text);
  return typeof error === 'string' ? error : typeof message === 'string' ? message : text;
}

function numberedLines(text: string): { lineNumber: number; reason: string }[] {
  const { data } = parse(text);
  if (!Array.isArray(data)) return [];
  return data.flatMap((item: unknown) => {
    const { line_number: lineNumber, error_message: reason } = (item ?? {}) as Readonly<Record<string, unknown>>;
    return typeof lineNumber === 'number' ? [{ lineNumber, reason: String(reason ?? '').slice(0, 500) }] : [];
  });
}

function parse(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
  } catch {
    return {};
  }
}
