/** Initial packets of QUIC as a client sends them, made with the keys that the RFCs print. */

import { createCipheriv } from 'node:crypto';
import { octetsOf, u16 } from './application-payloads.ts';

/** The connection id of the examples in RFC 9001 appendix A and RFC 9369 appendix A. */
const CONNECTION_ID = '0x8394c8f03e515708';

/** The client's keys for it, as those appendices print them: what is tested derives its own. */
const KEYS = {
  1: {
    version: '0x00000001',
    first: 0xc0,
    key: '1f369613dd76d5467730efcbe3b1a22d',
    iv: 'fa044b2f42a3fd3b46fb255c',
    headerKey: '9f50449e04a0e810283a1e9933adedd2',
  },
  2: {
    version: '0x6b3343cf',
    first: 0xd0,
    key: '8b1a0bc121284290a29e0971b5cd045d',
    iv: '91f73e2351d8fa91660e909f',
    headerKey: '45b95e15235d6f45a6b19cbcb0294ba9',
  },
} as const;

/** An Initial of the client with `frames`, protected as RFC 9001 section 5 says. */
export function initial(quicVersion: 1 | 2, packetNumber: number, frames: Uint8Array, token = ''): Uint8Array {
  const { version, first, key, iv, headerKey } = KEYS[quicVersion];
  const plain = octetsOf(frames, new Uint8Array(Math.max(0, 1100 - frames.length)));
  const number = Buffer.alloc(2);
  number.writeUInt16BE(packetNumber);
  const length = number.length + plain.length + 16;
  const header = octetsOf(
    first | 1,
    version,
    8,
    CONNECTION_ID,
    0,
    token.length,
    token,
    u16(0x4000 | length),
    Uint8Array.from(number),
  );
  const nonce = Buffer.from(iv, 'hex');
  for (let i = 0; i < 2; i++) nonce[10 + i] = nonce[10 + i]! ^ number[i]!;
  const cipher = createCipheriv('aes-128-gcm', Buffer.from(key, 'hex'), nonce);
  cipher.setAAD(header);
  const protectedOctets = octetsOf(cipher.update(plain), cipher.final(), cipher.getAuthTag());
  const packet = octetsOf(header, protectedOctets);
  const numberAt = header.length - 2;
  const mask = createCipheriv('aes-128-ecb', Buffer.from(headerKey, 'hex'), null).update(
    packet.subarray(numberAt + 4, numberAt + 20),
  );
  packet[0] = packet[0]! ^ (mask[0]! & 0x0f);
  for (let i = 0; i < 2; i++) packet[numberAt + i] = packet[numberAt + i]! ^ mask[1 + i]!;
  return packet;
}

/** A CRYPTO frame (RFC 9000 section 19.6). */
export function crypto(offset: number, octets: Uint8Array): Uint8Array {
  return octetsOf(6, u16(0x4000 | offset), u16(0x4000 | octets.length), octets);
}
