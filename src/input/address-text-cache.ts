import { formatIPv4, formatIPv6 } from '../bytes/address.ts';

/** Slots of the cache, a power of two: as many addresses are remembered at most. */
const SLOTS = 4096;

/**
 * Texts of addresses as they lie in packets, made once per address that keeps coming back. Its size is fixed: an address
 * that falls on another's slot takes its place.
 */
export class AddressTextCache {
  #words = new Uint32Array(SLOTS * 4);
  #texts: string[] = new Array<string>(SLOTS).fill('');

  /** Text of an IPv4 address given as an unsigned number. */
  ofIPv4(address: number): string {
    // No IPv6 address in use has this last word beside zeroes: kept apart by a mark in the first.
    return this.#find(0xffffffff, 0, 0, address >>> 0, undefined, 0);
  }

  /** Text of the IPv6 address in the 16 octets at `at`. */
  ofIPv6(view: DataView, at: number): string {
    const first = view.getUint32(at);
    const second = view.getUint32(at + 4);
    const third = view.getUint32(at + 8);
    const fourth = view.getUint32(at + 12);
    // The mark of IPv4 entries is left alone: such an address is written anew each time.
    if (first === 0xffffffff && second === 0 && third === 0) return formatIPv6(view, at);
    return this.#find(first, second, third, fourth, view, at);
  }

  #find(first: number, second: number, third: number, fourth: number, view: DataView | undefined, at: number): string {
    let hash = Math.imul(first ^ Math.imul(second, 0x85ebca6b), 0x9e3779b1) ^ third;
    hash = Math.imul(hash ^ fourth, 0xc2b2ae35);
    const slot = (hash ^ (hash >>> 15)) & (SLOTS - 1);
    const words = this.#words;
    const base = slot * 4;
    const text = this.#texts[slot]!;
    if (
      text !== '' &&
      words[base] === first &&
      words[base + 1] === second &&
      words[base + 2] === third &&
      words[base + 3] === fourth
    ) {
      return text;
    }
    words[base] = first;
    words[base + 1] = second;
    words[base + 2] = third;
    words[base + 3] = fourth;
    const made = view === undefined ? formatIPv4(fourth) : formatIPv6(view, at);
    this.#texts[slot] = made;
    return made;
  }
}
