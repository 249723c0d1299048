import { isIPv4 } from 'node:net';
import { endianness } from 'node:os';
import { formatIPv4, formatIPv6 } from '../bytes/address.ts';
import { canonicalAddress } from './address-words.ts';
import { EventClock } from './event-clock.ts';
import { LINE_MARK } from './event-program.ts';
import type { KernelEvent, KernelEventKind } from './kernel-event.ts';

/** Fields of a line between its letter and its end, besides those of {@link PROCESS_FIELDS}. */
interface LineForm {
  readonly kind: KernelEventKind;
  /** Whether a socket's namespace, cookie, ports and addresses follow. */
  readonly hasSocket: boolean;
  /** Whether octets sent and received follow. */
  readonly hasOctets: boolean;
  /** Whether a path comes before the name. */
  readonly hasPath: boolean;
}

/**
 * What bpftrace prints for each event, behind {@link LINE_MARK}: a letter, the fields, for some a path, and the process's name, with tabs between. Besides there are `B` and
 * `H`, the time; sums of datagrams, as bpftrace prints its maps; and what bpftrace says of lost events.
 */
export const EVENT_LINES: Readonly<Record<string, LineForm>> = {
  A: { kind: 'ACCEPT', hasSocket: true, hasOctets: false, hasPath: false },
  C: { kind: 'CONNECT', hasSocket: true, hasOctets: false, hasPath: false },
  F: { kind: 'CONNECT_FAILED', hasSocket: true, hasOctets: false, hasPath: false },
  K: { kind: 'CLOSE', hasSocket: true, hasOctets: true, hasPath: false },
  Q: { kind: 'EXIT', hasSocket: false, hasOctets: false, hasPath: false },
  R: { kind: 'RETRANSMIT', hasSocket: true, hasOctets: false, hasPath: false },
  X: { kind: 'EXEC', hasSocket: false, hasOctets: false, hasPath: true },
};

/** Time, pid, father, user, group, control group. */
const PROCESS_FIELDS = 6;
const SOCKET_FIELDS = 6;
/** Longest line that is one, octets: names of 16 and 64 octets at four characters each, and numbers. */
const LONGEST_LINE = 1024;
/** TASK_COMM_LEN of the kernel, without the end. */
const LONGEST_NAME = 15;
const LF = 0x0a;
const IS_LITTLE_ENDIAN = endianness() === 'LE';
const AF_INET = 2n;
const AF_INET6 = 10n;
/** IPv4 peer of an IPv6 socket, as the program tells it. */
const AF_INET_IN_INET6 = 258n;
const SUM = /^@[uv]\[([01])((?:, -?\d{1,20}){10}), (.*)\]: (\d{1,15})$/s;
const MARK = `${LINE_MARK}\t`;
const ATTACHING = /^Attaching \d{1,5} probes?\.\.\.$/;
const LOST = /^Lost (\d{1,15}) events$/;

/** Reads what bpftrace prints for the program of event-program.ts. Anything else is counted and never becomes an event. */
export class EventLines {
  /** Events given. */
  events = 0;
  /** Events that bpftrace says it could not hand over in time. */
  lost = 0;
  /** Lines that are nothing known. */
  malformed = 0;
  /** Whether the program is at work: it says B before its probes are attached, and H a second after, and every few seconds. */
  hasBegun = false;
  readonly #clock: EventClock;
  readonly #rest = Buffer.alloc(LONGEST_LINE);
  #restLength = 0;
  #isOverlong = false;

  /** `now` is the wall clock, Unix milliseconds. */
  constructor(now: () => number = Date.now) {
    this.#clock = new EventClock(now);
  }

  /** The events whose lines end in `chunk`; the rest is kept for the next one. */
  read(chunk: Uint8Array): KernelEvent[] {
    const octets = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    const events: KernelEvent[] = [];
    let at = 0;
    for (let end = octets.indexOf(LF, at); end >= 0; end = octets.indexOf(LF, at)) {
      const line = this.#line(octets, at, end);
      at = end + 1;
      if (line === '') continue;
      const event = line === undefined ? undefined : this.#readLine(line);
      if (event === undefined) this.malformed++;
      else if (event !== NO_EVENT) events.push(event);
    }
    this.#keep(octets, at);
    this.events += events.length;
    return events;
  }

  /** Counts what `line` says is lost; false where it says nothing of the kind. A process's name can hold such a line, of one digit: it adds to the count alone. */
  readLoss(line: string): boolean {
    const lost = LOST.exec(line)?.[1];
    if (lost === undefined) return false;
    this.lost += Number(lost);
    return true;
  }

  /** Begins anew, for another run of the program: half a line is forgotten. */
  restart(): void {
    this.#restLength = 0;
    this.#isOverlong = false;
    this.hasBegun = false;
    this.#clock.forget();
  }

  /** The line up to `end`, with what was kept of it; undefined where it is too long. */
  #line(octets: Buffer, at: number, end: number): string | undefined {
    const length = this.#restLength + end - at;
    const kept = this.#rest.toString('latin1', 0, this.#restLength);
    const isOverlong = this.#isOverlong || length > LONGEST_LINE;
    this.#restLength = 0;
    this.#isOverlong = false;
    return isOverlong ? undefined : kept + octets.toString('latin1', at, end);
  }

  #keep(octets: Buffer, at: number): void {
    const length = octets.length - at;
    if (this.#isOverlong || this.#restLength + length > LONGEST_LINE) {
      this.#isOverlong = true;
      this.#restLength = 0;
      return;
    }
    octets.copy(this.#rest, this.#restLength, at);
    this.#restLength += length;
  }

  #readLine(line: string): KernelEvent | typeof NO_EVENT | undefined {
    if (line.startsWith('@')) return this.#readSum(line);
    if (this.readLoss(line) || ATTACHING.test(line)) return NO_EVENT;
    if (!line.startsWith(MARK)) return undefined;
    const fields = line.slice(MARK.length).split('\t', 64);
    const letter = fields[0]!;
    if (letter === 'B' || letter === 'H') return this.#readTime(fields);
    const form = Object.hasOwn(EVENT_LINES, letter) ? EVENT_LINES[letter]! : undefined;
    return form === undefined ? undefined : this.#readEvent(form, fields);
  }

  #readTime(fields: readonly string[]): typeof NO_EVENT | undefined {
    const nanoseconds = natural(fields[1]);
    if (fields.length !== 2 || nanoseconds < 0) return undefined;
    this.#clock.see(nanoseconds / 1e6);
    if (fields[0] === 'H') this.hasBegun = true;
    return NO_EVENT;
  }

  #readEvent(form: LineForm, fields: readonly string[]): KernelEvent | undefined {
    const octetsAt = 1 + PROCESS_FIELDS + (form.hasSocket ? SOCKET_FIELDS : 0);
    const nameAt = octetsAt + (form.hasOctets ? 2 : 0) + (form.hasPath ? 1 : 0);
    if (fields.length <= nameAt) return undefined;
    const name = fields.slice(nameAt).join('\t');
    if (name.length > LONGEST_NAME) return undefined;
    const [nanoseconds, pid, fatherPid, userId, groupId, cgroupId] = naturals(fields, 1, PROCESS_FIELDS);
    if (cgroupId === undefined) return undefined;
    const socket = form.hasSocket ? readSocket(fields, 1 + PROCESS_FIELDS) : NO_SOCKET;
    if (socket === undefined) return undefined;
    const octets = form.hasOctets ? naturals(fields, octetsAt, 2) : NO_OCTETS;
    if (octets.length === 0) return undefined;
    return {
      kind: form.kind,
      timeMs: this.#clock.wallMs(nanoseconds! / 1e6),
      pid: pid!,
      fatherPid: fatherPid!,
      userId: userId!,
      groupId: groupId!,
      cgroupId,
      ...socket,
      octetsSent: octets[0]!,
      octetsReceived: octets[1]!,
      name: fromOctets(name),
      path: form.hasPath ? text(fields[nameAt - 1]!) : '',
    };
  }

  /** One sum of datagrams: direction, process, user, control group, namespace, cookie, ports, addresses, name. */
  #readSum(line: string): KernelEvent | undefined {
    const match = SUM.exec(line);
    if (match === null) return undefined;
    const numbers = match[2]!.slice(2).split(', ').map(unsigned);
    const [who, user, cgroupId, namespace, cookie, ports, local0, local1, remote0, remote1] = numbers as SumNumbers;
    const family = ports >> 32n;
    if (family !== AF_INET && family !== AF_INET6 && family !== AF_INET_IN_INET6) return undefined;
    const remoteAddress = family === AF_INET6 ? ipv6(remote0, remote1) : ipv4(remote1);
    const local = family === AF_INET ? ipv4(local1) : ipv6(local0, local1);
    const isSent = match[1] === '1';
    const octets = Number(match[4]);
    return {
      kind: isSent ? 'SEND' : 'RECV',
      timeMs: this.#clock.latestMs,
      pid: Number(who >> 32n),
      fatherPid: Number(who & 0xffffffffn),
      userId: Number(user & 0xffffffffn),
      groupId: Number(user >> 32n),
      cgroupId: Number(cgroupId),
      namespace: Number(namespace),
      protocol: 17,
      localAddress: local === '::' && isIPv4(remoteAddress) ? '0.0.0.0' : local,
      localPort: Number((ports >> 16n) & 0xffffn),
      remoteAddress,
      remotePort: fromNetwork16(Number(ports & 0xffffn)),
      cookie: cookie === 0n ? '' : cookie.toString(16).padStart(16, '0'),
      octetsSent: isSent ? octets : 0,
      octetsReceived: isSent ? 0 : octets,
      name: text(match[3]!),
      path: '',
    };
  }
}

type SumNumbers = [bigint, bigint, bigint, bigint, bigint, bigint, bigint, bigint, bigint, bigint];

/** A line that is understood and tells of no event. */
const NO_EVENT = Symbol('no event');
const NO_OCTETS: readonly number[] = [0, 0];

type SocketPart = Pick<
  KernelEvent,
  'namespace' | 'protocol' | 'localAddress' | 'localPort' | 'remoteAddress' | 'remotePort' | 'cookie'
>;

const NO_SOCKET: SocketPart = {
  namespace: 0,
  protocol: 0,
  localAddress: '',
  localPort: 0,
  remoteAddress: '',
  remotePort: 0,
  cookie: '',
};

/** Namespace, cookie, ports and addresses of a connection from `fields[at]` on. */
function readSocket(fields: readonly string[], at: number): SocketPart | undefined {
  const namespace = natural(fields[at]);
  const cookie = cookieOf(fields[at + 1]!);
  const localPort = natural(fields[at + 2]);
  const remotePort = natural(fields[at + 3]);
  const localAddress = canonicalAddress(fields[at + 4]!);
  const remoteAddress = canonicalAddress(fields[at + 5]!);
  if (namespace < 0 || cookie === undefined || localAddress === undefined || remoteAddress === undefined)
    return undefined;
  if (localPort < 0 || localPort > 0xffff || remotePort < 0 || remotePort > 0xffff) return undefined;
  return { namespace, protocol: 6, localAddress, localPort, remoteAddress, remotePort, cookie };
}

/** The number that decimal digits spell, -1 for anything else. */
function natural(field: string | undefined): number {
  return field !== undefined && /^\d{1,20}$/.test(field) ? Number(field) : -1;
}

/** `count` numbers from `fields[at]` on, or none at all where one is not a number. */
function naturals(fields: readonly string[], at: number, count: number): number[] {
  const values: number[] = [];
  for (let i = at; i < at + count; i++) {
    const value = natural(fields[i]);
    if (value < 0) return [];
    values.push(value);
  }
  return values;
}

function unsigned(digits: string): bigint {
  return BigInt.asUintN(64, BigInt(digits));
}

/** The kernel gives a socket its cookie when somebody asks: before, it is 0. */
function cookieOf(field: string): string | undefined {
  if (!/^[0-9a-f]{1,16}$/.test(field)) return undefined;
  return field === '0' ? '' : field.padStart(16, '0');
}

const scratch = new DataView(new ArrayBuffer(16));

/** The two 64-bit numbers hold four 32-bit words as they lie in memory, the first in the upper half. */
function ipv6(first: bigint, second: bigint): string {
  scratch.setUint32(0, Number(first >> 32n), IS_LITTLE_ENDIAN);
  scratch.setUint32(4, Number(first & 0xffffffffn), IS_LITTLE_ENDIAN);
  scratch.setUint32(8, Number(second >> 32n), IS_LITTLE_ENDIAN);
  scratch.setUint32(12, Number(second & 0xffffffffn), IS_LITTLE_ENDIAN);
  const address = formatIPv6(scratch, 0);
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;
}

function ipv4(word: bigint): string {
  scratch.setUint32(0, Number(word & 0xffffffffn), IS_LITTLE_ENDIAN);
  return formatIPv4(scratch.getUint32(0));
}

function fromNetwork16(value: number): number {
  return IS_LITTLE_ENDIAN ? ((value & 0xff) << 8) | (value >> 8) : value;
}

/** A text as bpftrace's %r writes it: up to its first NUL, what is not printable as `\\xNN`. */
function text(field: string): string {
  const nul = field.indexOf('\\x00');
  const escaped = nul < 0 ? field : field.slice(0, nul);
  if (!escaped.includes('\\x')) return escaped;
  return fromOctets(
    escaped.replace(/\\x([0-9a-f]{2})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16))),
  );
}

/** Text in UTF-8, given as one character an octet. */
function fromOctets(latin1: string): string {
  return /[\x80-\xff]/.test(latin1) ? Buffer.from(latin1, 'latin1').toString('utf8') : latin1;
}
