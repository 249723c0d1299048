/**
 * Initial packets of QUIC version 1 (RFC 9000 section 17.2.2), version 2 (RFC 9369) and the last drafts: what the client
 * sends is encrypted with keys that anyone can derive from its first octets (RFC 9001 section 5.2).
 */

import { createCipheriv, createDecipheriv, createHmac } from 'node:crypto';
import { u16, u32 } from './octet-text.ts';

const VERSION_1 = 1;
const VERSION_2 = 0x6b3343cf;
const SALT_1 = Buffer.from('38762cf7f55934b34d179ae6a4c80cadccbb7f0a', 'hex');
const SALT_2 = Buffer.from('0dede3def700a6db819381be6e269dcbf9bd2ed9', 'hex');
/** Drafts 29 to 32. */
const SALT_DRAFT_29 = Buffer.from('afbfec289993d24c9e9786f19c6111e04390a899', 'hex');

const MAX_CONNECTION_ID = 20;
const MAX_PACKET_NUMBER = 4;
const SAMPLE_OCTETS = 16;
const TAG_OCTETS = 16;
const NONCE_OCTETS = 12;
const FRAME_PADDING = 0;
const FRAME_PING = 1;
const FRAME_ACK = 2;
const FRAME_ACK_ECN = 3;
const FRAME_CRYPTO = 6;

/** Receives a piece of the CRYPTO stream; `offset` is that of its first octet. */
export type CryptoReceiver = (offset: number, octets: Uint8Array, start: number, end: number) => void;

/** Reads one packet after another; keeps nothing but scratch room between them. */
export class QuicInitial {
  /** Initials whose protection was not removed: damaged, or of a connection id that is not the first. */
  undecrypted = 0;
  private at = 0;
  private overrun = false;
  private readonly header = Buffer.alloc(2048);
  private readonly nonce = Buffer.alloc(NONCE_OCTETS);
  /** Of the connection read last, whose ClientHello may go on in the next datagram: deriving its keys takes as long as all else. */
  private keys: Keys | undefined;
  private keysVersion = 0;
  private keysId: Uint8Array = new Uint8Array(0);

  /** Whether a datagram begins like a QUIC packet with a long header of a version we know, or one that begins a negotiation. */
  isLongHeader(octets: Uint8Array, start: number, end: number): boolean {
    if (end - start < 7 || (octets[start]! & 0xc0) !== 0xc0) return false;
    return isKnownVersion(u32(octets, start + 1)) && this.connectionIdsEnd(octets, start, end) > 0;
  }

  /** Removes the protection of the Initials of a datagram from the client and hands out what is in their CRYPTO frames. */
  readClient(octets: Uint8Array, start: number, end: number, receive: CryptoReceiver): void {
    let at = start;
    // Packets of one datagram follow each other; four are more than any client sends in its first.
    for (let packets = 0; packets < 4 && at < end; packets++) {
      const next = this.readPacket(octets, at, end, receive);
      if (next <= at) return;
      at = next;
    }
  }

  /** Position behind the packet at `start`, -1 where there is no Initial. */
  private readPacket(octets: Uint8Array, start: number, end: number, receive: CryptoReceiver): number {
    if (!this.isLongHeader(octets, start, end)) return -1;
    const version = u32(octets, start + 1);
    const type = (octets[start]! >> 4) & 3;
    if (type !== (version === VERSION_2 ? 1 : 0)) return -1;
    const idAt = start + 6;
    const idEnd = idAt + octets[start + 5]!;
    this.at = this.connectionIdsEnd(octets, start, end);
    this.overrun = false;
    const tokenOctets = this.readInteger(octets, end);
    this.at += tokenOctets;
    const length = this.readInteger(octets, end);
    const numberAt = this.at;
    const packetEnd = numberAt + length;
    if (this.overrun || packetEnd > end || length < MAX_PACKET_NUMBER + SAMPLE_OCTETS) return -1;
    const plain = this.unprotect(octets, start, numberAt, packetEnd, version, octets.subarray(idAt, idEnd));
    if (plain === undefined) this.undecrypted++;
    else this.readFrames(plain, receive);
    return packetEnd;
  }

  /** Position behind both connection ids, -1 where they do not fit. */
  private connectionIdsEnd(octets: Uint8Array, start: number, end: number): number {
    const destination = octets[start + 5]!;
    const sourceAt = start + 6 + destination;
    if (destination > MAX_CONNECTION_ID || sourceAt >= end) return -1;
    const source = octets[sourceAt]!;
    return source > MAX_CONNECTION_ID || sourceAt + 1 + source > end ? -1 : sourceAt + 1 + source;
  }

  /** RFC 9001 sections 5.3 and 5.4. */
  private unprotect(
    octets: Uint8Array,
    start: number,
    numberAt: number,
    end: number,
    version: number,
    connectionId: Uint8Array,
  ): Buffer | undefined {
    const { key, iv, headerKey } = this.keysOf(version, connectionId);
    const sampleAt = numberAt + MAX_PACKET_NUMBER;
    const mask = createCipheriv('aes-128-ecb', headerKey, null).update(
      octets.subarray(sampleAt, sampleAt + SAMPLE_OCTETS),
    );
    const first = octets[start]! ^ (mask[0]! & 0x0f);
    const numberOctets = (first & 3) + 1;
    const headerOctets = numberAt - start + numberOctets;
    const payloadAt = numberAt + numberOctets;
    if (headerOctets > this.header.length || end - payloadAt < TAG_OCTETS) return undefined;
    for (let i = 0; i < headerOctets; i++) this.header[i] = octets[start + i]!;
    this.header[0] = first;
    iv.copy(this.nonce);
    for (let i = 0; i < numberOctets; i++) {
      const octet = octets[numberAt + i]! ^ mask[1 + i]!;
      this.header[headerOctets - numberOctets + i] = octet;
      const nonceAt = NONCE_OCTETS - numberOctets + i;
      this.nonce[nonceAt] = this.nonce[nonceAt]! ^ octet;
    }
    const decipher = createDecipheriv('aes-128-gcm', key, this.nonce);
    decipher.setAAD(this.header.subarray(0, headerOctets));
    decipher.setAuthTag(octets.subarray(end - TAG_OCTETS, end));
    const plain = decipher.update(octets.subarray(payloadAt, end - TAG_OCTETS));
    try {
      decipher.final();
    } catch {
      // The tag is wrong: nothing in the packet can be trusted.
      return undefined;
    }
    return plain;
  }

  private keysOf(version: number, connectionId: Uint8Array): Keys {
    if (this.keys === undefined || this.keysVersion !== version || Buffer.compare(this.keysId, connectionId) !== 0) {
      this.keys = clientKeys(version, connectionId);
      this.keysVersion = version;
      this.keysId = new Uint8Array(connectionId);
    }
    return this.keys;
  }

  /** RFC 9000 section 19; an Initial has no other frames but CONNECTION_CLOSE, which ends it. */
  private readFrames(plain: Uint8Array, receive: CryptoReceiver): void {
    const end = plain.length;
    this.at = 0;
    this.overrun = false;
    while (this.at < end && !this.overrun) {
      const type = plain[this.at++]!;
      if (type === FRAME_PADDING || type === FRAME_PING) continue;
      if (type === FRAME_ACK || type === FRAME_ACK_ECN) {
        this.skipAck(plain, end, type === FRAME_ACK_ECN);
      } else if (type === FRAME_CRYPTO) {
        const offset = this.readInteger(plain, end);
        const from = this.at;
        const length = this.readInteger(plain, end);
        const at = this.at;
        if (this.overrun || at < from || length > end - at) return;
        receive(offset, plain, at, at + length);
        this.at = at + length;
      } else return;
    }
  }

  private skipAck(plain: Uint8Array, end: number, hasEcn: boolean): void {
    this.readInteger(plain, end);
    this.readInteger(plain, end);
    const ranges = this.readInteger(plain, end);
    this.readInteger(plain, end);
    for (let i = 0; i < ranges * 2 && !this.overrun; i++) this.readInteger(plain, end);
    for (let i = 0; i < 3 && hasEcn; i++) this.readInteger(plain, end);
  }

  /** A variable-length integer (RFC 9000 section 16); 0 and `overrun` where it does not fit. */
  private readInteger(octets: Uint8Array, end: number): number {
    const { at } = this;
    if (at >= end) {
      this.overrun = true;
      return 0;
    }
    const octetCount = 1 << (octets[at]! >> 6);
    if (at + octetCount > end) {
      this.overrun = true;
      return 0;
    }
    this.at = at + octetCount;
    const top = octets[at]! & 0x3f;
    if (octetCount === 1) return top;
    if (octetCount === 2) return (top << 8) | octets[at + 1]!;
    const high = (top << 24) | (octets[at + 1]! << 16) | u16(octets, at + 2);
    return octetCount === 4 ? high : high * 4294967296 + u32(octets, at + 4);
  }
}

function isKnownVersion(version: number): boolean {
  return version === VERSION_1 || version === VERSION_2 || (version >= 0xff00001d && version <= 0xff000020);
}

interface Keys {
  readonly key: Buffer;
  readonly iv: Buffer;
  readonly headerKey: Buffer;
}

/** RFC 9001 section 5.2, RFC 9369 section 3.3. */
function clientKeys(version: number, connectionId: Uint8Array): Keys {
  const salt = version === VERSION_1 ? SALT_1 : version === VERSION_2 ? SALT_2 : SALT_DRAFT_29;
  const prefix = version === VERSION_2 ? 'quicv2' : 'quic';
  const initial = createHmac('sha256', salt).update(connectionId).digest();
  const client = expandLabel(initial, 'client in', 32);
  return {
    key: expandLabel(client, `${prefix} key`, 16),
    iv: expandLabel(client, `${prefix} iv`, NONCE_OCTETS),
    headerKey: expandLabel(client, `${prefix} hp`, 16),
  };
}

/** HKDF-Expand-Label without context, for at most one hash (RFC 8446 section 7.1). */
function expandLabel(secret: Buffer, label: string, length: number): Buffer {
  const name = `tls13 ${label}`;
  const info = Buffer.from([0, length, name.length, ...Buffer.from(name, 'latin1'), 0, 1]);
  return createHmac('sha256', secret).update(info).digest().subarray(0, length);
}
