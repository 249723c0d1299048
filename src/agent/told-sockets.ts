import { endKey } from './flow-end.ts';
import type { SocketEntry } from './socket-entry.ts';

/** A socket in which nothing changes is told of again after so long, milliseconds: for readers that came later. */
const AGAIN_MS = 60_000;

/** What was told of a socket. */
interface Told {
  readonly entry: SocketEntry;
  readonly pid: number;
  readonly toldMs: number;
}

/** Which sockets of a look differ from what was told of them: among ten thousand connections most are silent. */
export class ToldSockets {
  #told = new Map<string, Told>();
  #toldNow = new Map<string, Told>();

  /** Whether a socket, of process `pid` (0 for none known), is to be told of now, by the monotonic clock; it is taken as told then. Each once a look. */
  isDue(entry: SocketEntry, pid: number, nowMs: number): boolean {
    const key = entry.cookie === '' ? endKey(entry) : entry.cookie;
    const last = this.#told.get(key);
    const isSame =
      last !== undefined && last.pid === pid && nowMs - last.toldMs < AGAIN_MS && isLike(last.entry, entry);
    this.#toldNow.set(key, isSame ? last : { entry, pid, toldMs: nowMs });
    return !isSame;
  }

  /** Ends the look: what it did not show is forgotten. */
  endLook(): void {
    this.#told = this.#toldNow;
    this.#toldNow = new Map();
  }
}

/** Whether nothing happened to a socket between two looks: without a segment no figure of TCP changes. */
function isLike(one: SocketEntry, other: SocketEntry): boolean {
  if (one === other) return true;
  const [before, now] = [one.tcp, other.tcp];
  return (
    one.state === other.state &&
    one.inode === other.inode &&
    one.namespace === other.namespace &&
    one.localPort === other.localPort &&
    one.remotePort === other.remotePort &&
    one.remoteAddress === other.remoteAddress &&
    before?.segmentsSent === now?.segmentsSent &&
    before?.segmentsReceived === now?.segmentsReceived &&
    before?.unacknowledgedSegments === now?.unacknowledgedSegments &&
    before?.retransmittedSegments === now?.retransmittedSegments
  );
}
