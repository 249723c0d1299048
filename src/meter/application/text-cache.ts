/** Texts kept, a power of two. */
const PLACES = 1024;
/** Longer texts are not kept: hardly any of them comes again. */
const MAX_OCTETS = 128;
const NONE = new Uint8Array(0);

/**
 * Octets as strings. Hosts, agents and methods are few and come again and again: seeing that a text is a known one takes
 * less than making a string. Bounded: each has the place its hash gives it, until another takes it.
 */
export class TextCache {
  private readonly octets = new Array<Uint8Array>(PLACES).fill(NONE);
  private readonly texts = new Array<string>(PLACES).fill('');

  /** The UTF-8 in `slab[start, end)` as text; what is none of it becomes U+FFFD. */
  of(slab: Buffer, start: number, end: number): string {
    const length = end - start;
    if (length > MAX_OCTETS) return textOf(slab, start, end);
    let hash = length;
    for (let at = start; at < end; at++) hash = (Math.imul(hash, 31) + slab[at]!) | 0;
    const place = (hash ^ (hash >>> 10) ^ (hash >>> 20)) & (PLACES - 1);
    if (!isSame(this.octets[place]!, slab, start, length)) {
      this.octets[place] = new Uint8Array(slab.subarray(start, end));
      this.texts[place] = textOf(slab, start, end);
    }
    return this.texts[place]!;
  }
}

function isSame(known: Uint8Array, slab: Uint8Array, start: number, length: number): boolean {
  if (known.length !== length) return false;
  for (let i = 0; i < length; i++) if (known[i] !== slab[start + i]) return false;
  return true;
}

/** ASCII, which almost all is, the short way. */
function textOf(slab: Buffer, start: number, end: number): string {
  for (let at = start; at < end; at++) if (slab[at]! > 0x7f) return slab.toString('utf8', start, end);
  return slab.toString('latin1', start, end);
}
