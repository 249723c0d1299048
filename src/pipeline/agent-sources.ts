/** Where an agent learns of this host, opened as its configuration asks, and what of it is not there. */

import type { AgentParts } from '../agent/agent-parts.ts';
import { CloseSource } from '../agent/close-source.ts';
import { ConnectionTracking } from '../agent/connection-tracking.ts';
import { ContainerDirectory } from '../agent/container-directory.ts';
import { EventSource } from '../agent/event-source.ts';
import { InterfaceSource } from '../agent/interfaces.ts';
import type { KernelEvent } from '../agent/kernel-event.ts';
import { ProcessTable } from '../agent/process-table.ts';
import { ProcessUsageMeter } from '../agent/process-usage.ts';
import type { SocketEntry } from '../agent/socket-entry.ts';
import { SocketOwners } from '../agent/socket-owners.ts';
import { SocketSource } from '../agent/socket-source.ts';
import { ToolShells } from '../agent/tool-shell.ts';
import type { Configuration } from '../config/configuration.ts';

/** Who is told what happens between two looks, and what is missing. */
export interface AgentSourcesOptions {
  readonly onEvents: (events: readonly KernelEvent[]) => void;
  readonly onClose: (entry: SocketEntry, timeMs: number) => void;
  /** One line for each part that is not there and what that costs; and when it is there after all. */
  readonly onMissing: (line: string) => void;
  readonly onPresent: (line: string) => void;
}

/** What is opened before the rest can be made. */
interface OpenedSources {
  readonly sockets: SocketSource;
  readonly closes: CloseSource | undefined;
  readonly containers: ContainerDirectory;
  readonly tracking: ConnectionTracking;
  readonly tools: ToolShells;
}

/** The parts of an agent, open. */
export class AgentSources implements AgentParts {
  readonly sockets: SocketSource;
  readonly closes: CloseSource | undefined;
  readonly processes: ProcessTable;
  readonly owners: SocketOwners;
  readonly usage: ProcessUsageMeter;
  readonly containers: ContainerDirectory;
  readonly tracking: ConnectionTracking;
  readonly interfaces: InterfaceSource;
  /** Undefined while it begins, where it cannot be had, and where it is not asked for. */
  events: EventSource | undefined;
  readonly #options: AgentSourcesOptions;
  #isClosed = false;
  #opening: Promise<void> = Promise.resolve();

  /**
   * Opens all but kernel events, which take seconds to begin and come by themselves; `ebpf` waits for them, or for why they cannot be had. Does
   * not reject: whatever is missing, the rest is of use.
   */
  static async open(
    { agentMode, agentCommandLines, containerSockets }: Configuration,
    options: AgentSourcesOptions,
  ): Promise<AgentSources> {
    const isProc = agentMode === 'proc';
    let sources: AgentSources | undefined;
    const onClose = (entry: SocketEntry, timeMs: number) => {
      sources?.sockets.closed(entry.namespace, entry.cookie);
      options.onClose(entry, timeMs);
    };
    const closes = isProc ? undefined : CloseSource.open({ onClose });
    const tools = new ToolShells();
    const ignoredPids = () => closes?.pids ?? new Set<number>();
    const [sockets, containers] = await Promise.all([
      SocketSource.open({ mode: isProc ? 'proc' : 'netlink', ignoredPids, tools }),
      ContainerDirectory.open({ moreSockets: containerSockets }),
    ]);
    const tracking = new ConnectionTracking({ tools, ...(isProc && { tool: '' }) });
    sources = new AgentSources({ sockets, closes, containers, tracking, tools }, agentCommandLines, options);
    sources.#tellMissing();
    if (agentMode === 'auto' || agentMode === 'ebpf') sources.#opening = sources.#openEvents();
    if (agentMode === 'ebpf') await sources.#opening;
    return sources;
  }

  private constructor(
    { sockets, closes, containers, tracking, tools }: OpenedSources,
    readsCommandLines: boolean,
    options: AgentSourcesOptions,
  ) {
    this.#options = options;
    this.sockets = sockets;
    this.closes = closes;
    this.containers = containers;
    this.tracking = tracking;
    this.processes = new ProcessTable({ readsCommandLines });
    this.owners = new SocketOwners(this.processes);
    this.usage = new ProcessUsageMeter();
    this.interfaces = new InterfaceSource({ sharing: (container) => containers.sharing(container), tools });
  }

  hearsCloses(): boolean {
    return this.events?.isUp === true || (this.closes?.pids.size ?? 0) > 0;
  }

  /** Ends what runs. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.sockets.close();
    this.closes?.close();
    this.containers.close();
    await this.#opening;
    await this.events?.close();
  }

  #tellMissing(): void {
    const { sockets, closes, owners, containers } = this;
    const lines = [...sockets.missing, ...(closes?.missing ?? []), ...owners.missing(), ...containers.missing];
    for (const line of new Set(lines)) this.#options.onMissing(line);
  }

  async #openEvents(): Promise<void> {
    const { onMissing, onPresent } = this.#options;
    const onEvents = (events: readonly KernelEvent[]) => {
      for (const { kind, namespace, cookie } of events) if (kind === 'CLOSE') this.sockets.closed(namespace, cookie);
      this.#options.onEvents(events);
    };
    const source = await EventSource.open({
      onEvents,
      onDown: (reason) => onMissing(`kernel events have stopped: ${reason}; they are begun again`),
      onUp: () => onPresent('kernel events are back'),
    });
    if (typeof source === 'string') {
      if (this.#isClosed) return;
      onMissing(
        `${source}: processes of connections shorter than the interval, and UDP that is not connected, are not seen`,
      );
      return;
    }
    this.events = source;
    for (const line of source.missing) onMissing(line);
    onPresent('kernel events are on');
    if (this.#isClosed) await source.close();
  }
}
