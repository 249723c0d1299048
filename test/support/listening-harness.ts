/** Messages in, lines out, as `listen` wires it. */

import { existsSync, readFileSync } from 'node:fs';
import type { RecordType } from '../../src/flow/layout.ts';
import type { ListenFault } from '../../src/metrics/listen-counters.ts';
import { Listening } from '../../src/pipeline/listening.ts';
import { FlowJson } from '../../src/sink/formats/flow-json.ts';
import { COMPILE_AFTER } from './decoding-harness.ts';
import { repositoryPath } from './program.ts';

/** A line, parsed. */
// biome-ignore lint/suspicious/noExplicitAny: a line's values are what the test expects them to be
export type Line = Record<string, any>;

const ALL_RECORDS: ReadonlySet<RecordType> = new Set(['flow', 'event', 'discard', 'counters', 'options']);
const ENDPOINT = { url: 'tcp://192.0.2.9:5556', address: '192.0.2.9', port: 5556 };
/** When messages arrive. */
export const ARRIVAL_MS = 1_700_000_000_000;

/** A {@link Listening} whose lines are kept. */
export class ListeningHarness {
  readonly listening: Listening;
  /** Lines of the last {@link ListeningHarness.lines} call, as written. */
  text = '';
  private readonly writer: FlowJson;
  private ready = '';

  constructor(names: 'ntop' | 'iana' = 'ntop', codeGeneration = true) {
    const format = {
      names,
      fields: undefined,
      upscale: false,
      recordTypes: ALL_RECORDS,
      codeGeneration,
      compileAfter: COMPILE_AFTER,
    };
    this.writer = new FlowJson(format, (octets) => {
      this.ready += new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(octets);
    });
    this.listening = new Listening([], this.writer);
  }

  /** Takes a message; gives the reason why it could not be taken whole. */
  take(...frames: readonly (Uint8Array | string)[]): ListenFault | undefined {
    const octets = frames.map((frame) => (typeof frame === 'string' ? Buffer.from(frame) : frame));
    return this.listening.take(octets, ENDPOINT, ARRIVAL_MS);
  }

  /** Takes a message and gives the lines it made. */
  lines(...frames: readonly (Uint8Array | string)[]): Line[] {
    this.takeText();
    this.take(...frames);
    this.text = this.takeText();
    return this.text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Line);
  }

  /** Lines written since the last call, unparsed. */
  takeText(): string {
    this.writer.flush();
    const { ready } = this;
    this.ready = '';
    return ready;
  }

  /** Counters of all sources. */
  get counters() {
    return this.listening.sources.totals();
  }
}

/** The examples of agents' records as they were printed, or undefined where they are not at hand. */
export function agentExamples(): { text: string; isCounters: boolean }[] | undefined {
  const path = repositoryPath('../shared/AGENT-JSON.md');
  if (!existsSync(path)) return undefined;
  return [...readFileSync(path, 'utf8').matchAll(/```\n([\s\S]*?)```/g)]
    .map(([, text]) => text!)
    .filter((text) => text.includes('"timestamp"'))
    .map((text) => ({ text, isCounters: text.includes('"ifIndex"') }));
}
