/** Keys of ZeroMQ's encryption (CURVE) as text: 32 octets, in 40 characters of Z85 (ZeroMQ RFC 32) or in hexadecimal. */

const Z85 = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#';

/** Octets of a CURVE key. */
export const CURVE_KEY_OCTETS = 32;

/** A CURVE key as Z85, from either form; undefined where the text is neither. */
export function parseCurveKey(text: string): string | undefined {
  const key = text.trim();
  if (/^[0-9A-Fa-f]{64}$/.test(key)) return encodeZ85(Buffer.from(key, 'hex'));
  return decodeCurveKey(key) === undefined ? undefined : key;
}

/** Z85 of octets, whose number is a multiple of 4. */
export function encodeZ85(octets: Buffer): string {
  let text = '';
  for (let i = 0; i < octets.length; i += 4) {
    const value = octets.readUInt32BE(i);
    for (let power = 4; power >= 0; power--) text += Z85[Math.floor(value / 85 ** power) % 85];
  }
  return text;
}

/** Octets of a CURVE key given as Z85; undefined where the text is none. */
export function decodeCurveKey(text: string): Buffer | undefined {
  if (text.length !== (CURVE_KEY_OCTETS / 4) * 5) return undefined;
  const octets = Buffer.alloc(CURVE_KEY_OCTETS);
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
