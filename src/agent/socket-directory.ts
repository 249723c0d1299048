/**
 * Which owner a connection had, by its addresses and ports, and at what time: for flows that others observe, and tell of later. A socket is
 * kept for a while after its end.
 */

import { addressWords, hashWords, IPV4_PREFIX, isLoopbackWords } from './address-words.ts';
import type { EndTuple } from './flow-end.ts';
import type { FlowOwner } from './flow-owner.ts';
import type { NamespaceAddresses } from './namespace-addresses.ts';

/** Limits of a {@link SocketDirectory}. */
export interface SocketDirectoryOptions {
  /** Sockets kept; those not seen for longest go first. */
  readonly maxSockets: number;
  /** How long a socket is kept after it was last seen, milliseconds. */
  readonly keepMs: number;
  /** A flow may be so long before or after its socket was seen, milliseconds: looks are some seconds apart. */
  readonly slackMs: number;
  /** Two words that nobody outside knows. */
  readonly seed: Uint32Array;
}

/** What tells one socket from another that had the same addresses and ports before. */
export interface SocketIdentity {
  /** `''` where unknown. */
  readonly cookie: string;
  /** 0 where unknown. */
  readonly inode: number;
}

/** What a directory did since its start. */
export interface SocketDirectoryCounters {
  /** Sockets taken in. */
  socketsLearned: number;
  /** Sockets forgotten before their time because there were too many. */
  socketsForgotten: number;
  /** Sockets whose addresses are none. */
  socketsInvalid: number;
  /** Questions with several answers, of namespaces that use the same addresses. */
  questionsAmbiguous: number;
}

/** Words of a row and of a question: local address, remote address, both ports, protocol; the namespace is a row's alone. */
const LOCAL = 0;
const REMOTE = 4;
const PORTS = 8;
const PROTOCOL = 9;
const KEY_WORDS = 10;
const NAMESPACE = 10;
const ROW_WORDS = 11;
const NONE = -1;
/** The kernel's events and ss tell of the same socket, each with its own delay and clock: within so long it is the same one, milliseconds. */
const TOLD_TWICE_MS = 1000;

/** See the head of this file. */
export class SocketDirectory {
  readonly counters: SocketDirectoryCounters = {
    socketsLearned: 0,
    socketsForgotten: 0,
    socketsInvalid: 0,
    questionsAmbiguous: 0,
  };
  /** Of a question: four words each. IPv4 is in its IPv6 form. */
  readonly local = new Uint32Array(4);
  readonly remote = new Uint32Array(4);
  /** Of a question: when the flow began and ended, Unix milliseconds. */
  readonly times = new Float64Array(2);
  private readonly options: SocketDirectoryOptions;
  /** Which addresses are worth a question. */
  readonly addresses: NamespaceAddresses;
  private readonly key = new Uint32Array(ROW_WORDS);
  private readonly heads: Int32Array;
  private readonly places: Int32Array;
  private readonly next: Int32Array;
  /** Neighbours in the order of being seen. */
  private readonly older: Int32Array;
  private readonly newer: Int32Array;
  private oldest = NONE;
  private newest = NONE;
  private readonly rows: Uint32Array;
  /** Unix milliseconds. */
  private readonly firstMs: Float64Array;
  private readonly lastMs: Float64Array;
  private readonly hasEnded: Uint8Array;
  private readonly inodes: Float64Array;
  private readonly cookies: string[] = [];
  private readonly owners: (FlowOwner | undefined)[] = [];
  private readonly free: number[] = [];
  private count = 0;

  /** `addresses` tell which namespace a socket without an address of its own is reached in. */
  constructor(options: SocketDirectoryOptions, addresses: NamespaceAddresses) {
    this.options = options;
    this.addresses = addresses;
    const { maxSockets } = options;
    let places = 16;
    while (places < 2 * maxSockets) places *= 2;
    this.heads = new Int32Array(places).fill(NONE);
    this.places = new Int32Array(maxSockets);
    this.next = new Int32Array(maxSockets);
    this.older = new Int32Array(maxSockets);
    this.newer = new Int32Array(maxSockets);
    this.rows = new Uint32Array(maxSockets * ROW_WORDS);
    this.firstMs = new Float64Array(maxSockets);
    this.lastMs = new Float64Array(maxSockets);
    this.hasEnded = new Uint8Array(maxSockets);
    this.inodes = new Float64Array(maxSockets);
  }

  /** Sockets kept now. */
  get size(): number {
    return this.count;
  }

  /** Takes a socket that lived at `timeMs`, Unix milliseconds. One without a remote port answers whoever comes. */
  see(tuple: EndTuple, identity: SocketIdentity, owner: FlowOwner, timeMs: number): void {
    if (!this.setKey(tuple)) return;
    const { cookie, inode } = identity;
    let row = this.rowOf(cookie, inode, timeMs);
    if (row === NONE) {
      if (tuple.remotePort !== 0) this.endOthers();
      row = this.addRow();
      this.firstMs[row] = this.lastMs[row] = timeMs;
      this.hasEnded[row] = 0;
      this.cookies[row] = cookie;
      this.inodes[row] = inode;
      this.owners[row] = owner;
      return;
    }
    // A look may tell of what has ended while it was made.
    if (timeMs > this.lastMs[row]!) this.hasEnded[row] = 0;
    this.touch(row, timeMs);
    if (cookie !== '') this.cookies[row] = cookie;
    if (inode !== 0) this.inodes[row] = inode;
    // Who has ended may not be seen any more.
    if (owner.process !== undefined || this.owners[row]?.process === undefined) this.owners[row] = owner;
  }

  /** Takes the sight of a socket that nobody has any more; false where it is not known. */
  seeAgain(tuple: EndTuple, identity: SocketIdentity, timeMs: number): boolean {
    const row = this.setKey(tuple) ? this.rowOf(identity.cookie, identity.inode, timeMs) : NONE;
    if (row !== NONE) this.touch(row, timeMs);
    return row !== NONE;
  }

  /** Takes the end of a socket at `timeMs`; false where it is not known. */
  end(tuple: EndTuple, cookie: string, timeMs: number): boolean {
    const row = this.setKey(tuple) ? this.rowOf(cookie, 0, timeMs - TOLD_TWICE_MS) : NONE;
    if (row === NONE) return false;
    this.touch(row, timeMs);
    this.hasEnded[row] = 1;
    return true;
  }

  /** Whether a socket that is not connected is known to have the local port, by its cookie or its owner's pid. */
  hasPort(tuple: EndTuple, cookie: string, pid: number): boolean {
    if (!this.setKey({ ...tuple, remoteAddress: '', remotePort: 0 })) return false;
    const row = this.rowOf(cookie, 0, Number.POSITIVE_INFINITY);
    return row !== NONE && (cookie !== '' || this.owners[row]?.process?.pid === pid);
  }

  /** Takes all sockets not seen since `timeMs`, when a look at all of them began, for ended. */
  endUnseen(timeMs: number): void {
    for (let row = this.newest; row !== NONE; row = this.older[row]!)
      if (this.lastMs[row]! < timeMs) this.hasEnded[row] = 1;
  }

  /** Forgets what was not seen for long. */
  forget(nowMs: number): void {
    // What lies ahead of now was there before the clock was set back.
    while (this.oldest !== NONE && Math.abs(nowMs - this.lastMs[this.oldest]!) > this.options.keepMs)
      this.remove(this.oldest);
  }

  /** Turns a question round: the other end's. */
  swap(): void {
    const { local, remote } = this;
    for (let i = 0; i < 4; i++) {
      const word = local[i]!;
      local[i] = remote[i]!;
      remote[i] = word;
    }
  }

  /**
   * Who had the socket of a question: {@link SocketDirectory.local}, {@link SocketDirectory.remote} and {@link SocketDirectory.times}. Where
   * none was connected so, or its process is not known, whoever listened at the local port. Undefined where nobody is known.
   */
  find(protocol: number, localPort: number, remotePort: number): FlowOwner | undefined {
    const { key, local, remote } = this;
    for (let i = 0; i < 4; i++) {
      key[LOCAL + i] = local[i]!;
      key[REMOTE + i] = remote[i]!;
    }
    key[PORTS] = ((localPort << 16) | remotePort) >>> 0;
    key[PROTOCOL] = protocol;
    const owner = this.ownerOf(this.best(false));
    if (owner?.process !== undefined) return owner;
    key[REMOTE] = key[REMOTE + 1] = key[REMOTE + 2] = key[REMOTE + 3] = 0;
    key[PORTS] = (localPort << 16) >>> 0;
    const listener = this.ownerOf(this.best(false)) ?? this.ownerOf(this.bestWithoutAddress());
    return owner === undefined || mayHandOver(listener, owner) ? listener : owner;
  }

  /** The row of the key's port among sockets without an address of their own. */
  private bestWithoutAddress(): number {
    const { key, local } = this;
    key[LOCAL] = key[LOCAL + 1] = key[LOCAL + 3] = 0;
    key[LOCAL + 2] = local[2] === IPV4_PREFIX && local[1] === 0 && local[0] === 0 ? IPV4_PREFIX : 0;
    const row = this.best(true);
    if (row !== NONE || key[LOCAL + 2] === 0) return row;
    // Sockets of IPv6 without an address take IPv4 too.
    key[LOCAL + 2] = 0;
    return this.best(true);
  }

  private ownerOf(row: number): FlowOwner | undefined {
    return row === NONE ? undefined : this.owners[row];
  }

  /** The row of the key that lived nearest to the flow's time. `isAny` for sockets without an address: they answer where their namespace does. */
  private best(isAny: boolean): number {
    const { rows, addresses, local, times } = this;
    const { slackMs } = this.options;
    const isLoopback = isLoopbackWords(local, 0);
    let best = NONE;
    let least = slackMs;
    for (let row = this.heads[this.place()]!; row !== NONE; row = this.next[row]!) {
      if (!this.isOfKey(row)) continue;
      const namespace = rows[row * ROW_WORDS + NAMESPACE]!;
      if (isLoopback ? namespace !== addresses.ownNamespace : isAny && !addresses.isIn(namespace, local, 0)) continue;
      const beforeMs = this.firstMs[row]! - times[1]!;
      const afterMs = times[0]! - this.lastMs[row]! - (this.hasEnded[row] === 0 ? slackMs : 0);
      const gapMs = Math.max(beforeMs, afterMs);
      // Networks apart from each other may use the same addresses: no owner is better than a wrong one.
      if (best !== NONE && gapMs <= 0 && least <= 0 && rows[best * ROW_WORDS + NAMESPACE] !== namespace) {
        this.counters.questionsAmbiguous++;
        return NONE;
      }
      if (gapMs > least || (best !== NONE && gapMs === least)) continue;
      // The deeper inside of its life, the likelier.
      best = row;
      least = gapMs;
    }
    return best;
  }

  private setKey(tuple: EndTuple): boolean {
    const { key } = this;
    const { protocol, localAddress, localPort, remoteAddress, remotePort, namespace } = tuple;
    let isValid = addressWords(localAddress, key, LOCAL);
    if (remotePort === 0) key[REMOTE] = key[REMOTE + 1] = key[REMOTE + 2] = key[REMOTE + 3] = 0;
    else isValid &&= addressWords(remoteAddress, key, REMOTE);
    key[PORTS] = ((localPort << 16) | remotePort) >>> 0;
    key[PROTOCOL] = protocol;
    key[NAMESPACE] = namespace;
    if (!isValid) this.counters.socketsInvalid++;
    return isValid;
  }

  /** The row of the key's socket, by what is known of both. One that has ended was there up to its end. */
  private rowOf(cookie: string, inode: number, timeMs: number): number {
    for (let row = this.heads[this.place()]!; row !== NONE; row = this.next[row]!) {
      if (this.isOfKey(row) && this.rows[row * ROW_WORDS + NAMESPACE] === this.key[NAMESPACE]) {
        const known = this.cookies[row]!;
        if (cookie !== '' && known !== '') {
          if (cookie === known) return row;
        } else if (this.hasEnded[row] === 0 || timeMs <= this.lastMs[row]! + this.lateMs(row)) {
          const knownInode = this.inodes[row]!;
          if (inode === 0 || knownInode === 0 || inode === knownInode) return row;
        }
      }
    }
    return NONE;
  }

  /** How long after a row's end its socket may still be told of: where only its end is known so far, its beginning comes by another way, later. */
  private lateMs(row: number): number {
    return this.owners[row]?.process === undefined ? TOLD_TWICE_MS : 0;
  }

  /** The kernel has connected sockets once only: those of the key that had it before have ended. */
  private endOthers(): void {
    for (let row = this.heads[this.place()]!; row !== NONE; row = this.next[row]!)
      if (this.isOfKey(row) && this.rows[row * ROW_WORDS + NAMESPACE] === this.key[NAMESPACE]) this.hasEnded[row] = 1;
  }

  private place(): number {
    return hashWords(this.key, 0, KEY_WORDS, this.options.seed) & (this.heads.length - 1);
  }

  private isOfKey(row: number): boolean {
    const { rows, key } = this;
    const at = row * ROW_WORDS;
    for (let i = KEY_WORDS - 1; i >= 0; i--) if (rows[at + i] !== key[i]) return false;
    return true;
  }

  private addRow(): number {
    if (this.count >= this.options.maxSockets) {
      this.counters.socketsForgotten++;
      this.remove(this.oldest);
    }
    const row = this.free.pop() ?? this.count;
    this.count++;
    this.counters.socketsLearned++;
    this.rows.set(this.key, row * ROW_WORDS);
    const place = this.place();
    this.places[row] = place;
    this.next[row] = this.heads[place]!;
    this.heads[place] = row;
    this.append(row);
    return row;
  }

  private remove(row: number): void {
    const place = this.places[row]!;
    let before = NONE;
    for (let each = this.heads[place]!; each !== row; each = this.next[each]!) before = each;
    if (before === NONE) this.heads[place] = this.next[row]!;
    else this.next[before] = this.next[row]!;
    this.unlink(row);
    this.owners[row] = undefined;
    this.cookies[row] = '';
    this.free.push(row);
    this.count--;
  }

  private touch(row: number, timeMs: number): void {
    if (timeMs > this.lastMs[row]!) this.lastMs[row] = timeMs;
    if (timeMs < this.firstMs[row]!) this.firstMs[row] = timeMs;
    this.unlink(row);
    this.append(row);
  }

  private append(row: number): void {
    this.older[row] = this.newest;
    this.newer[row] = NONE;
    if (this.newest === NONE) this.oldest = row;
    else this.newer[this.newest] = row;
    this.newest = row;
  }

  private unlink(row: number): void {
    const before = this.older[row]!;
    const after = this.newer[row]!;
    if (before === NONE) this.oldest = after;
    else this.newer[before] = after;
    if (after === NONE) this.newest = before;
    else this.older[after] = before;
  }
}

/** Whether a connection whose process is not known may be the listener's: servers fork, and may become another user. */
function mayHandOver(listener: FlowOwner | undefined, owner: FlowOwner): boolean {
  return listener?.process !== undefined && (owner.userId < 0 || owner.userId === listener.userId);
}
