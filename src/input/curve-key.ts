/** Keys of ZeroMQ's encryption (CURVE): 32 octets, written as 40 characters of Z85 (ZeroMQ RFC 32) or in hexadecimal. */

import { createPrivateKey, createPublicKey, randomBytes } from 'node:crypto';

const Z85 = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#';
const KEY_OCTETS = 32;
/** What stands before the octets of an X25519 key in PKCS #8 (RFC 8410 section 7). */
const PRIVATE_PREFIX = Buffer.from('302e020100300506032b656e04220420', 'hex');

/** A key as Z85, from either form; undefined where the text is neither. */
export function parseCurveKey(text: string): string | undefined {
  const key = text.trim();
  if (/^[0-9A-Fa-f]{64}$/.test(key)) return encodeZ85(Buffer.from(key, 'hex'));
  return decodeZ85(key) === undefined ? undefined : key;
}

/** The public key of a secret one, both Z85; the secret one comes from {@link parseCurveKey} or {@link newSecretKey}. */
export function publicKeyOf(secretKey: string): string {
  const key = createPrivateKey({
    key: Buffer.concat([PRIVATE_PREFIX, decodeZ85(secretKey) ?? new Uint8Array(KEY_OCTETS)]),
    format: 'der',
    type: 'pkcs8',
  });
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' });
  return encodeZ85(spki.subarray(spki.length - KEY_OCTETS));
}

/** A new secret key, Z85. */
export function newSecretKey(): string {
  return encodeZ85(randomBytes(KEY_OCTETS));
}

function encodeZ85(octets: Buffer): string {
  let text = '';
  for (let i = 0; i < octets.length; i += 4) {
    const value = octets.readUInt32BE(i);
    for (let power = 4; power >= 0; power--) text += Z85[Math.floor(value / 85 ** power) % 85];
  }
  return text;
}

function decodeZ85(text: string): Buffer | undefined {
  if (text.length !== (KEY_OCTETS / 4) * 5) return undefined;
  const octets = Buffer.alloc(KEY_OCTETS);
  for (let i = 0; i < text.length; i += 5) {
    let value = 0;
    for (let j = i; j < i + 5; j++) {
      const digit = Z85.indexOf(text[j]!);
      if (digit < 0) return undefined;
      value = value * 85 + digit;
    }
    // Five characters can say more than 32 bits.
    if (value > 0xffff_ffff) return undefined;
    octets.writeUInt32BE(value, (i / 5) * 4);
  }
  return octets;
}
