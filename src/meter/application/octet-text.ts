/** Looking for ASCII in octets, without making strings. */

/** The octets of an ASCII text, to compare with. */
export function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/** Whether `octets[start, end)` begins with `text`. */
export function startsWith(octets: Uint8Array, start: number, end: number, text: Uint8Array): boolean {
  if (end - start < text.length) return false;
  for (let i = 0; i < text.length; i++) if (octets[start + i] !== text[i]) return false;
  return true;
}

/** The same for `text` in lower case, whatever the case of the octets. */
export function startsWithAnyCase(octets: Uint8Array, start: number, end: number, text: Uint8Array): boolean {
  if (end - start < text.length) return false;
  for (let i = 0; i < text.length; i++) if (lower(octets[start + i]!) !== text[i]) return false;
  return true;
}

/** Which of `texts` the octets begin with, -1 for none. */
export function prefixOf(octets: Uint8Array, start: number, end: number, texts: readonly Uint8Array[]): number {
  for (let i = 0; i < texts.length; i++) if (startsWith(octets, start, end, texts[i]!)) return i;
  return -1;
}

/** The same for `texts` in lower case, whatever the case of the octets. */
export function prefixOfAnyCase(octets: Uint8Array, start: number, end: number, texts: readonly Uint8Array[]): number {
  for (let i = 0; i < texts.length; i++) if (startsWithAnyCase(octets, start, end, texts[i]!)) return i;
  return -1;
}

/** Whether `octets[start, end)` has `text`, which is in lower case, within; the case of the octets is no matter. */
export function containsAnyCase(octets: Uint8Array, start: number, end: number, text: Uint8Array): boolean {
  for (let at = start; at + text.length <= end; at++) if (startsWithAnyCase(octets, at, end, text)) return true;
  return false;
}

/** Position of the first `octet` in `octets[start, end)`, -1 where there is none. */
export function indexOfOctet(octets: Uint8Array, start: number, end: number, octet: number): number {
  for (let at = start; at < end; at++) if (octets[at] === octet) return at;
  return -1;
}

/** An ASCII capital letter as a small one, anything else as it is. */
export function lower(octet: number): number {
  return octet >= 0x41 && octet <= 0x5a ? octet | 0x20 : octet;
}

/** Unsigned 16-bit number, most significant octet first; the caller has checked that it is there. */
export function u16(octets: Uint8Array, at: number): number {
  return (octets[at]! << 8) | octets[at + 1]!;
}

/** Unsigned 24-bit number, most significant octet first. */
export function u24(octets: Uint8Array, at: number): number {
  return (octets[at]! << 16) | (octets[at + 1]! << 8) | octets[at + 2]!;
}

/** Unsigned 32-bit number, most significant octet first. */
export function u32(octets: Uint8Array, at: number): number {
  return ((octets[at]! << 24) | (octets[at + 1]! << 16) | (octets[at + 2]! << 8) | octets[at + 3]!) >>> 0;
}

/** Some texts by their first octet: a text is compared only with those that it may begin with. */
export class Beginnings {
  private readonly byFirstOctet: readonly (readonly Uint8Array[])[];
  private readonly texts: readonly Uint8Array[];

  /** Where several of `texts`, none empty, are a beginning, the first one counts. */
  constructor(texts: readonly Uint8Array[]) {
    this.texts = texts;
    this.byFirstOctet = Array.from({ length: 256 }, (_, octet) => texts.filter((text) => text[0] === octet));
  }

  /** The text that `octets[start, end)` begins with, if any. */
  find(octets: Uint8Array, start: number, end: number): Uint8Array | undefined {
    const alike = this.alike(octets, start, end);
    return alike[prefixOf(octets, start, end, alike)];
  }

  /** Whether `octets[start, end)`, maybe empty, is cut off within one of the texts. */
  isCutOff(octets: Uint8Array, start: number, end: number): boolean {
    return this.alike(octets, start, end).some(
      (text) => end - start < text.length && isBegun(octets, start, end, text),
    );
  }

  private alike(octets: Uint8Array, start: number, end: number): readonly Uint8Array[] {
    return start < end ? this.byFirstOctet[octets[start]!]! : this.texts;
  }
}

function isBegun(octets: Uint8Array, start: number, end: number, text: Uint8Array): boolean {
  for (let at = start; at < end; at++) if (octets[at] !== text[at - start]) return false;
  return true;
}

/** By octet: 1 where one of the texts begins with it, in upper or lower case. Most payload is of none and needs no comparing. */
export function firstOctetsOf(texts: readonly Uint8Array[]): Uint8Array {
  const firsts = new Uint8Array(256);
  for (const text of texts) {
    const letter = String.fromCharCode(text[0]!);
    firsts[letter.toLowerCase().charCodeAt(0)] = 1;
    firsts[letter.toUpperCase().charCodeAt(0)] = 1;
  }
  return firsts;
}
