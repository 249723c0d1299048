/**
 * The capturing process: captures with the package `pcap` and writes a pcap stream to standard output. A process of its own, since
 * the package keeps the event loop to itself while packets come. Counters, and what is wrong, go out by descriptor 3, a line
 * of JSON each.
 */

import { writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { PcapStream } from './pcap-stream.ts';

/** First word of the command line of a capturing process; the second is a {@link CaptureRequest} as JSON. */
export const CAPTURE_WORD = '__capture';

/** What is to be captured. */
export interface CaptureRequest {
  readonly interfaceName: string;
  /** BPF filter, `''` for none. */
  readonly filter: string;
  readonly snapLength: number;
  readonly bufferOctets: number;
  readonly promiscuous: boolean;
}

/** What a capturing process says of itself. */
export type CaptureNews =
  | { readonly kind: 'counts'; readonly received: number; readonly dropped: number }
  | { readonly kind: 'started' }
  | { readonly kind: 'missing'; readonly reason: string }
  | { readonly kind: 'failed'; readonly reason: string };

/** The part of the package that is used. */
interface PcapPackage {
  createSession(device: string, options: Record<string, unknown>): PcapSession;
  warningHandler: (text: string) => void;
}

interface PcapSession {
  readonly link_type: string;
  on(event: 'packet', listener: (packet: { readonly buf: Buffer; readonly header: Buffer }) => void): void;
  stats(): { readonly ps_recv: number; readonly ps_drop: number };
}

/** Link types by the package's names for them. */
const LINK_TYPES: Readonly<Record<string, number>> = {
  LINKTYPE_NULL: 0,
  LINKTYPE_ETHERNET: 1,
  LINKTYPE_PPP: 9,
  LINKTYPE_RAW: 101,
  LINKTYPE_IEEE802_11: 105,
  LINKTYPE_LINUX_SLL: 113,
  LINKTYPE_IEEE802_11_RADIO: 127,
};

const STANDARD_OUTPUT = 1;
const NEWS = 3;
const FLUSH_MS = 50;
const COUNTS_MS = 1000;
/** Wait of the kernel before it hands over packets of a quiet line. */
const BUFFER_TIMEOUT_MS = 20;

/** Captures until killed. */
export function runCapture(requestText: string): void {
  const request = JSON.parse(requestText) as CaptureRequest;
  let pcap: PcapPackage;
  try {
    pcap = createRequire(import.meta.url)('pcap') as PcapPackage;
  } catch (error) {
    tell({ kind: 'missing', reason: (error as Error).message.split('\n')[0] ?? '' });
    process.exit(1);
  }
  try {
    capture(pcap, request);
  } catch (error) {
    tell({ kind: 'failed', reason: error instanceof Error ? error.message : String(error) });
    process.exit(1);
  }
}

function capture(
  pcap: PcapPackage,
  { interfaceName, filter, snapLength, bufferOctets, promiscuous }: CaptureRequest,
): void {
  pcap.warningHandler = () => {};
  const session = pcap.createSession(interfaceName, {
    filter,
    snap_length: snapLength,
    buffer_size: bufferOctets,
    buffer_timeout: BUFFER_TIMEOUT_MS,
    promiscuous,
  });
  const linkType = LINK_TYPES[session.link_type];
  if (linkType === undefined) throw new Error(`frames of an unknown kind: ${session.link_type}`);
  const stream = new PcapStream(linkType, snapLength, writeAll);
  stream.flush();
  tell({ kind: 'started' });
  let flushedMs = 0;
  let toldMs = 0;
  const tick = (): void => {
    const nowMs = Date.now();
    if (nowMs - flushedMs >= FLUSH_MS) {
      flushedMs = nowMs;
      stream.flush();
    }
    if (nowMs - toldMs < COUNTS_MS) return;
    toldMs = nowMs;
    const { ps_recv: received, ps_drop: dropped } = session.stats();
    tell({ kind: 'counts', received, dropped });
  };
  let sinceTick = 0;
  session.on('packet', ({ buf, header }) => {
    const length = header.readUInt32LE(8);
    stream.add(buf, length, header.readUInt32LE(12), header.readUInt32LE(0), header.readUInt32LE(4));
    // No timer runs while packets come.
    if (++sinceTick < 64) return;
    sinceTick = 0;
    tick();
  });
  setInterval(tick, FLUSH_MS);
}

function tell(news: CaptureNews): void {
  try {
    writeSync(NEWS, `${JSON.stringify(news)}\n`);
  } catch {
    process.exit(0);
  }
}

/** Writes until all is written: a full pipe makes this process wait, and the kernel drop and count. */
function writeAll(octets: Uint8Array): void {
  let at = 0;
  while (at < octets.length) {
    try {
      at += writeSync(STANDARD_OUTPUT, octets, at);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') continue;
      process.exit(0);
    }
  }
}
