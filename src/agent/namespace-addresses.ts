/** Which addresses are this host's or its containers', and in which network namespaces: asked for each end of each flow. */

import { closeSync, openSync, readSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { addressWords, hashWords, isLoopbackWords } from './address-words.ts';
import type { NetworkNamespace } from './socket-entry.ts';

/** How {@link NamespaceAddresses} looks. */
export interface NamespaceAddressesOptions {
  /** Where proc is mounted. */
  readonly procRoot?: string;
  /** Addresses of the own namespace. */
  readonly ownAddresses?: () => readonly string[];
  /** Addresses kept, each counted once for each namespace it is in. */
  readonly maxAddresses?: number;
  /** How long an address is kept that is not seen any more, milliseconds. */
  readonly keepMs: number;
  /** Two words that nobody outside knows. */
  readonly seed: Uint32Array;
}

/** Four words of address, one of namespace, and whether the place is taken. */
const ENTRY_WORDS = 6;
const NAMESPACE = 4;
const IS_TAKEN = 5;
/** Octets read of a table of routes: a container has few. */
const MAX_TABLE_OCTETS = 262_144;
const TABLE = Buffer.allocUnsafe(MAX_TABLE_OCTETS);

/** See the head of this file. */
export class NamespaceAddresses {
  /** Times that an address was left out because there were too many. */
  addressesDropped = 0;
  private readonly options: NamespaceAddressesOptions;
  private readonly procRoot: string;
  private readonly maxAddresses: number;
  /** By namespace and text: when it was last seen. */
  private readonly seen = new Map<number, Map<string, number>>();
  private count = 0;
  private isChanged = false;
  private entries = new Uint32Array(8 * ENTRY_WORDS);
  private mask = 7;
  private own = 0;
  private nowMs = 0;
  private readonly address = new Uint32Array(4);

  /** Knows nothing before the first look. */
  constructor(options: NamespaceAddressesOptions) {
    this.options = options;
    this.procRoot = options.procRoot ?? '/proc';
    this.maxAddresses = options.maxAddresses ?? 16_384;
  }

  /** Addresses known, each counted once for each namespace. */
  get size(): number {
    return this.count;
  }

  /** Namespace of the program itself, as of the last look. */
  get ownNamespace(): number {
    return this.own;
  }

  /** Begins a look at `nowMs`, Unix milliseconds. */
  startLook(nowMs: number): void {
    this.nowMs = nowMs;
  }

  /** Reads the addresses of a namespace; each costs two files, about 0.1 ms. */
  read({ id, pid }: NetworkNamespace): void {
    if (pid === 0) {
      this.own = id;
      for (const address of (this.options.ownAddresses ?? hostAddresses)()) this.see(id, address);
      return;
    }
    for (const address of localIPv4(readTable(`${this.procRoot}/${pid}/net/fib_trie`))) this.see(id, address);
    for (const address of localIPv6(readTable(`${this.procRoot}/${pid}/net/if_inet6`))) this.see(id, address);
  }

  /** Takes an address that something in a namespace has. */
  see(namespace: number, address: string): void {
    let addresses = this.seen.get(namespace);
    if (addresses === undefined) {
      addresses = new Map();
      this.seen.set(namespace, addresses);
    }
    if (!addresses.has(address)) {
      if (this.count >= this.maxAddresses) {
        this.addressesDropped++;
        return;
      }
      if (!addressWords(address, this.address, 0) || isLoopbackWords(this.address, 0)) return;
      this.count++;
      this.isChanged = true;
    }
    addresses.set(address, this.nowMs);
  }

  /** Ends a look: what was not seen for long is forgotten. */
  endLook(): void {
    const oldestMs = this.nowMs - this.options.keepMs;
    for (const [namespace, addresses] of this.seen) {
      for (const [address, seenMs] of addresses) {
        // A time ahead of now was before a step of the clock.
        if (seenMs >= oldestMs && seenMs <= this.nowMs) continue;
        addresses.delete(address);
        this.count--;
        this.isChanged = true;
      }
      if (addresses.size === 0) this.seen.delete(namespace);
    }
    if (this.isChanged) this.rebuild();
    this.isChanged = false;
  }

  /** Whether the four words from `at` on are an address of this host or of a namespace on it. */
  isLocal(words: Uint32Array, at: number): boolean {
    const { entries, mask } = this;
    let place = hashWords(words, at, 4, this.options.seed) & mask;
    while (entries[place * ENTRY_WORDS + IS_TAKEN] === 1) {
      if (isSame(entries, place * ENTRY_WORDS, words, at)) return true;
      place = (place + 1) & mask;
    }
    return isLoopbackWords(words, at);
  }

  /** Whether they are an address of `namespace`. */
  isIn(namespace: number, words: Uint32Array, at: number): boolean {
    const { entries, mask } = this;
    let place = hashWords(words, at, 4, this.options.seed) & mask;
    while (entries[place * ENTRY_WORDS + IS_TAKEN] === 1) {
      const entry = place * ENTRY_WORDS;
      if (entries[entry + NAMESPACE] === namespace && isSame(entries, entry, words, at)) return true;
      place = (place + 1) & mask;
    }
    return namespace === this.own && isLoopbackWords(words, at);
  }

  private rebuild(): void {
    let places = 8;
    while (places < 2 * this.count) places *= 2;
    const entries = new Uint32Array(places * ENTRY_WORDS);
    this.mask = places - 1;
    for (const [namespace, addresses] of this.seen) {
      for (const address of addresses.keys()) {
        addressWords(address, this.address, 0);
        let place = hashWords(this.address, 0, 4, this.options.seed) & this.mask;
        while (entries[place * ENTRY_WORDS + IS_TAKEN] === 1) place = (place + 1) & this.mask;
        entries.set(this.address, place * ENTRY_WORDS);
        entries[place * ENTRY_WORDS + NAMESPACE] = namespace;
        entries[place * ENTRY_WORDS + IS_TAKEN] = 1;
      }
    }
    this.entries = entries;
  }
}

/** Addresses that a table of routes (proc_net(5), fib_trie) has as local ones. */
export function localIPv4(table: string): string[] {
  const found = new Set<string>();
  let address = '';
  for (const line of table.split('\n')) {
    const leaf = /^\s+\|-- (\d{1,3}(?:\.\d{1,3}){3})$/.exec(line);
    if (leaf !== null) address = leaf[1]!;
    else if (/^\s+\/32 host LOCAL\s*$/.test(line) && address !== '') found.add(address);
  }
  return [...found];
}

/** Addresses of a list of interfaces' (proc_net(5), if_inet6), in full form. */
export function localIPv6(table: string): string[] {
  return table
    .split('\n')
    .map((line) => /^[0-9a-f]{32}(?= )/.exec(line)?.[0])
    .filter((digits) => digits !== undefined)
    .map((digits) => digits.replace(/(.{4})(?=.)/g, '$1:'));
}

function hostAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((addresses) => (addresses ?? []).map(({ address }) => address));
}

function isSame(entries: Uint32Array, entry: number, words: Uint32Array, at: number): boolean {
  return (
    entries[entry + 3] === words[at + 3] &&
    entries[entry + 2] === words[at + 2] &&
    entries[entry + 1] === words[at + 1] &&
    entries[entry] === words[at]
  );
}

/** The start of a file, `''` where it is gone or may not be read. */
function readTable(path: string): string {
  let file: number | undefined;
  try {
    file = openSync(path, 'r');
    let length = 0;
    for (let count = -1; count !== 0 && length < MAX_TABLE_OCTETS; length += count)
      count = readSync(file, TABLE, length, MAX_TABLE_OCTETS - length, null);
    return TABLE.toString('latin1', 0, length);
  } catch {
    return '';
  } finally {
    if (file !== undefined) closeSync(file);
  }
}
