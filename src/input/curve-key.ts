/** Key pairs of ZeroMQ's encryption (CURVE), as Z85. */

import { createPrivateKey, createPublicKey, randomBytes } from 'node:crypto';
import { CURVE_KEY_OCTETS, decodeCurveKey, encodeZ85 } from '../bytes/z85.ts';

/** What stands before the octets of an X25519 key in PKCS #8 (RFC 8410 section 7). */
const PRIVATE_PREFIX = Buffer.from('302e020100300506032b656e04220420', 'hex');

/** The public key of a secret one, both Z85; the secret one comes from `parseCurveKey` or {@link newSecretKey}. */
export function publicKeyOf(secretKey: string): string {
  const key = createPrivateKey({
    key: Buffer.concat([PRIVATE_PREFIX, decodeCurveKey(secretKey) ?? new Uint8Array(CURVE_KEY_OCTETS)]),
    format: 'der',
    type: 'pkcs8',
  });
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' });
  return encodeZ85(spki.subarray(spki.length - CURVE_KEY_OCTETS));
}

/** A new secret key, Z85. */
export function newSecretKey(): string {
  return encodeZ85(randomBytes(CURVE_KEY_OCTETS));
}
