/** An agent whose parts a test plays, and the lines it makes. */

import { Agent, type AgentOptions } from '../../src/agent/agent.ts';
import type { Flow, PlainRecord, PlainValue } from '../../src/flow/flow.ts';
import type { RecordType } from '../../src/flow/layout.ts';
import { FlowJson } from '../../src/sink/formats/flow-json.ts';
import { FakeParts } from './agent-parts.ts';

/** A line, parsed. */
// biome-ignore lint/suspicious/noExplicitAny: a line's values are what the test expects them to be
export type AgentLine = Record<string, any>;

const ALL_RECORDS: ReadonlySet<RecordType> = new Set(['flow', 'event', 'counters']);

/** See the head of this file. */
export class AgentHarness {
  readonly parts = new FakeParts();
  readonly agent: Agent;
  /** Messages on ports that the host listens on. */
  readonly ports: PlainValue[] = [];
  /** Lines as written. */
  text = '';
  private readonly writer: FlowJson;

  /** Flows and events go to `onFlow` too. */
  constructor(
    options: Partial<AgentOptions> = {},
    names: 'ntop' | 'iana' = 'ntop',
    onFlow: (flow: Flow) => void = () => {},
  ) {
    this.writer = new FlowJson(
      { names, fields: undefined, upscale: false, recordTypes: ALL_RECORDS, codeGeneration: true },
      (octets) => {
        this.text += new TextDecoder('utf-8', { fatal: true }).decode(octets);
      },
    );
    this.agent = new Agent(
      {
        address: '192.0.2.7',
        hostName: 'here',
        addresses: ['192.0.2.7'],
        records: new Set(['flows']),
        dialect: 'default',
        withCommandLines: false,
        maxFlows: 1000,
        idleLooks: 3,
        now: () => this.parts.nowMs,
        ...options,
      },
      this.parts,
      {
        flow: (flow) => {
          onFlow(flow);
          this.writer.write(flow);
        },
        event: (flow) => {
          onFlow(flow);
          this.writer.write(flow);
        },
        counters: (record) => {
          this.onCounters(record);
          this.writer.writeRecord(record);
        },
        listeningPorts: (value) => this.ports.push(value),
      },
    );
  }

  /** Looks `seconds` later and gives the lines made since the last call. */
  async look(seconds = 5): Promise<AgentLine[]> {
    this.parts.nowMs += 1000 * seconds;
    await this.agent.look();
    return this.lines();
  }

  /** Lines made since the last call. */
  lines(): AgentLine[] {
    this.writer.flush();
    const { text } = this;
    this.text = '';
    this.lastText = text;
    return text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as AgentLine);
  }

  /** Takes counters too. */
  onCounters: (record: PlainRecord) => void = () => {};
  /** The lines given last, as written. */
  lastText = '';
}
