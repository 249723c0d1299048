import { CgroupIndex } from './cgroup-index.ts';
import { type CgroupContainer, containerOfCgroup, containerOfPath } from './cgroup-path.ts';
import { ContainerFiles, type ContainerFilesOptions } from './container-files.ts';
import type { ContainerInfo } from './container-info.ts';
import { ContainerTable } from './container-table.ts';
import { CriEngine } from './cri-engine.ts';
import { type ContainerChange, DockerEngine } from './docker-engine.ts';
import { EngineState } from './engine-state.ts';
import { type EngineClient, listedContainer } from './listed-container.ts';

/** Where containers are looked for; everything has the place that engines use by default. */
export interface ContainerDirectoryOptions {
  /** Sockets that speak the Docker Engine API: Docker's and Podman's. */
  readonly dockerSockets?: readonly string[];
  /** Sockets of containerd. */
  readonly containerdSockets?: readonly string[];
  /** Sockets of CRI-O. */
  readonly crioSockets?: readonly string[];
  /** Sockets besides those: `docker:PATH`, `containerd:PATH` or `crio:PATH`. */
  readonly moreSockets?: readonly string[];
  readonly files?: ContainerFilesOptions;
  /** Where cgroups are mounted. */
  readonly cgroupRoot?: string;
  /** Containers known at a time, 16,384 by default. */
  readonly maxContainers?: number;
  /** How long a container that is gone is still known, ms: the last flows of one may be told after it. 10 s by default. */
  readonly keepMs?: number;
  /** Limit of one question to an engine, ms, 5 s by default. */
  readonly timeoutMs?: number;
  /** Least time between two rounds of questions for ids that are not known, ms, 1 s by default. */
  readonly askGapMs?: number;
  /** Monotonic clock, ms. */
  readonly now?: () => number;
}

/** What the directory did, since it was opened. */
export interface ContainerDirectoryCounters {
  /** Containers known now. */
  readonly containers: number;
  /** Containers not taken in because there were too many. */
  readonly containersDropped: number;
  /** Questions to engines, and those that failed. */
  readonly enginesAsked: number;
  readonly enginesFailed: number;
  /** Names that changed or came by events, and lines among the events that could not be read. */
  readonly eventsTaken: number;
  readonly eventsInvalid: number;
  /** Ids that nothing had a name for when asked. */
  readonly namesNotFound: number;
  /** Containers known now whose labels name a pod that their cgroup has not borne out: the labels are not believed. */
  readonly podsUnproven: number;
  /** Walks through the cgroups. */
  readonly cgroupWalks: number;
}

/** An id without a name. */
interface Wanted {
  /** How often it was asked for in vain, and when it may be asked for again. */
  tries: number;
  nextMs: number;
  /** Whether it was seen since. */
  isWanted: boolean;
  /** What callers get meanwhile. */
  readonly info: ContainerInfo;
}

/** Ids without a name at a time. */
const MAX_WANTED = 4_096;
/** An id asked for in vain is left alone for twice as long each time, up to this. */
const LONGEST_WAIT_MS = 60_000;
/** Names that came from files are looked up again after this. */
const FILES_GAP_MS = 30_000;
/** Texts longer than this are not kept. */
const MAX_TEXT_KEPT = 4_096;

/**
 * The containers of this host by id, with the names their engines give. Answers come at once from what is known; what is not known is asked
 * for in the background.
 */
export class ContainerDirectory {
  /** Called when names have come or changed. */
  onChange: (() => void) | undefined;
  readonly #engines: EngineState[];
  readonly #files: ContainerFiles;
  readonly #cgroups: CgroupIndex;
  readonly #maxContainers: number;
  readonly #askGapMs: number;
  readonly #now: () => number;
  readonly #known: ContainerTable;
  readonly #wanted = new Map<string, Wanted>();
  /** Texts of /proc/PID/cgroup read already. */
  readonly #texts = new Map<string, CgroupContainer | undefined>();
  #eventsTaken = 0;
  #namesNotFound = 0;
  #asking: NodeJS.Timeout | undefined;
  #nextAskMs = 0;
  #nextFilesMs = 0;
  #round: Promise<void> | undefined;
  #isClosed = false;

  private constructor(options: ContainerDirectoryOptions) {
    this.#maxContainers = options.maxContainers ?? 16_384;
    this.#askGapMs = options.askGapMs ?? 1_000;
    this.#now = options.now ?? (() => performance.now());
    this.#known = new ContainerTable(this.#maxContainers, options.keepMs ?? 10_000, this.#now);
    this.#files = new ContainerFiles(options.files);
    this.#cgroups = new CgroupIndex(options.cgroupRoot ?? '/sys/fs/cgroup', this.#askGapMs, this.#now, () =>
      this.onChange?.(),
    );
    const timeout = options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs };
    const clients: EngineClient[] = [
      ...socketsOf('docker', options.dockerSockets ?? DOCKER_SOCKETS, options).map(
        (socketPath) => new DockerEngine({ socketPath, ...timeout }),
      ),
      ...socketsOf('containerd', options.containerdSockets ?? CONTAINERD_SOCKETS, options).map(
        (socketPath) => new CriEngine({ socketPath, engine: 'containerd', ...timeout }),
      ),
      ...socketsOf('crio', options.crioSockets ?? CRIO_SOCKETS, options).map(
        (socketPath) => new CriEngine({ socketPath, engine: 'cri-o', ...timeout }),
      ),
    ];
    this.#engines = clients.map((client) => new EngineState(client, this.#now));
  }

  /** Opens the directory and asks every engine once. Does not reject: what is missing is told by {@link ContainerDirectory.missing}. */
  static async open(options: ContainerDirectoryOptions = {}): Promise<ContainerDirectory> {
    const directory = new ContainerDirectory(options);
    await Promise.all([directory.refresh(), directory.#cgroups.walk()]);
    return directory;
  }

  /** A line for each engine whose socket is there but cannot be used. */
  get missing(): string[] {
    return this.#engines.flatMap(({ client, reason }) =>
      reason === undefined
        ? []
        : [`${client.socketPath} cannot be used (${reason}): names of its containers come from files, if at all`],
    );
  }

  /** See {@link ContainerDirectoryCounters}. */
  get counters(): ContainerDirectoryCounters {
    const sum = (of: (state: EngineState) => number) => this.#engines.reduce((all, state) => all + of(state), 0);
    let podsUnproven = 0;
    for (const { listed, isInPod } of this.#known.values()) if (listed.pod !== '' && !isInPod) podsUnproven++;
    return {
      containers: this.#known.size,
      containersDropped: this.#known.dropped,
      enginesAsked: sum(({ asked }) => asked),
      enginesFailed: sum(({ failed }) => failed),
      eventsTaken: this.#eventsTaken,
      eventsInvalid: sum(({ client }) => (client instanceof DockerEngine ? client.eventsInvalid : 0)),
      namesNotFound: this.#namesNotFound,
      podsUnproven,
      cgroupWalks: this.#cgroups.walks,
    };
  }

  /** The container of a process by the text of its /proc/PID/cgroup; undefined where it is in none. Names may come later. */
  ofCgroup(text: string): ContainerInfo | undefined {
    let found = this.#texts.get(text);
    if (found === undefined && !this.#texts.has(text)) {
      found = containerOfCgroup(text);
      if (this.#texts.size >= this.#maxContainers) this.#texts.clear();
      if (text.length <= MAX_TEXT_KEPT) this.#texts.set(text, found);
    }
    return found === undefined ? undefined : this.#of(found);
  }

  /**
   * The container whose directory of the cgroup v2 hierarchy, or one below, has this id; undefined where it is in none, and until the tree has
   * been walked where it is new.
   */
  ofCgroupId(cgroupId: number): ContainerInfo | undefined {
    const path = cgroupId === 0 ? undefined : this.#cgroups.path(cgroupId);
    const found = path === undefined ? undefined : containerOfPath(path);
    return found === undefined ? undefined : this.#of(found);
  }

  /**
   * The containers that use the network namespace `container` uses: those of its pod, without the one that only keeps it ("pause"); `container`
   * alone where nothing is known of others.
   */
  sharing(container: ContainerInfo): readonly ContainerInfo[] {
    const known = this.#known.find(container.id);
    return known === undefined ? [container] : this.#known.sharing(known);
  }

  /** Asks all engines again, those that failed only after a while, and forgets what has been gone for long. Does not reject. */
  refresh(): Promise<void> {
    this.#round ??= this.#askAll().finally(() => {
      this.#round = undefined;
    });
    return this.#round;
  }

  /** Asks and follows no more. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#asking);
    this.#cgroups.close();
    for (const state of this.#engines) state.close();
  }

  #of(found: CgroupContainer): ContainerInfo {
    const known = this.#known.find(found.id);
    if (known === undefined) return this.#want(found);
    this.#known.prove(known, found.podUid);
    return known.info;
  }

  /** Has an id asked for that is not known. */
  #want(found: CgroupContainer): ContainerInfo {
    let wanted = this.#wanted.get(found.id);
    if (wanted === undefined) {
      if (this.#wanted.size >= MAX_WANTED) this.#wanted.delete(this.#wanted.keys().next().value!);
      const { id, shortId, engine, name, pod, podNamespace } = listedContainer(found.id, found.engine, {});
      wanted = { tries: 0, nextMs: 0, isWanted: true, info: { id, shortId, engine, name, pod, podNamespace } };
      this.#wanted.set(found.id, wanted);
    }
    wanted.isWanted = true;
    if (this.#now() >= wanted.nextMs) this.#askSoon();
    return wanted.info;
  }

  #askSoon(): void {
    if (this.#asking !== undefined || this.#isClosed) return;
    this.#asking = setTimeout(
      () => {
        this.#asking = undefined;
        this.#nextAskMs = this.#now() + this.#askGapMs;
        void this.refresh();
      },
      Math.max(0, this.#nextAskMs - this.#now()),
    );
    this.#asking.unref();
  }

  async #askAll(): Promise<void> {
    if (this.#isClosed) return;
    const before = this.#known.changes;
    await Promise.all(this.#engines.map((state) => this.#ask(state)));
    await this.#askFiles();
    this.#known.purge();
    if (this.#known.changes !== before && !this.#isClosed) this.onChange?.();
  }

  async #ask(state: EngineState): Promise<void> {
    const { client } = state;
    const start = this.#known.changes;
    const containers = await state.list();
    if (containers === undefined || this.#isClosed) return;
    const ids = new Set<string>();
    for (const container of containers) {
      ids.add(container.id);
      const known = this.#known.find(container.id);
      if (this.#known.changeOf(container.id) <= start) this.#known.learn(container, client);
      // An event since then knows better what it is called and whether it is there, but not whose network it uses.
      else if (known !== undefined && known.goneMs === undefined) {
        this.#known.learn({ ...known.listed, networkId: container.networkId }, client);
      }
    }
    for (const { listed, engine, change } of this.#known.values()) {
      if (engine === client && change <= start && !ids.has(listed.id)) this.#known.forget(listed.id);
    }
    if (client instanceof DockerEngine && !state.isFollowed) {
      state.isFollowed = true;
      client.follow(
        (change) => this.#take(change, client),
        () => {
          state.isFollowed = false;
        },
      );
    }
  }

  /** Looks in files for ids that no engine knows, and once more for those that files told of. */
  async #askFiles(): Promise<void> {
    for (const [id, wanted] of [...this.#wanted]) {
      if (this.#isClosed) return;
      if (!wanted.isWanted || this.#known.find(id) !== undefined) {
        this.#wanted.delete(id);
      } else if (this.#now() >= wanted.nextMs) {
        const container = await this.#files.find(id);
        if (container !== undefined) this.#known.learn(container, undefined);
        else this.#namesNotFound++;
        wanted.isWanted = container === undefined && wanted.tries === 0;
        wanted.nextMs = this.#now() + Math.min(this.#askGapMs * 2 ** ++wanted.tries, LONGEST_WAIT_MS);
      }
    }
    if (this.#now() < this.#nextFilesMs) return;
    this.#nextFilesMs = this.#now() + FILES_GAP_MS;
    for (const { listed, engine, goneMs } of [...this.#known.values()]) {
      if (engine !== undefined || goneMs !== undefined || this.#isClosed) continue;
      const container = await this.#files.find(listed.id);
      if (container === undefined) this.#known.forget(listed.id);
      else this.#known.learn(container, undefined);
    }
  }

  #take(change: ContainerChange, client: DockerEngine): void {
    if (this.#isClosed) return;
    this.#eventsTaken++;
    if (change.kind === 'removed') {
      if (this.#known.find(change.id)?.engine === client) this.#known.forget(change.id);
    } else {
      const known = this.#known.find(change.container.id);
      // Events do not tell whose network a container uses.
      const networkId =
        known?.goneMs === undefined ? (known?.listed.networkId ?? change.container.id) : change.container.id;
      this.#known.learn({ ...change.container, networkId }, client);
      if (known === undefined) this.#askSoon();
    }
    this.onChange?.();
  }
}

/** Those of the system. An engine of some user could say anything of any container, so it is asked only where the program runs as this user. */
const DOCKER_SOCKETS = ['/run/docker.sock', '/run/podman/podman.sock'];
const userId = process.getuid?.() ?? 0;
if (userId !== 0) DOCKER_SOCKETS.push(`/run/user/${userId}/docker.sock`, `/run/user/${userId}/podman/podman.sock`);
const CONTAINERD_SOCKETS = [
  '/run/containerd/containerd.sock',
  '/run/k3s/containerd/containerd.sock',
  '/run/k0s/containerd.sock',
  '/var/snap/microk8s/common/run/containerd.sock',
];
const CRIO_SOCKETS = ['/run/crio/crio.sock'];

/** `usual` sockets and those that are given for an engine besides. */
function socketsOf(
  engine: string,
  usual: readonly string[],
  { moreSockets = [] }: ContainerDirectoryOptions,
): string[] {
  const prefix = `${engine}:`;
  return [...usual, ...moreSockets.filter((text) => text.startsWith(prefix)).map((text) => text.slice(prefix.length))];
}
