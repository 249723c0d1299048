/** Where a feed goes, and the keys of its encryption, as they are written on the command line. */

/** One end of a feed. */
export interface ZmqEndpoint {
  /** As ZeroMQ wants it: `tcp://*:5556`. */
  readonly address: string;
  /** Whether the other end is waited for there, rather than called. */
  readonly isBound: boolean;
}

/**
 * Reads `tcp://HOST:PORT`, with a `c` behind it where the collector binds and is to be called. `zmq://` means `tcp://`, as it
 * does to ntopng.
 */
export function parseZmqEndpoint(text: string, connects: boolean): ZmqEndpoint {
  const address = text.replace(/^zmq:/, 'tcp:');
  const hasSuffix = /^tcp:.*[0-9]c$/.test(address);
  return { address: hasSuffix ? address.slice(0, -1) : address, isBound: !connects && !hasSuffix };
}

const Z85 = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#';

/**
 * A CURVE key of 40 characters of Z85 (ZeroMQ RFC 32) or 64 hexadecimal digits, as Z85; undefined where the text is neither.
 */
export function parseCurveKey(text: string): string | undefined {
  const key = text.trim();
  if (/^[0-9A-Fa-f]{64}$/.test(key)) return encodeZ85(Buffer.from(key, 'hex'));
  if (key.length !== 40) return undefined;
  for (const character of key) if (!Z85.includes(character)) return undefined;
  // Five characters can say more than 32 bits.
  for (let i = 0; i < 40; i += 5) {
    let value = 0;
    for (let j = 0; j < 5; j++) value = value * 85 + Z85.indexOf(key[i + j]!);
    if (value > 0xffff_ffff) return undefined;
  }
  return key;
}

function encodeZ85(octets: Buffer): string {
  let text = '';
  for (let i = 0; i < octets.length; i += 4) {
    const value = octets.readUInt32BE(i);
    for (let power = 4; power >= 0; power--) text += Z85[Math.floor(value / 85 ** power) % 85];
  }
  return text;
}
