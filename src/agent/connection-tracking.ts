/** Connections of which the kernel's connection tracking translates both ends: only it knows which two sockets are one. */

import { accessSync, constants, readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { canonicalAddress } from './address-words.ts';
import { type FlowEnd, isLoopback } from './flow-end.ts';
import { LineReader } from './line-reader.ts';
import { findProgram } from './namespace-tool.ts';
import { ToolShells } from './tool-shell.ts';

/** Where {@link ConnectionTracking} looks. */
export interface ConnectionTrackingOptions {
  /** Where proc is mounted. */
  readonly procRoot?: string;
  /** conntrack(8), `''` for none; by default the one that is installed, where there are the rights of root that it needs. */
  readonly tool?: string;
  /** Runs it. Default one of its own. */
  readonly tools?: ToolShells;
  /** Addresses of the own network namespace. */
  readonly ownAddresses?: () => readonly string[];
  /** Longest a look may take, milliseconds. */
  readonly timeLimitMs?: number;
  /** Entries of the table up to which its file is read: older kernels count to each piece of it from the start again. */
  readonly maxFileEntries?: number;
  /** Octets read at a look. */
  readonly maxOctets?: number;
}

/** The two ends of a connection as its sockets see them. */
export interface TrackedPair {
  readonly client: FlowEnd;
  readonly server: FlowEnd;
}

/** A connection that is translated: `source` and `destination` of what the client sends, and of what the server answers. */
export interface TrackedConnection {
  /** IP protocol, 6 or 17. */
  readonly protocol: number;
  /** Address and port with a space between, as in all of these. */
  readonly source: string;
  readonly destination: string;
  readonly replySource: string;
  readonly replyDestination: string;
}

/** Longest line of the table that is read, characters. */
const LINE_CHARACTERS = 1024;
const PIECE_OCTETS = 65_536;
/** Entries up to which the file costs less than conntrack's process. */
const FEW_ENTRIES = 2048;
const ENTRY =
  /^(?:ipv[46] +\d+ +)?(tcp|udp) +\d+ .*?src=(\S+) dst=(\S+) sport=(\d+) dport=(\d+) .*?src=(\S+) dst=(\S+) sport=(\d+) dport=(\d+) /;
const TOOL_WORDS = ['-L', '--any-nat'];

/**
 * Asks the table of the own network namespace, where published ports and what containers send are translated: by its file, and where
 * that is not there or is long, by conntrack. Without both nothing is found.
 */
export class ConnectionTracking {
  /** Looks at the table. */
  looks = 0;
  /** Looks that failed, took too long, or met a table that is too large. */
  looksFailed = 0;
  /** What is missing, one line each. */
  readonly missing: readonly string[];
  readonly #options: Required<ConnectionTrackingOptions>;

  constructor(options: ConnectionTrackingOptions = {}) {
    this.#options = {
      procRoot: '/proc',
      tool: process.geteuid?.() === 0 ? (findProgram('conntrack') ?? '') : '',
      tools: options.tools ?? new ToolShells(),
      ownAddresses,
      timeLimitMs: 2000,
      maxFileEntries: 16_384,
      maxOctets: 16 << 20,
      ...options,
    };
    const isMissing = this.#entries() !== undefined && this.#options.tool === '' && !isReadable(this.#path);
    this.missing = isMissing
      ? [
          '/proc/net/nf_conntrack cannot be read, nor conntrack asked: connections translated at both ends are two flows',
        ]
      : [];
  }

  /**
   * Finds the pairs among ends whose other ends nobody knows. It looks only where one of them is connected to an address of this host that no
   * socket has, as one is whose source was translated. Does not reject.
   */
  async pairs(ends: readonly FlowEnd[]): Promise<readonly TrackedPair[]> {
    if (ends.length < 2) return [];
    const own = new Set(this.#options.ownAddresses());
    if (!ends.some(({ remoteAddress }) => own.has(remoteAddress) && !isLoopback(remoteAddress))) return [];
    const entries = this.#entries();
    if (entries === undefined || entries === 0) return [];
    const finder = new PairFinder(ends);
    this.looks++;
    const { tool, maxFileEntries } = this.#options;
    const isShort = entries <= (tool === '' ? maxFileEntries : Math.min(maxFileEntries, FEW_ENTRIES));
    const isRead = isShort && (await this.#readFile(finder));
    if (!isRead && !(await this.#runTool(finder))) this.looksFailed++;
    return finder.pairs;
  }

  get #path(): string {
    return `${this.#options.procRoot}/net/nf_conntrack`;
  }

  /** Entries of the table, undefined where there is none. */
  #entries(): number | undefined {
    try {
      return Number(readFileSync(`${this.#options.procRoot}/sys/net/netfilter/nf_conntrack_count`, 'latin1'));
    } catch {
      return undefined;
    }
  }

  async #readFile(finder: PairFinder): Promise<boolean> {
    const { timeLimitMs, maxOctets } = this.#options;
    const endMs = performance.now() + timeLimitMs;
    const piece = Buffer.allocUnsafe(PIECE_OCTETS);
    try {
      const file = await open(this.#path);
      try {
        for (let octets = 0; octets < maxOctets && performance.now() < endMs; ) {
          const { bytesRead } = await file.read(piece, 0, PIECE_OCTETS, null);
          if (bytesRead === 0) return true;
          octets += bytesRead;
          finder.take(piece.subarray(0, bytesRead));
        }
        return false;
      } finally {
        await file.close();
      }
    } catch {
      // Not there or not readable: conntrack may be.
      return false;
    }
  }

  async #runTool(finder: PairFinder): Promise<boolean> {
    const { tool, tools, timeLimitMs, maxOctets } = this.#options;
    if (tool === '') return false;
    const limits = { timeMs: timeLimitMs, octets: maxOctets };
    const { code } = await tools.run([tool, ...TOOL_WORDS], limits, (octets) => finder.take(octets));
    return code === 0;
  }
}

function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}

/** Reads a line of the table, as its file and conntrack have it; undefined for what is not translated, and for what is no such line. */
export function parseTrackedConnection(line: string): TrackedConnection | undefined {
  if (line.length > LINE_CHARACTERS) return undefined;
  const match = ENTRY.exec(line);
  if (match === null) return undefined;
  const [, protocol, source, destination, sourcePort, destinationPort, ...reply] = match;
  const [replySource, replyDestination, replySourcePort, replyDestinationPort] = reply;
  const isSame = source === replyDestination && destination === replySource;
  if (isSame && sourcePort === replyDestinationPort && destinationPort === replySourcePort) return undefined;
  return {
    protocol: protocol === 'tcp' ? 6 : 17,
    source: place(source!, sourcePort!),
    destination: place(destination!, destinationPort!),
    replySource: place(replySource!, replySourcePort!),
    replyDestination: place(replyDestination!, replyDestinationPort!),
  };
}

/** Takes the table piece by piece and finds pairs among ends. */
class PairFinder {
  readonly pairs: TrackedPair[] = [];
  /** By protocol and both places, undefined where several are the same: those of other namespaces. */
  readonly #ends = new Map<string, FlowEnd | undefined>();
  readonly #reader = new LineReader(LINE_CHARACTERS, (line) => this.#takeLine(line));

  constructor(ends: readonly FlowEnd[]) {
    for (const end of ends) {
      const { protocol, localAddress, localPort, remoteAddress, remotePort } = end;
      const key = `${protocol} ${localAddress} ${localPort} ${remoteAddress} ${remotePort}`;
      this.#ends.set(key, this.#ends.has(key) ? undefined : end);
    }
  }

  take(octets: Buffer): void {
    this.#reader.push(octets);
  }

  #takeLine(line: string): void {
    const tracked = parseTrackedConnection(line);
    if (tracked === undefined) return;
    const { protocol, source, destination, replySource, replyDestination } = tracked;
    const client = this.#ends.get(`${protocol} ${source} ${destination}`);
    const server = this.#ends.get(`${protocol} ${replySource} ${replyDestination}`);
    if (client !== undefined && server !== undefined && client !== server) this.pairs.push({ client, server });
  }
}

/** Address and port; the file has all groups of an IPv6 address with all zeros. */
function place(address: string, port: string): string {
  return `${canonicalAddress(address) ?? address} ${port}`;
}

function ownAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map(({ address }) => address));
}
