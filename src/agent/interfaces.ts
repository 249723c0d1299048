import { readFileSync, readlinkSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import type { ContainerInfo } from './container-info.ts';
import type { InterfaceEntry } from './interface-entry.ts';
import { type Link, type LinkCounters, readLinks, readNamespaceNumbers, readNetDev } from './link-list.ts';
import { ToolShells } from './tool-shell.ts';

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
  readonly lsns?: string;
  readonly procRoot?: string;
  readonly sysRoot?: string;
  /** Runs the programs. Default one of its own. */
  readonly tools?: ToolShells;
  /** Limit of one tool, ms, 5 s by default. */
  readonly timeoutMs?: number;
  /** What `ip` said of the same interfaces holds so long, ms; 30 s by default. */
  readonly listEveryMs?: number;
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

/** A namespace that has the other end of a link, as far as indices tell. */
interface Claim {
  /** Whether the kernel means this namespace. */
  readonly isCertain: boolean;
  readonly containers: ContainerInfo[];
}

/** Output of a tool beyond this is refused. */
const MAX_OUTPUT = 16 * 1024 * 1024;
/** Namespaces looked into in one round, and tools at a time. */
const MAX_NAMESPACES = 4_096;
const CONCURRENCY = 4;
const LIST_EVERY_MS = 30_000;

/**
 * The interfaces of the program's own network namespace with their counters, each veth with the containers at its other end.
 *
 * Counters come from /proc/net/dev, which costs a hundredth of a tool; what interfaces there are is asked of `ip` where their names
 * change, a counter went back, and now and then. /sys/class/net would show the namespace that /sys was mounted in, which may be another.
 */
export class InterfaceSource {
  readonly #ip: string;
  readonly #nsenter: string;
  readonly #lsns: string;
  readonly #procRoot: string;
  readonly #sysRoot: string;
  readonly #tools: ToolShells;
  readonly #timeoutMs: number;
  readonly #listEveryMs: number;
  readonly #sharing: (container: ContainerInfo) => readonly ContainerInfo[];
  #toolsRun = 0;
  #toolsFailed = 0;
  #fallbacks = 0;
  #peersAmbiguous = 0;
  /** What `ip` said last, when, and what /proc/net/dev said last. */
  #list: readonly Link[] | undefined;
  #listedMs = 0;
  #counted: ReadonlyMap<string, LinkCounters> = new Map();
  /** The links and their peers that what follows was found for. */
  #linksKnown = '';
  /** Links of a namespace, by its name: `net:[4026532412]`; undefined where it could not be looked into. */
  readonly #linksWithin = new Map<string, readonly Link[] | undefined>();
  /** What links call other namespaces, by inode; a kernel or an lsns that does not tell leaves it empty. */
  #namespaceNumbers: ReadonlyMap<number, number> = new Map();
  /** Whether that leaves a claim undecided. */
  #isUncertain = false;
  readonly #speeds = new Map<number, number>();

  constructor(options: InterfaceSourceOptions = {}) {
    this.#ip = options.ip ?? 'ip';
    this.#nsenter = options.nsenter ?? 'nsenter';
    this.#lsns = options.lsns ?? 'lsns';
    this.#procRoot = options.procRoot ?? '/proc';
    this.#sysRoot = options.sysRoot ?? '/sys';
    this.#tools = options.tools ?? new ToolShells({ maxTools: CONCURRENCY });
    this.#timeoutMs = options.timeoutMs ?? 5_000;
    this.#listEveryMs = options.listEveryMs ?? LIST_EVERY_MS;
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
    const counted = new Map(readNetDev(this.#net('dev'), '', '').map((each) => [each.name, each]));
    const links = await this.#listed(counted);
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
      const counters = counted.get(link.name) ?? link;
      entries.push({
        name: link.name,
        index: link.index,
        isUp: link.isUp,
        speed: await this.#speed(link),
        octetsReceived: counters.octetsReceived,
        packetsReceived: counters.packetsReceived,
        errorsReceived: counters.errorsReceived,
        dropsReceived: counters.dropsReceived,
        octetsSent: counters.octetsSent,
        packetsSent: counters.packetsSent,
        errorsSent: counters.errorsSent,
        dropsSent: counters.dropsSent,
        containers: containers.get(link.index) ?? [],
      });
    }
    return entries;
  }

  /** What `ip` says, or said of the same interfaces a moment ago; undefined where it says nothing. */
  async #listed(counted: ReadonlyMap<string, LinkCounters>): Promise<readonly Link[] | undefined> {
    const before = this.#counted;
    this.#counted = counted;
    const nowMs = performance.now();
    const isRecent = this.#list !== undefined && nowMs - this.#listedMs < this.#listEveryMs;
    if (isRecent && counted.size > 0 && areSame(before, counted)) return this.#list;
    this.#list = await this.#links(this.#ip, ['-j', '-s', 'link']);
    this.#listedMs = nowMs;
    return this.#list;
  }

  /** A file of /proc/net, `''` where it cannot be read. */
  #net(name: string): string {
    try {
      return readFileSync(join(this.#procRoot, 'net', name), 'latin1');
    } catch {
      return '';
    }
  }

  /** What is at the other end of each link that has one elsewhere. */
  async #containersByIndex(
    links: readonly Link[],
    processes: readonly ContainerProcess[],
  ): Promise<ReadonlyMap<number, ContainerInfo[]>> {
    const found = new Map<number, ContainerInfo[]>();
    const veths = new Map(links.filter((link) => link.isPeerElsewhere).map((link) => [link.index, link]));
    if (veths.size === 0 || processes.length === 0) return found;
    const namespaces = this.#namespaces(processes);
    await this.#lookInto(namespaces);
    const claims = new Map<number, Claim[]>();
    for (const [namespace, { containers }] of namespaces) {
      const number = this.#namespaceNumbers.get(inodeOf(namespace));
      for (const inner of this.#linksWithin.get(namespace) ?? []) {
        // Both ends must name each other: peers may lie in a third namespace, and indices are given in each anew.
        const veth = veths.get(inner.peerIndex);
        if (!inner.isPeerElsewhere || veth?.peerIndex !== inner.index) continue;
        const isMeant = number === veth.peerNamespace;
        if (number !== undefined && !isMeant) continue;
        const claim = { isCertain: isMeant, containers: [...containers.values()] };
        claims.set(veth.index, [...(claims.get(veth.index) ?? []), claim]);
      }
    }
    for (const [index, all] of claims) found.set(index, this.#believed(all));
    // A namespace may have had no process that lsns could ask at that moment.
    this.#isUncertain = this.#namespaceNumbers.size > 0 && [...claims.values()].some((all) => !all.some(isCertain));
    return found;
  }

  #believed(claims: readonly Claim[]): ContainerInfo[] {
    const [first, second] = claims.some(isCertain) ? claims.filter(isCertain) : claims;
    if (second === undefined) return first?.containers ?? [];
    this.#peersAmbiguous++;
    return [];
  }

  /** The network namespaces of the containers other than our own, a process in each, and the containers by id. */
  #namespaces(processes: readonly ContainerProcess[]) {
    const namespaces = new Map<string, { pid: number; containers: Map<string, ContainerInfo> }>();
    const own = this.#namespace('self');
    for (const { pid, container } of processes) {
      const name = this.#namespace(String(pid));
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

  #namespace(process: string): string | undefined {
    try {
      return readlinkSync(join(this.#procRoot, process, 'ns/net'));
    } catch {
      return undefined;
    }
  }

  /** Reads the links of the namespaces that have not been looked into. */
  async #lookInto(namespaces: ReadonlyMap<string, { pid: number }>): Promise<void> {
    const unknown = [...namespaces].filter(([namespace]) => !this.#linksWithin.has(namespace));
    if (unknown.length > 0 || this.#isUncertain) this.#namespaceNumbers = (await this.#numbers()) ?? new Map();
    const work = async () => {
      for (let next = unknown.pop(); next !== undefined; next = unknown.pop()) {
        const [namespace, { pid }] = next;
        const args = [`--net=${join(this.#procRoot, String(pid), 'ns/net')}`, this.#ip, '-j', 'link'];
        const links = await this.#links(this.#nsenter, args);
        // The process may be gone and its number another's.
        if (this.#namespace(String(pid)) === namespace) this.#linksWithin.set(namespace, links);
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

  #fallback(): InterfaceEntry[] {
    this.#fallbacks++;
    const running = networkInterfaces();
    return readNetDev(this.#net('dev'), this.#net('igmp'), this.#net('if_inet6')).map((link) => ({
      ...link,
      isUp: link.name in running,
      speed: 0,
      containers: [],
    }));
  }

  #links(program: string, args: readonly string[]): Promise<Link[] | undefined> {
    return this.#read(readLinks, program, args);
  }

  #numbers(): Promise<ReadonlyMap<number, number> | undefined> {
    return this.#read(readNamespaceNumbers, this.#lsns, ['-J', '-t', 'net', '-o', 'NS,NETNSID']);
  }

  /** What a tool prints, as `read` has it; undefined where either fails. */
  async #read<Content>(
    read: (output: string) => Content | undefined,
    program: string,
    args: readonly string[],
  ): Promise<Content | undefined> {
    this.#toolsRun++;
    const pieces: Buffer[] = [];
    const limits = { timeMs: this.#timeoutMs, octets: MAX_OUTPUT };
    const { code } = await this.#tools.run([program, ...args], limits, (piece) => pieces.push(Buffer.from(piece)));
    const content = code === 0 ? read(Buffer.concat(pieces).toString()) : undefined;
    if (content === undefined) this.#toolsFailed++;
    return content;
  }
}

/** The inode in the name of a namespace: `net:[4026532412]`. */
function inodeOf(namespace: string): number {
  return Number(namespace.slice(namespace.indexOf('[') + 1, -1));
}

/** Whether these are the same interfaces, as far as names and counters, which only grow, tell. */
function areSame(before: ReadonlyMap<string, LinkCounters>, now: ReadonlyMap<string, LinkCounters>): boolean {
  if (before.size !== now.size) return false;
  for (const [name, { packetsReceived, packetsSent }] of now) {
    const last = before.get(name);
    if (last === undefined || packetsReceived < last.packetsReceived || packetsSent < last.packetsSent) return false;
  }
  return true;
}

function isCertain(claim: Claim): boolean {
  return claim.isCertain;
}
