import type { AgentParts } from './agent-parts.ts';
import type { ContainerInfo } from './container-info.ts';
import type { FlowEnd } from './flow-end.ts';
import type { FlowOwner } from './flow-owner.ts';
import type { KernelEvent } from './kernel-event.ts';
import type { ProcessInfo } from './process-info.ts';
import type { NetworkNamespace, SocketEntry } from './socket-entry.ts';

type Parts = Pick<AgentParts, 'processes' | 'usage' | 'containers'>;

/** Who has sockets: processes, fathers, users, containers put together from the parts that know them. */
export class FlowOwners {
  private readonly parts: Parts;
  /** Pid in each namespace but the own, of the last look. */
  private readonly pidOf = new Map<number, number>();

  /** Asks `parts`. */
  constructor(parts: Parts) {
    this.parts = parts;
  }

  /** Takes the namespaces of a look. */
  setNamespaces(namespaces: readonly NetworkNamespace[]): void {
    this.pidOf.clear();
    for (const { id, pid } of namespaces) if (pid !== 0) this.pidOf.set(id, pid);
  }

  /** The containers of a namespace's process, for the interface that leads there. */
  containerOfNamespace(namespace: number): ContainerInfo | undefined {
    const pid = this.pidOf.get(namespace);
    const process = pid === undefined ? undefined : this.parts.processes.process(pid);
    return process && this.parts.containers.ofCgroup(process.cgroup);
  }

  /** Looks up the process of an end, and marks what it has used so far. */
  know(end: FlowEnd): void {
    const { processes, usage } = this.parts;
    const process = processes.process(end.pid);
    if (process === undefined) return;
    const isOther = process.pid !== end.process?.pid || process.startTicks !== end.process.startTicks;
    end.process = process;
    end.father = processes.father(process);
    if (isOther) end.usageMark = usage.begin(process.pid);
  }

  /** Who has an end, with what the process used since the flow began. */
  ofEnd(end: FlowEnd): FlowOwner {
    const { process, father, usageMark } = end;
    const container = this.containerOf(process, end.cgroupId, end.namespace);
    const usage = usageMark && this.parts.usage.since(usageMark);
    return { process, father, container, usage, ...this.userOf(process, end.userId) };
  }

  /** Who has a socket. */
  ofSocket({ userId, cgroupId, namespace }: SocketEntry, pid: number): FlowOwner {
    return this.owner(pid, userId, cgroupId, namespace);
  }

  /** Who did what an event tells. */
  ofEvent({ pid, userId, cgroupId, namespace }: KernelEvent): FlowOwner {
    return this.owner(pid, userId, cgroupId, namespace);
  }

  private owner(pid: number, userId: number, cgroupId: number, namespace: number): FlowOwner {
    const { processes } = this.parts;
    const process = pid === 0 ? undefined : processes.process(pid);
    const father = process && processes.father(process);
    const container = this.containerOf(process, cgroupId, namespace);
    return { process, father, container, usage: undefined, ...this.userOf(process, userId) };
  }

  private userOf(process: ProcessInfo | undefined, userId: number): { userId: number; userName: string } {
    if (process !== undefined) return { userId: process.userId, userName: process.userName };
    return { userId, userName: userId < 0 ? '' : this.parts.processes.users.userName(userId) };
  }

  /** By the process's cgroup, then the socket's; where there is none, by whoever else is in the namespace. */
  private containerOf(
    process: ProcessInfo | undefined,
    cgroupId: number,
    namespace: number,
  ): ContainerInfo | undefined {
    const { containers, processes } = this.parts;
    if (process !== undefined && process.cgroup !== '') return containers.ofCgroup(process.cgroup);
    if (cgroupId !== 0) return containers.ofCgroupId(cgroupId);
    const pid = this.pidOf.get(namespace);
    const other = pid === undefined ? undefined : processes.process(pid);
    const container = other && containers.ofCgroup(other.cgroup);
    return container && onlyOne(containers.sharing(container));
  }
}

/** The container of a network; of several no more than their pod. */
function onlyOne(containers: readonly ContainerInfo[]): ContainerInfo | undefined {
  const [first, second] = containers;
  if (first === undefined || second === undefined) return first;
  if (first.pod === '') return undefined;
  return { ...first, id: '', shortId: '', name: '' };
}
