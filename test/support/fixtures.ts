/** The cases under fixtures/: captures of real exporters, and what another program reads in them. */

import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { ExporterCase } from './exporters.ts';
import { repositoryPath } from './program.ts';
import { decodeAsRules, linesByTshark, messagesByTshark, type PartialLine } from './tshark-lines.ts';

const FIXTURES = repositoryPath('fixtures');
/** Larger captures are stored gzipped. */
const MAX_PLAIN_OCTETS = 20_000;

/** What case.json says. */
export interface CaseDescription {
  /** What the case has that others have not. */
  readonly shows: string;
  /** Where the capture comes from. */
  readonly provenance: string;
  /** Port the export went to. */
  readonly port: number;
  readonly protocol: 'cflow' | 'sflow';
  /** The other program, and what it was told. */
  readonly secondOpinion: string;
}

/** Sums that a case must come to. */
export interface ExpectedCounters {
  readonly messages: number;
  readonly flows: number;
  readonly optionsRecords: number;
  readonly countersRecords: number;
}

/** One folder of fixtures/. */
export interface FixtureCase {
  readonly name: string;
  /** The capture. */
  readonly input: string;
  readonly description: CaseDescription;
  /** For each line, keys that another program knows. */
  readonly expected: readonly PartialLine[];
  readonly counters: ExpectedCounters;
}

/** All cases. */
export function fixtureCases(): FixtureCase[] {
  const folders = readdirSync(FIXTURES).filter((name) => statSync(join(FIXTURES, name)).isDirectory());
  return folders.map((name) => {
    const path = (file: string) => join(FIXTURES, name, file);
    const json = (file: string): unknown => JSON.parse(readFileSync(path(file), 'utf8'));
    const lines = readFileSync(path('expected.jsonl'), 'utf8').trim().split('\n');
    return {
      name,
      input: existsSync(path('input.pcap')) ? path('input.pcap') : path('input.pcap.gz'),
      description: json('case.json') as CaseDescription,
      expected: lines.map((line) => JSON.parse(line) as PartialLine),
      counters: json('expected-counters.json') as ExpectedCounters,
    };
  });
}

/** Makes a recording a case: the capture, and what tshark reads in it. */
export function recordFixture(exporter: ExporterCase, recording: string, port: number): void {
  const path = (file: string) => join(FIXTURES, exporter.name, file);
  mkdirSync(path('.'), { recursive: true });
  if (statSync(recording).size > MAX_PLAIN_OCTETS) {
    writeFileSync(path('input.pcap.gz'), gzipSync(readFileSync(recording), { level: 9 }));
  } else {
    copyFileSync(recording, path('input.pcap'));
  }
  const { shows, protocol } = exporter;
  const provenance = `${exporter.programs[0]} of Debian 12, recorded on the loopback by test/integration/live-exporters.test.ts`;
  const lines = expectedLines(exporter, recording, port);
  writeExpectations(exporter.name, recording, lines, { shows, provenance, port, protocol });
}

/** The lines tshark makes of a recording of an exporter, with what is known of its flows besides. */
export function expectedLines(exporter: ExporterCase, recording: string, port: number): PartialLine[] {
  const lines = linesByTshark(recording, port, exporter.protocol);
  return lines.map((line) => (line['RECORD_TYPE'] === 'flow' ? { ...line, ...exporter.facts } : line));
}

function writeExpectations(
  name: string,
  recording: string,
  lines: readonly PartialLine[],
  facts: Omit<CaseDescription, 'secondOpinion'>,
): void {
  const path = (file: string) => join(FIXTURES, name, file);
  const { port, protocol } = facts;
  const rules = decodeAsRules(port, protocol).map((rule) => `-d ${rule}`);
  const description = { ...facts, secondOpinion: `tshark 4.0 -n -r input.pcap ${rules.join(' ')} -T pdml` };
  const count = (...types: string[]) => lines.filter((line) => types.includes(String(line['RECORD_TYPE']))).length;
  const counters: ExpectedCounters = {
    messages: messagesByTshark(recording, port, protocol),
    flows: count('flow', 'event'),
    optionsRecords: count('options'),
    countersRecords: count('counters'),
  };
  writeFileSync(path('case.json'), `${JSON.stringify(description, undefined, 2)}\n`);
  writeFileSync(path('expected-counters.json'), `${JSON.stringify(counters, undefined, 2)}\n`);
  writeFileSync(path('expected.jsonl'), lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
}
