import type { ContainerInfo } from './container-info.ts';
import type { EngineClient, ListedContainer } from './listed-container.ts';

/** A container that is known, and who told of it. */
export interface KnownContainer {
  readonly listed: ListedContainer;
  /** Who told of it; undefined: files. */
  readonly engine: EngineClient | undefined;
  /** What callers get: the same object until something changes. */
  info: ContainerInfo;
  /** Whether its engine vouches for its pod, or its cgroup is in the pod that its labels name. */
  isInPod: boolean;
  /** When it went away; undefined while it is there. */
  goneMs: number | undefined;
  /** {@link ContainerTable.changes} at its latest change. */
  change: number;
}

/** Containers by id, as many as a limit allows. One that goes away is known for a while, unless its id comes again. */
export class ContainerTable {
  /** Changes so far. */
  changes = 0;
  /** Containers not taken in because there were too many. */
  dropped = 0;
  readonly #containers = new Map<string, KnownContainer>();
  /** Ids of the containers that use the network of one. */
  readonly #networks = new Map<string, Set<string>>();
  readonly #maximum: number;
  readonly #keepMs: number;
  readonly #now: () => number;

  constructor(maximum: number, keepMs: number, now: () => number) {
    this.#maximum = maximum;
    this.#keepMs = keepMs;
    this.#now = now;
  }

  /** Containers known, those that are gone included. */
  get size(): number {
    return this.#containers.size;
  }

  /** All of them. */
  values(): IterableIterator<KnownContainer> {
    return this.#containers.values();
  }

  /** The container with this id, unless it has been gone for too long. */
  find(id: string): KnownContainer | undefined {
    const known = this.#containers.get(id);
    return known === undefined || this.#isOver(known) ? undefined : known;
  }

  /** {@link ContainerTable.changes} at the latest change of this id, gone for however long; 0 where nothing is known of it. */
  changeOf(id: string): number {
    return this.#containers.get(id)?.change ?? 0;
  }

  /**
   * Takes a container in as `engine`, or a file, describes it now. Where another engine has told of this id already it stays as it is: nobody
   * renames another's.
   */
  learn(listed: ListedContainer, engine: EngineClient | undefined): void {
    const known = this.find(listed.id);
    if (known !== undefined && known.engine !== engine && known.engine !== undefined) return;
    const isTheSame = known !== undefined && known.goneMs === undefined && isSame(known.listed, listed);
    if (isTheSame && known.engine === engine) return;
    if (!this.#containers.has(listed.id) && this.#containers.size >= this.#maximum) {
      this.dropped++;
      return;
    }
    this.#remove(listed.id);
    const isProved = known?.isInPod === true && known.listed.podUid === listed.podUid;
    const next = {
      listed,
      engine,
      isInPod: isProved || listed.isPodCertain,
      goneMs: undefined,
      change: ++this.changes,
    };
    this.#containers.set(listed.id, { ...next, info: infoOf(next) });
    const network = this.#networks.get(listed.networkId);
    if (network === undefined) this.#networks.set(listed.networkId, new Set([listed.id]));
    else network.add(listed.id);
  }

  /** Notes that a container went away. */
  forget(id: string): void {
    const known = this.#containers.get(id);
    if (known === undefined || known.goneMs !== undefined) return;
    known.goneMs = this.#now();
    known.change = ++this.changes;
  }

  /** Believes the pod that the labels of a container name, where its cgroup is in it. */
  prove(known: KnownContainer, podUid: string): void {
    if (known.isInPod || known.listed.pod === '' || podUid === '' || known.listed.podUid !== podUid) return;
    known.isInPod = true;
    known.info = infoOf(known);
  }

  /** The containers that use the same network as `known`, those that only keep it for a pod left out. */
  sharing(known: KnownContainer): ContainerInfo[] {
    const group: KnownContainer[] = [];
    for (const id of this.#networks.get(known.listed.networkId) ?? []) {
      const other = this.#containers.get(id);
      if (other !== undefined && other.goneMs === undefined) group.push(other);
    }
    // Who shares the network of a pod's container was put there by the engine: what is proved for one holds for all.
    const proved = group.find(({ isInPod }) => isInPod)?.listed.podUid ?? '';
    for (const other of group) this.prove(other, proved);
    return group.filter((other) => !isSandbox(other)).map(({ info }) => info);
  }

  /** Removes what has been gone for too long. */
  purge(): void {
    for (const [id, known] of this.#containers) {
      if (this.#isOver(known)) this.#remove(id);
    }
  }

  #isOver(known: KnownContainer): boolean {
    return known.goneMs !== undefined && this.#now() - known.goneMs >= this.#keepMs;
  }

  #remove(id: string): void {
    const known = this.#containers.get(id);
    if (known === undefined) return;
    this.#containers.delete(id);
    const network = this.#networks.get(known.listed.networkId);
    network?.delete(id);
    if (network?.size === 0) this.#networks.delete(known.listed.networkId);
  }
}

/** Only what labels say makes a sandbox of a container that is in no pod of theirs: then it is one like any other. */
function isSandbox({ listed, isInPod }: KnownContainer): boolean {
  return listed.isSandbox && (isInPod || listed.pod === '');
}

function infoOf(known: Pick<KnownContainer, 'listed' | 'isInPod'>): ContainerInfo {
  const { id, shortId, engine, name, engineName, pod, podNamespace } = known.listed;
  return known.isInPod
    ? { id, shortId, engine, name, pod, podNamespace }
    : { id, shortId, engine, name: engineName, pod: '', podNamespace: '' };
}

function isSame(one: ListedContainer, other: ListedContainer): boolean {
  return (
    one.name === other.name &&
    one.engineName === other.engineName &&
    one.pod === other.pod &&
    one.podNamespace === other.podNamespace &&
    one.podUid === other.podUid &&
    one.isSandbox === other.isSandbox &&
    one.networkId === other.networkId
  );
}
