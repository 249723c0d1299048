/** Flows as NetFlow v5, NetFlow v9 or IPFIX to collectors and files. */

import type { Flow, PlainRecord } from '../flow/flow.ts';
import { FileExport } from './export-file.ts';
import { TcpExport } from './export-tcp.ts';
import type { ExportTransport, ExportTransportOptions } from './export-transport.ts';
import { UdpExport } from './export-udp.ts';
import type { ExportFormat, MessageDrain } from './formats/export-format.ts';
import { Netflow5Messages } from './formats/netflow5-messages.ts';
import { flowHash } from './formats/ntopng-flows.ts';
import { TemplateMessages, type TemplateMessagesOptions } from './formats/template-messages.ts';
import type { Sink } from './sink.ts';

/** Versions of the export protocol: NetFlow 5 and 9, and 10 for IPFIX. */
export type ExportVersion = 5 | 9 | 10;

/** Where an export goes. */
export type ExportDestination =
  | { readonly kind: 'udp' | 'tcp'; readonly text: string; readonly host: string; readonly port: number }
  | { readonly kind: 'file'; readonly text: string };

/** What an export is and where it goes. */
export interface ExportSinkOptions
  extends Pick<ExportTransportOptions, 'delivery' | 'queueOctets' | 'onEvent'>,
    Pick<
      TemplateMessagesOptions,
      'registry' | 'selection' | 'sendsOptions' | 'refreshMessages' | 'refreshMs' | 'codeGeneration'
    > {
  readonly destinations: readonly ExportDestination[];
  /** Each flow goes to one destination, chosen by its peers, rather than to all. */
  readonly isBalanced: boolean;
  readonly version: ExportVersion;
  /** Octets of an IP packet that the way to a collector takes. */
  readonly mtu: number;
  /** Datagrams a second to each collector, 0 for no limit. */
  readonly datagramsPerSecond: number;
}

/** One destination, and the messages made for it. */
export interface ExportTarget {
  readonly format: ExportFormat;
  readonly transport: ExportTransport;
}

/** Headers of IP, version 4 and 6, and UDP. */
const IPV4_AND_UDP = 28;
const IPV6_AND_UDP = 48;
/** Longest UDP payload over IPv4. */
const MAX_DATAGRAM = 65_507;
/** Messages over TCP and in files: as long as is worth it. */
const STREAM_OCTETS = 32_768;
/** Messages go out after this long, full or not. */
const FLUSH_MS = 1000;

/** Writes every flow to all destinations, or to one of them by its peers. */
export class ExportSink implements Sink {
  readonly targets: readonly ExportTarget[];
  readonly #isBalanced: boolean;
  /** Runs only while flows wait: a process with nothing to do is not woken. */
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  /** Opens all destinations; rejects with one clear error, and leaves nothing open, where one cannot be. */
  static async open(options: ExportSinkOptions): Promise<ExportSink> {
    const targets: ExportTarget[] = [];
    try {
      for (const destination of options.destinations) targets.push(await openTarget(destination, options));
    } catch (error) {
      await Promise.all(targets.map(({ transport }) => transport.close()));
      throw error;
    }
    return new ExportSink(targets, options.isBalanced);
  }

  private constructor(targets: readonly ExportTarget[], isBalanced: boolean) {
    this.targets = targets;
    this.#isBalanced = isBalanced && targets.length > 1;
  }

  /** Whether a destination has more waiting than it should: await {@link ExportSink.drained}. */
  get mustWait(): boolean {
    for (let i = 0; i < this.targets.length; i++) if (this.targets[i]!.transport.mustWait) return true;
    return false;
  }

  /** Why a destination cannot go on. */
  get failure(): Error | undefined {
    return this.targets.find(({ transport }) => transport.failure !== undefined)?.transport.failure;
  }

  write(flow: Flow): void {
    const { targets } = this;
    if (this.#timer === undefined) this.#startTimer();
    if (this.#isBalanced) {
      targets[flowHash(flow) % targets.length]!.format.write(flow);
      return;
    }
    for (let i = 0; i < targets.length; i++) targets[i]!.format.write(flow);
  }

  writeRecord(record: PlainRecord): void {
    if (this.#timer === undefined) this.#startTimer();
    for (let i = 0; i < this.targets.length; i++) this.targets[i]!.format.writeRecord(record);
  }

  async drained(): Promise<void> {
    await Promise.all(this.targets.map(({ transport }) => transport.tallies.drained()));
  }

  async flush(): Promise<void> {
    this.#flushFormats();
    await this.drained();
  }

  /** Opens files anew. Throws where one cannot be; it stays as it was then. */
  reopen(): void {
    for (const { format, transport } of this.targets) {
      format.flush();
      transport.reopen();
    }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#flushFormats();
    await Promise.all(this.targets.map(({ transport }) => transport.close()));
  }

  #startTimer(): void {
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#flushFormats();
    }, FLUSH_MS).unref();
  }

  #flushFormats(): void {
    for (const { format } of this.targets) format.flush();
  }
}

async function openTarget(destination: ExportDestination, options: ExportSinkOptions): Promise<ExportTarget> {
  const opened: { format?: ExportFormat; transport?: ExportTransport } = {};
  const transportOptions = {
    ...options,
    destination: destination.text,
    onRestart: () => opened.format?.restart(),
    onLoss: () => opened.format?.announceAnew(),
  };
  const transport = await openTransport(destination, transportOptions);
  const drain: MessageDrain = (octets, flows) => transport.send(octets, flows);
  const isReliable = destination.kind !== 'udp';
  const headers = transport instanceof UdpExport && transport.family === 4 ? IPV4_AND_UDP : IPV6_AND_UDP;
  const messageOctets = isReliable ? STREAM_OCTETS : Math.min(options.mtu - headers, MAX_DATAGRAM);
  const { version } = options;
  const format =
    version === 5
      ? new Netflow5Messages(messageOctets, drain)
      : new TemplateMessages(
          {
            ...options,
            version,
            messageOctets,
            isReliable,
            refreshMessages: isReliable ? 0 : options.refreshMessages,
            refreshMs: isReliable ? 0 : options.refreshMs,
            notSent: () => transport.tallies.flowsDropped,
          },
          drain,
        );
  opened.format = format;
  return { format, transport };
}

async function openTransport(
  destination: ExportDestination,
  options: ExportTransportOptions & { readonly destination: string; readonly datagramsPerSecond: number },
): Promise<ExportTransport> {
  if (destination.kind === 'file') return new FileExport(options);
  const { host, port } = destination;
  return destination.kind === 'udp'
    ? UdpExport.open({ ...options, host, port })
    : TcpExport.open({ ...options, host, port });
}
