/** Parts of an agent that say what a test tells them to. */

import type { AgentParts } from '../../src/agent/agent-parts.ts';
import type { ContainerInfo } from '../../src/agent/container-info.ts';
import type { InterfaceEntry } from '../../src/agent/interface-entry.ts';
import type { KernelEvent } from '../../src/agent/kernel-event.ts';
import type { ProcessInfo } from '../../src/agent/process-info.ts';
import type { SocketEntry, TcpFigures } from '../../src/agent/socket-entry.ts';

/** The namespace of the program itself. */
export const OWN = 4_026_531_840;

/** Figures as a kernel gives them for a connection on which nothing happened. */
export const NO_FIGURES: TcpFigures = {
  roundTripUs: 0,
  roundTripVarianceUs: 0,
  minimumRoundTripUs: 0,
  unacknowledgedSegments: 0,
  lostSegments: 0,
  retransmittedSegments: 0,
  segmentsReceived: 0,
  segmentsSent: 0,
  octetsReceived: 0,
  octetsSent: 0,
  octetsAcknowledged: 0,
  octetsRetransmitted: 0,
  sendRate: 0,
  deliveryRate: 0,
};

let inodes = 1000;

/** A socket by `address:port` of both ends, with an inode of its own. */
export function socketOf(
  local: string,
  remote: string,
  tcp?: Partial<TcpFigures> | 'none',
  rest: Partial<SocketEntry> = {},
): SocketEntry {
  const [localAddress, localPort] = endOf(local);
  const [remoteAddress, remotePort] = endOf(remote);
  return {
    namespace: OWN,
    protocol: 6,
    localAddress,
    localPort,
    remoteAddress,
    remotePort,
    state: 'ESTABLISHED',
    userId: 0,
    inode: inodes++,
    cookie: '',
    cgroupId: 0,
    tcp: tcp === 'none' ? undefined : { ...NO_FIGURES, ...tcp },
    ...rest,
  };
}

/** A socket that listens. */
export function listenerOf(local: string, rest: Partial<SocketEntry> = {}): SocketEntry {
  const [address] = endOf(local);
  return socketOf(local, address.includes(':') ? '[::]:0' : '0.0.0.0:0', 'none', { state: 'LISTEN', ...rest });
}

/** An event of a connection between `address:port` and `address:port`. */
export function eventOf(
  kind: KernelEvent['kind'],
  local: string,
  remote: string,
  timeMs: number,
  rest: Partial<KernelEvent> = {},
): KernelEvent {
  const [localAddress, localPort] = endOf(local);
  const [remoteAddress, remotePort] = endOf(remote);
  return {
    kind,
    timeMs,
    pid: 0,
    fatherPid: 0,
    userId: 0,
    groupId: 0,
    cgroupId: 0,
    namespace: OWN,
    protocol: 6,
    localAddress,
    localPort,
    remoteAddress,
    remotePort,
    cookie: '',
    octetsSent: 0,
    octetsReceived: 0,
    name: '',
    path: '',
    ...rest,
  };
}

function endOf(text: string): [address: string, port: number] {
  const at = text.lastIndexOf(':');
  return [text.slice(0, at).replace(/^\[|\]$/g, ''), Number(text.slice(at + 1))];
}

/** A process. */
export function processOf(pid: number, rest: Partial<ProcessInfo> = {}): ProcessInfo {
  return {
    pid,
    startTicks: 100 * pid,
    fatherPid: 1,
    name: `program${pid}`,
    path: `/usr/bin/program${pid}`,
    commandLine: '',
    userId: 1000,
    userName: 'alice',
    groupId: 1000,
    groupName: 'staff',
    virtualKib: 2000,
    virtualPeakKib: 3000,
    packageName: '',
    cgroup: '',
    ...rest,
  };
}

/** A container. */
export function containerOf(shortId: string, rest: Partial<ContainerInfo> = {}): ContainerInfo {
  return { id: shortId.padEnd(64, '0'), shortId, engine: 'docker', name: '', pod: '', podNamespace: '', ...rest };
}

/** What a test says of the host. */
export class FakeParts implements AgentParts {
  nowMs = 1_700_000_000_000;
  sockets_: SocketEntry[] = [];
  namespaces = [{ id: OWN, pid: 0 }];
  readonly pids = new Map<number, number>();
  readonly table = new Map<number, ProcessInfo>();
  readonly byCgroup = new Map<string, ContainerInfo>();
  readonly byCgroupId = new Map<number, ContainerInfo>();
  /** Who shares the network of a container, by its id; by default nobody. */
  readonly sharing = new Map<string, readonly ContainerInfo[]>();
  interfaces_: InterfaceEntry[] = [];
  isHearingCloses = false;
  /** What processes are said to have used, in hundredths of a percent, at each mark. */
  cpu = 0;
  closes: AgentParts['closes'];
  /** Connections that the kernel translated. */
  tracking: AgentParts['tracking'] = { pairs: () => Promise.resolve([]) };

  readonly sockets = {
    snapshot: () =>
      Promise.resolve({ timeMs: this.nowMs, sockets: [...this.sockets_], namespaces: [...this.namespaces] }),
  };
  readonly owners = {
    resolve: () => Promise.resolve(),
    ownerOf: (entry: SocketEntry) => this.pids.get(entry.inode) ?? 0,
  };
  readonly processes = {
    startRound: () => {},
    process: (pid: number) => this.table.get(pid),
    father: (info: ProcessInfo) => this.table.get(info.fatherPid),
    observe: () => {},
    users: { userName: (id: number) => (id === 0 ? 'root' : String(id)) },
  };
  readonly usage = {
    begin: (pid: number) => ({
      pid,
      startTicks: 0,
      timeMs: 0,
      cpuTicks: this.cpu,
      pageFaults: 0,
      blockWaitTicks: 0,
      residentOctets: 0,
      peakOctets: 0,
    }),
    since: ({ cpuTicks }: { readonly cpuTicks: number }) => ({
      residentOctets: 4096,
      residentPeakOctets: 8192,
      cpuLoad: this.cpu - cpuTicks,
      pageFaults: 3,
      ioWait: 0,
    }),
  };
  readonly containers = {
    ofCgroup: (text: string) => this.byCgroup.get(text),
    ofCgroupId: (id: number) => this.byCgroupId.get(id),
    sharing: (container: ContainerInfo) => this.sharing.get(container.id) ?? [container],
  };
  readonly interfaces = { counters: () => Promise.resolve(this.interfaces_) };

  hearsCloses(): boolean {
    return this.isHearingCloses;
  }

  /** Adds a socket, and who has it. */
  add(entry: SocketEntry, pid = 0): SocketEntry {
    this.sockets_.push(entry);
    this.pids.set(entry.inode, pid);
    return entry;
  }

  /** Puts what a socket has come to in its place. */
  replace(entry: SocketEntry, tcp: Partial<TcpFigures>, rest: Partial<SocketEntry> = {}): SocketEntry {
    const next = { ...entry, ...rest, tcp: { ...NO_FIGURES, ...entry.tcp, ...tcp } };
    this.sockets_[this.sockets_.indexOf(entry)] = next;
    return next;
  }

  /** Takes a socket away. */
  remove(entry: SocketEntry): void {
    this.sockets_.splice(this.sockets_.indexOf(entry), 1);
  }
}
