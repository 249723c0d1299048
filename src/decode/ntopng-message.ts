/**
 * Messages of ntop's ZeroMQ feeds: two frames, a header that is told by its size, and a payload of TLV or JSON. A
 * message is taken for what it holds, so that a version octet that does not fit its payload costs nothing.
 */

import { createRequire } from 'node:module';
import type { ListenFault } from '../metrics/listen-counters.ts';

/** Headers by size; natural alignment, numbers in the order of the sender's processor (little-endian) but for message ids. */
const HEADER_OCTETS = { v0: 40, v1: 24, v2: 28, v3: 36 } as const;
const TOPIC_OCTETS = { v0: 32, others: 16 } as const;
const NEWEST_VERSION = 4;
/** Version octet of senders that write message ids in their processor's order. */
const LITTLE_ENDIAN_IDS_VERSION = 1;
/** Flag of a v3 header. */
const FLAG_COMPRESSED = 4;
/** Octets a compressed payload may become: some 30 times what ntopng takes in a message. */
export const MAX_INFLATED_OCTETS = 4 * 1024 * 1024;

/** What messages are about. */
export const TOPICS = [
  'flow',
  'event',
  'counter',
  'template',
  'option',
  'hello',
  'listening-ports',
  'snmp-ifaces',
  'message',
] as const;

/** One of {@link TOPICS}. */
export type Topic = (typeof TOPICS)[number];

const BY_NAME: ReadonlyMap<string, Topic> = new Map(TOPICS.map((topic) => [topic, topic]));

/** A message's header and payload; one object per reader, overwritten for each message. */
export class NtopngMessage {
  topic: Topic = 'flow';
  /** Layout of the header, 0 to 3. */
  headerVersion = 0;
  /** Number of the message among those of its source; -1 where the header has none. */
  messageId = -1;
  /** Probe that sent it; -1 where the header does not say. */
  sourceId = -1;
  /** The payload, inflated where it was compressed. */
  payload: Uint8Array = new Uint8Array(0);

  /** Takes a message apart; returns why it cannot be used, or undefined. */
  read(frames: readonly Uint8Array[]): ListenFault | undefined {
    const header = frames[0];
    const body = frames[1];
    if (header === undefined || body === undefined || frames.length !== 2) return 'frame_count_invalid';
    const isBare = this.readBareTopic(header);
    const fault = isBare ? undefined : this.readHeader(header);
    if (fault !== undefined) return fault;
    // Our feed of plain lines asks so whether somebody is there.
    if (isBare && body.length === 0) this.topic = 'hello';
    if (body.length === 0)
      return this.topic === 'hello' || this.topic === 'message' ? this.take(body) : 'payload_empty';
    const isOwnFlag = this.headerVersion === 3 && (this.flags & FLAG_COMPRESSED) !== 0;
    if (isOwnFlag) return this.inflate(body);
    if (this.headerVersion < 3 && body[0] === 0 && body.length > 1) return this.inflate(body.subarray(1));
    return this.take(body);
  }

  private flags = 0;

  /** A topic and nothing else: senders of plain lines have no header. */
  private readBareTopic(header: Uint8Array): boolean {
    if (header.length > TOPIC_OCTETS.others) return false;
    const topic = BY_NAME.get(topicText(header, header.length));
    if (topic === undefined) return false;
    this.topic = topic;
    this.headerVersion = 0;
    this.messageId = -1;
    this.sourceId = -1;
    this.flags = 0;
    return true;
  }

  private readHeader(header: Uint8Array): ListenFault | undefined {
    const view = new DataView(header.buffer, header.byteOffset, header.byteLength);
    let version: number;
    this.flags = 0;
    switch (header.length) {
      case HEADER_OCTETS.v0:
        version = view.getUint32(32, true);
        this.headerVersion = 0;
        this.messageId = -1;
        this.sourceId = -1;
        break;
      case HEADER_OCTETS.v1:
        version = view.getUint8(16);
        this.headerVersion = 1;
        this.messageId = view.getUint32(20, version === LITTLE_ENDIAN_IDS_VERSION);
        this.sourceId = view.getUint8(17);
        break;
      case HEADER_OCTETS.v2:
        version = view.getUint8(16);
        this.headerVersion = 2;
        this.messageId = view.getUint32(20, version === LITTLE_ENDIAN_IDS_VERSION);
        this.sourceId = view.getUint32(24, true);
        break;
      case HEADER_OCTETS.v3:
        version = view.getUint8(16);
        this.headerVersion = 3;
        this.flags = view.getUint8(17);
        this.messageId = view.getUint32(28);
        this.sourceId = view.getUint32(32, true);
        break;
      default:
        return 'header_size_invalid';
    }
    if (version > NEWEST_VERSION) return 'header_version_invalid';
    const room = this.headerVersion === 0 ? TOPIC_OCTETS.v0 : TOPIC_OCTETS.others;
    const topic = BY_NAME.get(topicText(header, room));
    if (topic === undefined) return 'topic_unknown';
    this.topic = topic;
    return undefined;
  }

  private take(body: Uint8Array): undefined {
    this.payload = body;
    return undefined;
  }

  /** What the header says of lengths is not believed: the output has its own limit. */
  private inflate(octets: Uint8Array): ListenFault | undefined {
    zlib ??= createRequire(import.meta.url)('node:zlib') as typeof import('node:zlib');
    try {
      return this.take(zlib.inflateSync(octets, { maxOutputLength: MAX_INFLATED_OCTETS }));
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE' ? 'inflate_too_large' : 'inflate_failed';
    }
  }
}

/** Few feeds are compressed. */
let zlib: typeof import('node:zlib') | undefined;

function topicText(header: Uint8Array, room: number): string {
  let text = '';
  for (let i = 0; i < room && header[i] !== 0; i++) text += String.fromCharCode(header[i]!);
  return text;
}
