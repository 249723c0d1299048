import type { TrackedPair } from './connection-tracking.ts';
import type { ContainerInfo } from './container-info.ts';
import type { FlowEnd } from './flow-end.ts';
import type { InterfaceEntry } from './interface-entry.ts';
import type { ContainerProcess } from './interfaces.ts';
import type { KernelEvent } from './kernel-event.ts';
import type { ProcessInfo, ProcessUsage } from './process-info.ts';
import type { ProcessUsageMark } from './process-usage.ts';
import type { NetworkNamespace, SocketEntry, SocketSnapshot } from './socket-entry.ts';

/** Where the agent learns of the host. Each part counts its own faults and throws nothing. */
export interface AgentParts {
  readonly sockets: { snapshot(): Promise<SocketSnapshot> };
  /** Told of the namespaces of each look. */
  readonly closes: { follow(namespaces: readonly NetworkNamespace[]): void } | undefined;
  /** Whether somebody tells of closes now. */
  hearsCloses(): boolean;
  readonly owners: {
    resolve(sockets: readonly SocketEntry[]): Promise<void>;
    /** 0 where none is known. */
    ownerOf(socket: SocketEntry): number;
  };
  readonly processes: {
    startRound(): void;
    process(pid: number): ProcessInfo | undefined;
    father(info: ProcessInfo): ProcessInfo | undefined;
    observe(event: KernelEvent): void;
    readonly users: { userName(id: number): string };
  };
  readonly usage: {
    begin(pid: number): ProcessUsageMark | undefined;
    since(mark: ProcessUsageMark): ProcessUsage | undefined;
  };
  readonly containers: {
    ofCgroup(text: string): ContainerInfo | undefined;
    ofCgroupId(cgroupId: number): ContainerInfo | undefined;
    /** Those that use the network namespace that a container uses. */
    sharing(container: ContainerInfo): readonly ContainerInfo[];
  };
  /** Told of the ends whose other ends nobody knows, once a look. */
  readonly tracking: { pairs(ends: readonly FlowEnd[]): Promise<readonly TrackedPair[]> };
  readonly interfaces: {
    /** Of the own network namespace; `processes` are such of containers in others. */
    counters(processes: readonly ContainerProcess[]): Promise<readonly InterfaceEntry[]>;
  };
}
