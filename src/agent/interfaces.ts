import { execFile } from 'node:child_process';
import { readFile, readlink } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import type { ContainerInfo } from './container-info.ts';
import type { InterfaceEntry } from './interface-entry.ts';
import { type Link, readLinks, readNetDev } from './link-list.ts';

/** A process and the container it is in. */
export interface ContainerProcess {
  readonly pid: number;
  readonly container: ContainerInfo;
}

/** Settings of {@link InterfaceSource}. */
export interface InterfaceSourceOptions {
  /** Programs of iproute2 and util-linux; found by PATH by default. */
  readonly ip?: string;
  readonly nsenter?: string;
  readonly procRoot?: string;
  readonly sysRoot?: string;
  /** Limit of one tool, ms, 5 s by default. */
  readonly timeoutMs?: number;
  /** The containers that share the network of one, without what only keeps it: ContainerDirectory.sharing. */
  readonly sharing?: (container: ContainerInfo) => readonly ContainerInfo[];
}

/** What the source did, since it was made. */
export interface InterfaceCounters {
  /** Tools run, and those that failed, were too slow or printed what cannot be read. */
  readonly toolsRun: number;
  readonly toolsFailed: number;
  /** Rounds that had to do with /proc/net/dev. */
  readonly fallbacks: number;
  /** Interfaces that more than one network namespace laid claim to; none is believed. */
  readonly peersAmbiguous: number;
}

/** Output of a tool beyond this is refused. */
const MAX_OUTPUT = 16 * 1024 * 1024;
/** Namespaces looked into in one round, and tools at a time. */
const MAX_NAMESPACES = 4_096;
const CONCURRENCY = 4;

/**
 * The interfaces of the program's own network namespace with their counters, each veth with the containers at its other end.
 *
 * Everything is asked of the kernel by `ip` or read from /proc: /sys/class/net shows the namespace that /sys was mounted in, which may be another.
 */
export class InterfaceSource {
  readonly #ip: string;
  readonly #nsenter: string;
  readonly #procRoot: string;
  readonly #sysRoot: string;
  readonly #timeoutMs: number;
  readonly #sharing: (container: ContainerInfo) => readonly ContainerInfo[];
  #toolsRun = 0;
  #toolsFailed = 0;
  #fallbacks = 0;
  #peersAmbiguous = 0;
  /** The links and their peers that what follows was found for. */
  #linksKnown = '';
  /** Links of a namespace, by its name: `net:[4026532412]`; undefined where it could not be looked into. */
  readonly #linksWithin = new Map<string, readonly Link[] | undefined>();
  readonly #speeds = new Map<number, number>();

  constructor(options: InterfaceSourceOptions = {}) {
    this.#ip = options.ip ?? 'ip';
    this.#nsenter = options.nsenter ?? 'nsenter';
    this.#procRoot = options.procRoot ?? '/proc';
    this.#sysRoot = options.sysRoot ?? '/sys';
    this.#timeoutMs = options.timeoutMs ?? 5_000;
    this.#sharing = options.sharing ?? ((container) => [container]);
  }

  /** See {@link InterfaceCounters}. */
  get figures(): InterfaceCounters {
    return {
      toolsRun: this.#toolsRun,
      toolsFailed: this.#toolsFailed,
      fallbacks: this.#fallbacks,
      peersAmbiguous: this.#peersAmbiguous,
    };
  }

  /**
   * The interfaces now. `processes` has one or more processes of every container whose veth is wanted. Does not reject: what cannot be read is
   * left out and counted.
   */
  async counters(processes: readonly ContainerProcess[] = []): Promise<InterfaceEntry[]> {
    const links = await this.#links(this.#ip, ['-j', '-s', 'link']);
    if (links === undefined) return this.#fallback();
    const linksNow = links.map(({ index, peerIndex }) => `${index}.${peerIndex}`).join();
    if (linksNow !== this.#linksKnown) {
      this.#linksKnown = linksNow;
      this.#linksWithin.clear();
      this.#speeds.clear();
    }
    const containers = await this.#containersByIndex(links, processes);
    const entries: InterfaceEntry[] = [];
    for (const link of links) {
      entries.push({
        name: link.name,
        index: link.index,
        isUp: link.isUp,
        speed: await this.#speed(link),
        octetsReceived: link.octetsReceived,
        packetsReceived: link.packetsReceived,
        errorsReceived: link.errorsReceived,
        dropsReceived: link.dropsReceived,
        octetsSent: link.octetsSent,
        packetsSent: link.packetsSent,
        errorsSent: link.errorsSent,
        dropsSent: link.dropsSent,
        containers: containers.get(link.index) ?? [],
      });
    }
    return entries;
  }

  /** What is at the other end of each link that has one elsewhere. */
  async #containersByIndex(
    links: readonly Link[],
    processes: readonly ContainerProcess[],
  ): Promise<ReadonlyMap<number, ContainerInfo[]>> {
    const found = new Map<number, ContainerInfo[]>();
    const veths = new Map(links.filter((link) => link.isPeerElsewhere).map((link) => [link.index, link]));
    if (veths.size === 0 || processes.length === 0) return found;
    const namespaces = await this.#namespaces(processes);
    await this.#lookInto(namespaces);
    const owners = new Map<number, string>();
    for (const [namespace, { containers }] of namespaces) {
      for (const inner of this.#linksWithin.get(namespace) ?? []) {
        // Both ends must name each other: peers may lie in a third namespace, and indices are given in each anew.
        if (!inner.isPeerElsewhere || veths.get(inner.peerIndex)?.peerIndex !== inner.index) continue;
        const owner = owners.get(inner.peerIndex);
        if (owner === undefined) {
          owners.set(inner.peerIndex, namespace);
          found.set(inner.peerIndex, [...containers.values()]);
        } else if (owner !== namespace) {
          this.#peersAmbiguous++;
          found.set(inner.peerIndex, []);
        }
      }
    }
    return found;
  }

  /** The network namespaces of the containers other than our own, a process in each, and the containers by id. */
  async #namespaces(processes: readonly ContainerProcess[]) {
    const namespaces = new Map<string, { pid: number; containers: Map<string, ContainerInfo> }>();
    const own = await this.#namespace('self');
    for (const { pid, container } of processes) {
      const name = await this.#namespace(String(pid));
      if (name === undefined || name === own) continue;
      let namespace = namespaces.get(name);
      if (namespace === undefined) {
        if (namespaces.size >= MAX_NAMESPACES) break;
        namespace = { pid, containers: new Map() };
        namespaces.set(name, namespace);
      }
      for (const each of this.#sharing(container)) namespace.containers.set(each.id, each);
    }
    return namespaces;
  }

  async #namespace(process: string): Promise<string | undefined> {
    try {
      return await readlink(join(this.#procRoot, process, 'ns/net'));
    } catch {
      return undefined;
    }
  }

  /** Reads the links of the namespaces that have not been looked into. */
  async #lookInto(namespaces: ReadonlyMap<string, { pid: number }>): Promise<void> {
    const unknown = [...namespaces].filter(([namespace]) => !this.#linksWithin.has(namespace));
    const work = async () => {
      for (let next = unknown.pop(); next !== undefined; next = unknown.pop()) {
        const [namespace, { pid }] = next;
        const args = [`--net=${join(this.#procRoot, String(pid), 'ns/net')}`, this.#ip, '-j', 'link'];
        const links = await this.#links(this.#nsenter, args);
        // The process may be gone and its number another's.
        if ((await this.#namespace(String(pid))) === namespace) this.#linksWithin.set(namespace, links);
      }
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, work));
    for (const namespace of this.#linksWithin.keys()) {
      if (!namespaces.has(namespace)) this.#linksWithin.delete(namespace);
    }
  }

  /** Speed of a link, bits a second, from the driver; 0 where it is not known, or /sys shows another namespace. */
  async #speed(link: Link): Promise<number> {
    const known = this.#speeds.get(link.index);
    if (known !== undefined) return known;
    const read = async (name: string) => {
      try {
        return (await readFile(join(this.#sysRoot, 'class/net', link.name, name), 'latin1')).trim();
      } catch {
        return '';
      }
    };
    const isSame = (await read('ifindex')) === String(link.index) && (await read('address')) === link.address;
    const megabits = isSame ? Number(await read('speed')) : 0;
    // Virtual ones say -1, or that they have none.
    const speed = megabits > 0 && Number.isSafeInteger(megabits) ? megabits * 1e6 : 0;
    this.#speeds.set(link.index, speed);
    return speed;
  }

  async #fallback(): Promise<InterfaceEntry[]> {
    this.#fallbacks++;
    const read = async (name: string) => {
      try {
        return await readFile(join(this.#procRoot, 'net', name), 'latin1');
      } catch {
        return '';
      }
    };
    const [dev, igmp, ipv6] = await Promise.all([read('dev'), read('igmp'), read('if_inet6')]);
    const running = networkInterfaces();
    return readNetDev(dev, igmp, ipv6).map((link) => ({
      ...link,
      isUp: link.name in running,
      speed: 0,
      containers: [],
    }));
  }

  #links(program: string, args: readonly string[]): Promise<Link[] | undefined> {
    this.#toolsRun++;
    const limits = { timeout: this.#timeoutMs, killSignal: 'SIGKILL', maxBuffer: MAX_OUTPUT } as const;
    return new Promise((resolve) => {
      const finish = (links: Link[] | undefined) => {
        if (links === undefined) this.#toolsFailed++;
        resolve(links);
      };
      try {
        execFile(program, args, limits, (error, output) => finish(error === null ? readLinks(output) : undefined));
      } catch {
        finish(undefined);
      }
    });
  }
}
