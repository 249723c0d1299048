/** Flows in, messages out, as an export makes them. */

import type { Flow, PlainRecord } from '../../src/flow/flow.ts';
import type { RecordOutput } from '../../src/flow/record-output.ts';
import { loadBuiltInRegistry } from '../../src/ie/registry.ts';
import type { ExportFormat } from '../../src/sink/formats/export-format.ts';
import { Netflow5Messages } from '../../src/sink/formats/netflow5-messages.ts';
import { TemplateMessages, type TemplateMessagesOptions } from '../../src/sink/formats/template-messages.ts';

/** The registry of the files that come with the program. */
export const REGISTRY = loadBuiltInRegistry();

/** What messages look like unless a test says otherwise: everything, without options data, without a refresh. */
export const MESSAGE_OPTIONS: TemplateMessagesOptions = {
  version: 10,
  registry: REGISTRY,
  selection: undefined,
  messageOctets: 1472,
  refreshMessages: 0,
  refreshMs: 0,
  isReliable: false,
  codeGeneration: true,
  sendsOptions: false,
  notSent: () => 0,
};

/** An export whose messages are kept. */
export class ExportHarness implements RecordOutput {
  readonly format: ExportFormat;
  /** Messages made so far. */
  readonly messages: Buffer[] = [];
  /** Flows in them. */
  flows = 0;
  /** What the destination says of the next messages; taken where undefined. */
  isTaken = true;

  constructor(options: Partial<Omit<TemplateMessagesOptions, 'version'>> & { readonly version?: 5 | 9 | 10 } = {}) {
    const drain = (octets: Uint8Array, flows: number): boolean => {
      this.messages.push(Buffer.from(octets));
      this.flows += flows;
      return this.isTaken;
    };
    const { version = 10, ...rest } = options;
    this.format =
      version === 5
        ? new Netflow5Messages(rest.messageOctets ?? 1472, drain)
        : new TemplateMessages({ ...MESSAGE_OPTIONS, ...rest, version }, drain);
  }

  write(flow: Flow): void {
    this.format.write(flow);
  }

  writeRecord(record: PlainRecord): void {
    this.format.writeRecord(record);
  }

  /** The messages of these flows and of those before, the last one included; they are forgotten then. */
  take(...flows: readonly Flow[]): Buffer[] {
    for (const flow of flows) this.write(flow);
    this.format.flush();
    return this.messages.splice(0);
  }
}
