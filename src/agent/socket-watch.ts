/** Keeps a directory of this host's sockets and their owners: by a look at all of them now and then, and by what is heard in between. */

import { setImmediate as nextTurn } from 'node:timers/promises';
import type { AgentParts } from './agent-parts.ts';
import { isUnspecified } from './flow-end.ts';
import type { FlowOwner } from './flow-owner.ts';
import { FlowOwners } from './flow-owners.ts';
import type { KernelEvent } from './kernel-event.ts';
import type { SocketDirectory } from './socket-directory.ts';
import type { SocketEntry, SocketSnapshot } from './socket-entry.ts';

/** Where a {@link SocketWatch} learns of sockets and their owners. */
export type SocketWatchParts = Omit<AgentParts, 'interfaces' | 'hearsCloses'>;

/** What a {@link SocketWatch} did since its start. */
export interface SocketWatchCounters {
  rounds: number;
  /** Sockets of the last look. */
  sockets: number;
  /** Milliseconds that the last round took, the wait for tools included. */
  roundMs: number;
}

/** Sockets handled before others get their turn: a few milliseconds. */
const PER_TURN = 500;
/** Namespaces whose addresses are read before others get their turn. */
const NAMESPACES_PER_TURN = 50;
const TCP = 6;
const UDP = 17;
const LOOKED_AT_EVENTS: ReadonlySet<KernelEvent['kind']> = new Set(['CONNECT', 'ACCEPT', 'SEND', 'RECV']);

/** See the head of this file. */
export class SocketWatch {
  readonly counters: SocketWatchCounters = { rounds: 0, sockets: 0, roundMs: 0 };
  private readonly directory: SocketDirectory;
  private readonly parts: SocketWatchParts;
  private readonly owners: FlowOwners;
  private readonly now: () => number;
  private round: Promise<void> | undefined;

  /** Fills `directory` with what `parts` tell. `now` is the clock, Unix milliseconds. */
  constructor(directory: SocketDirectory, parts: SocketWatchParts, now: () => number = Date.now) {
    this.directory = directory;
    this.parts = parts;
    this.now = now;
    this.owners = new FlowOwners(parts);
  }

  /** Looks at all sockets once. Asked again before that has ended, it gives the same round. */
  look(): Promise<void> {
    this.round ??= this.makeRound().finally(() => {
      this.round = undefined;
    });
    return this.round;
  }

  /** Takes what the kernel told. */
  takeEvents(events: readonly KernelEvent[]): void {
    for (let i = 0; i < events.length; i++) this.takeEvent(events[i]!);
  }

  /** Takes a socket that the kernel destroyed at `timeMs`. */
  takeClose(entry: SocketEntry, timeMs: number): void {
    if (entry.remotePort === 0 || this.directory.end(entry, entry.cookie, timeMs)) return;
    const owner = this.owners.ofSocket(entry, 0);
    // Without anything known of it, its listener's owner says more.
    if (owner.userName === '' && owner.container === undefined) return;
    this.directory.see(entry, entry, owner, timeMs);
    this.directory.end(entry, entry.cookie, timeMs);
  }

  /** The owner with the names that were not known when its socket was seen. */
  complete(owner: FlowOwner): FlowOwner {
    const { container, process } = owner;
    if (container === undefined || container.name !== '' || process === undefined || process.cgroup === '')
      return owner;
    return { ...owner, container: this.parts.containers.ofCgroup(process.cgroup) ?? container };
  }

  private async makeRound(): Promise<void> {
    const beganMs = performance.now();
    const { parts, directory, counters } = this;
    const snapshot = await parts.sockets.snapshot();
    counters.sockets = snapshot.sockets.length;
    parts.closes?.follow(snapshot.namespaces);
    parts.processes.startRound();
    this.owners.setNamespaces(snapshot.namespaces);
    await parts.owners.resolve(snapshot.sockets);
    await this.seeSockets(snapshot);
    directory.endUnseen(snapshot.timeMs);
    directory.forget(this.now());
    counters.rounds++;
    counters.roundMs = performance.now() - beganMs;
  }

  private async seeSockets({ timeMs, sockets, namespaces }: SocketSnapshot): Promise<void> {
    const { directory, parts } = this;
    const { addresses } = directory;
    addresses.startLook(timeMs);
    for (let i = 0; i < namespaces.length; i++) {
      if (i % NAMESPACES_PER_TURN === NAMESPACES_PER_TURN - 1) await nextTurn();
      addresses.read(namespaces[i]!);
    }
    for (let i = 0; i < sockets.length; i++) {
      if (i % PER_TURN === PER_TURN - 1) await nextTurn();
      const entry = sockets[i]!;
      if (!isUnspecified(entry.localAddress)) addresses.see(entry.namespace, entry.localAddress);
      // Nobody has it any more, and what is told of its user may be wrong.
      if (entry.inode === 0) directory.seeAgain(entry, entry, timeMs);
      // Neither does it listen nor is it connected.
      else if (entry.protocol !== TCP || entry.remotePort !== 0 || entry.state === 'LISTEN')
        this.see(entry, parts.owners.ownerOf(entry), timeMs);
    }
    addresses.endLook();
  }

  private see(entry: SocketEntry, pid: number, timeMs: number): void {
    this.directory.see(entry, entry, this.owners.ofSocket(entry, pid), timeMs);
  }

  private takeEvent(event: KernelEvent): void {
    const { directory, parts, owners } = this;
    const { kind, cookie, pid, timeMs, protocol } = event;
    parts.processes.observe(event);
    if (kind === 'CLOSE') directory.end(event, cookie, timeMs);
    // Those of no process are the kernel's own doing, in whose name they come.
    if (!LOOKED_AT_EVENTS.has(kind) || pid === 0) return;
    if (protocol !== UDP) directory.see(event, { cookie, inode: 0 }, owners.ofEvent(event), timeMs);
    else this.takeDatagrams(event);
  }

  /** A server is not taken in once for each of its clients. */
  private takeDatagrams(event: KernelEvent): void {
    const { directory, owners } = this;
    const { cookie, pid, timeMs, localAddress } = event;
    const port = { ...event, remoteAddress: '', remotePort: 0 };
    const isPort = isUnspecified(localAddress) || directory.hasPort(event, cookie, pid);
    directory.see(isPort ? port : event, { cookie, inode: 0 }, owners.ofEvent(event), timeMs);
  }
}
