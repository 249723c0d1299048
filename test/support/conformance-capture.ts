/** Real captures of `../shared/corpora`, their oracles, and the lines the whole program makes of them. */

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { it } from 'vitest';
import type { Template } from '../../src/decode/template.ts';
import type { Flow, PlainRecord } from '../../src/flow/flow.ts';
import { RECORD_TYPES } from '../../src/flow/layout.ts';
import type { RecordOutput } from '../../src/flow/record-output.ts';
import { CaptureReader } from '../../src/input/capture-file.ts';
import { CapturedIpfixStreams } from '../../src/input/captured-ipfix-streams.ts';
import { DatagramExtractor } from '../../src/input/datagram-extractor.ts';
import { DEFAULT_DECODING_OPTIONS, Decoding } from '../../src/pipeline/decoding.ts';
import { FlowJson } from '../../src/sink/formats/flow-json.ts';
import { COMPILE_AFTER } from './decoding-harness.ts';

/** Directory of the captures, with a slash behind. */
export const CORPORA = fileURLToPath(new URL('../../../shared/corpora/', import.meta.url));

/** Whether the captures are on this machine. */
export const hasCorpora = existsSync(join(CORPORA, 'MANIFEST.tsv'));

/** Whether a program that a comparison needs may not be absent. */
export const requiresIntegration = process.env.FLOWRELAY_REQUIRE_INTEGRATION === '1';

/** Stands for tests that cannot run here, and says so where everybody sees it. */
export function skipVisibly(why: string): void {
  console.log(`skipped: ${why}`);
  it.skip(why, () => {});
}

/** One line of the catalogue. */
export interface CataloguedCapture {
  /** Path below the corpora. */
  readonly path: string;
  readonly protocol: string;
  readonly ports: readonly number[];
  readonly traits: readonly string[];
  /** Paths of its golden outputs below the corpora. */
  readonly goldens: readonly string[];
}

/** Every export capture, as catalogued; none where the corpora are absent. */
export function cataloguedCaptures(): CataloguedCapture[] {
  if (!hasCorpora) return [];
  const [heading, ...lines] = readFileSync(join(CORPORA, 'MANIFEST.tsv'), 'utf8').trimEnd().split('\n');
  const columns = heading!.split('\t');
  const at = (name: string): number => columns.indexOf(name);
  return lines.map((line) => {
    const cells = line.split('\t');
    const list = (name: string, separator: string): string[] =>
      (cells[at(name)] ?? '').split(separator).filter((item) => item !== '' && item !== '-');
    return {
      path: cells[0]!,
      protocol: cells[at('protocol')]!,
      ports: list('udp_ports', ',').map(Number),
      traits: list('traits', ','),
      goldens: list('golden', ';'),
    };
  });
}

/** Path below the corpora of what another program saw in a capture: `kind` is the ending of its name. */
export function oraclePath(capture: string, kind: string): string {
  return `${capture.replace(/^export\//, 'oracle/')}.${kind}`;
}

/** A value of a line; numbers of 16 digits and more are texts, so that no digit is lost. */
export type LineValue = string | number | boolean | null | LineValue[] | { [key: string]: LineValue };

/** One line of the program under both namings. */
export interface Line {
  /** Under ntop's names. */
  readonly ntop: Record<string, LineValue>;
  /** Under IANA's names. */
  readonly iana: Record<string, LineValue>;
}

/** A Template as it was announced. */
export interface LearnedTemplate {
  readonly exporter: string;
  readonly domain: number;
  readonly template: Template;
}

/** What the program made of a capture. */
export interface DecodedCapture {
  readonly lines: Line[];
  /** Announcements that were accepted, in order. */
  readonly templates: LearnedTemplate[];
  /** A fault of the program's own that was met, `''` for none. */
  readonly internalError: string;
  /** Faults counted, by name. */
  readonly faults: Readonly<Record<string, number>>;
}

/**
 * Decodes a capture file of the corpora the way `convert` does. With `isSplit` a datagram of several IPFIX Messages run
 * together, as one capture has it of a file that held them so, is taken as a datagram for each. `further` get all records too.
 */
export function decodeCapture(path: string, isSplit = false, further: readonly RecordOutput[] = []): DecodedCapture {
  const text = { ntop: '', iana: '' };
  const writer = (names: 'ntop' | 'iana'): FlowJson =>
    new FlowJson(
      {
        names,
        upscale: false,
        fields: undefined,
        recordTypes: new Set(RECORD_TYPES),
        codeGeneration: true,
        compileAfter: COMPILE_AFTER,
      },
      (octets) => {
        text[names] += Buffer.from(octets).toString('utf8');
      },
    );
  const writers = [writer('ntop'), writer('iana')];
  const output: RecordOutput = {
    write(flow: Flow) {
      for (const each of writers) each.write(flow);
      for (const each of further) each.write(flow);
    },
    writeRecord(record: PlainRecord) {
      for (const each of writers) each.writeRecord(record);
      for (const each of further) each.writeRecord(record);
    },
  };
  const decoding = new Decoding({ ...DEFAULT_DECODING_OPTIONS, compileAfter: COMPILE_AFTER }, output);
  const templates: LearnedTemplate[] = [];
  const { sessions } = decoding;
  const learn = sessions.learn.bind(sessions);
  sessions.learn = (session, template, nowMs) => {
    templates.push({ exporter: session.address, domain: session.domain.id, template });
    return learn(session, template, nowMs);
  };
  const streams = new CapturedIpfixStreams((stream, view, octets, start, end, timeMs) => {
    decoding.decode(octets, view, start, end, stream.sourceAddress, stream.sourcePort, timeMs, true);
  });
  const extractor = new DatagramExtractor(
    {
      onDatagram: ({ octets, view, start, end, sourceAddress, sourcePort, timeMs }) => {
        let pos = start;
        while (pos < end) {
          const next = isSplit ? pos + Math.max(view.getUint16(pos + 2), 4) : end;
          decoding.decode(octets, view, pos, next, sourceAddress, sourcePort, timeMs, false);
          pos = next;
        }
      },
    },
    streams,
  );
  const reader = new CaptureReader();
  reader.feed(readFileSync(join(CORPORA, path)));
  while (reader.next()) extractor.add(reader.packet);
  extractor.finish();
  for (const each of writers) each.flush();
  const ntop = parseLines(text.ntop);
  const iana = parseLines(text.iana);
  const lines = ntop.map((line, index) => ({ ntop: line, iana: iana[index]! }));
  const faults = { ...sessions.totals().faults };
  return { lines, templates, internalError: decoding.lastInternalError, faults };
}

function parseLines(text: string): Record<string, LineValue>[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line.replace(/([:[,])(-?\d{16,})(?=[,\]}])/g, '$1"$2"')) as Record<string, LineValue>);
}

/** Exporter's address of a line. */
export function exporterOf({ ntop }: Line): string {
  return String(ntop.EXPORTER_IPV4_ADDRESS ?? ntop.EXPORTER_IPV6_ADDRESS);
}

/** A value as text, `-` where there is none. */
export function textOf(value: LineValue | undefined): string {
  return value === undefined || value === null
    ? '-'
    : typeof value === 'object'
      ? JSON.stringify(value)
      : String(value);
}

/** Two multisets of texts compared. */
export interface MultisetComparison {
  /** Texts that both have. */
  readonly agreeing: number;
  readonly missing: readonly string[];
  readonly surplus: readonly string[];
}

/** Compares what an oracle has with what we have, each as often as it occurs. */
export function compareMultisets(expected: readonly string[], ours: readonly string[]): MultisetComparison {
  const counts = new Map<string, number>();
  for (const text of ours) counts.set(text, (counts.get(text) ?? 0) + 1);
  const missing: string[] = [];
  let agreeing = 0;
  for (const text of expected) {
    const left = counts.get(text) ?? 0;
    if (left === 0) missing.push(text);
    else {
      agreeing++;
      counts.set(text, left - 1);
    }
  }
  const surplus = [...counts].flatMap(([text, count]) => new Array<string>(count).fill(text));
  return { agreeing, missing, surplus };
}
