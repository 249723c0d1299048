import type { AgentParts } from './agent-parts.ts';
import type { ContainerInfo } from './container-info.ts';
import { sharedContainer } from './container-record.ts';
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
  /** What {@link FlowOwners.containerOfOthers} found since. */
  private readonly foundOf = new Map<number, ContainerInfo | undefined>();

  /** Asks `parts`. */
  constructor(parts: Parts) {
    this.parts = parts;
  }

  /** Takes the namespaces of a look. */
  setNamespaces(namespaces: readonly NetworkNamespace[]): void {
    this.pidOf.clear();
    this.foundOf.clear();
    for (const { id, pid } of namespaces) if (pid !== 0) this.pidOf.set(id, pid);
  }

  /** The containers of a namespace's process, for the interface that leads there. */
  containerOfNamespace(namespace: number): ContainerInfo | undefined {
    const pid = this.pidOf.get(namespace);
    return pid === undefined ? undefined : this.containerOf(this.parts.processes.process(pid), undefined, 0, 0);
  }

  /** Looks up the process of an end, and marks what it has used so far. */
  know(end: FlowEnd): void {
    const { processes, usage } = this.parts;
    const process = processes.process(end.pid);
    if (process === undefined) return;
    end.process = process;
    end.father = processes.father(process);
    end.usageMark = usage.begin(process.pid);
  }

  /** Who has an end, with what the process used since the flow began. */
  ofEnd(end: FlowEnd): FlowOwner {
    const { process, father, usageMark } = end;
    const container = this.containerOf(process, father, end.cgroupId, end.namespace);
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
    const container = this.containerOf(process, father, cgroupId, namespace);
    return { process, father, container, usage: undefined, ...this.userOf(process, userId) };
  }

  private userOf(process: ProcessInfo | undefined, userId: number): { userId: number; userName: string } {
    if (process !== undefined) return { userId: process.userId, userName: process.userName };
    return { userId, userName: userId < 0 ? '' : this.parts.processes.users.userName(userId) };
  }

  /**
   * By the process's cgroup, then the socket's, which is not known at once where it is new: then by the father's. Where there is none of
   * them, by whoever else is in the namespace.
   */
  private containerOf(
    process: ProcessInfo | undefined,
    father: ProcessInfo | undefined,
    cgroupId: number,
    namespace: number,
  ): ContainerInfo | undefined {
    const { containers } = this.parts;
    if (process !== undefined && process.cgroup !== '') return containers.ofCgroup(process.cgroup);
    if (cgroupId === 0) return this.containerOfOthers(namespace);
    const found = containers.ofCgroupId(cgroupId);
    return found ?? (father === undefined ? undefined : containers.ofCgroup(father.cgroup));
  }

  /** The container of a namespace; of several in a pod the pod alone, of several others none: nobody knows which. */
  private containerOfOthers(namespace: number): ContainerInfo | undefined {
    if (this.foundOf.has(namespace)) return this.foundOf.get(namespace);
    const one = this.containerOfNamespace(namespace);
    const found = one && sharedContainer(this.parts.containers.sharing(one));
    this.foundOf.set(namespace, found);
    return found;
  }
}
