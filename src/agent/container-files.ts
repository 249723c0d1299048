import { constants } from 'node:fs';
import { open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import {
  isContainerId,
  isObject,
  kubernetesParts,
  type ListedContainer,
  listedContainer,
  textOf,
} from './listed-container.ts';

/** Where engines keep what they know of their containers. */
export interface ContainerFilesOptions {
  /** Docker's data, `/var/lib/docker` by default. */
  readonly dockerRoot?: string;
  /** State of containerd, `/run/containerd` and those of k3s and others by default. */
  readonly containerdRoots?: readonly string[];
  /** Storage of Podman and CRI-O, `/run/containers/storage` and `/var/lib/containers/storage` by default. */
  readonly storageRoots?: readonly string[];
  /** Logs of Kubernetes, `/var/log/containers` by default. */
  readonly logRoot?: string;
}

/** A configuration beyond this is not read: its environment and mounts are in it too. */
const MAX_CONFIGURATION = 2 * 1024 * 1024;
/** Podman's list of all containers. */
const MAX_LIST = 8 * 1024 * 1024;
/** Directories and links of one directory that are looked at. */
const MAX_ENTRIES = 65_536;

/** Names of containers from the files of their engines, for those whose engine cannot be asked. All of it is read on demand. */
export class ContainerFiles {
  readonly #dockerRoot: string;
  readonly #containerdRoots: readonly string[];
  readonly #storageRoots: readonly string[];
  readonly #logRoot: string;
  /** Lists read already, by path: two for each place where containers are stored. */
  readonly #lists = new Map<string, { version: string; names: ReadonlyMap<string, string> }>();

  constructor(options: ContainerFilesOptions = {}) {
    this.#dockerRoot = options.dockerRoot ?? '/var/lib/docker';
    this.#containerdRoots = options.containerdRoots ?? [
      '/run/containerd',
      '/run/k3s/containerd',
      '/run/k0s/containerd',
      '/var/snap/microk8s/common/run/containerd',
    ];
    this.#storageRoots = options.storageRoots ?? ['/run/containers/storage', '/var/lib/containers/storage'];
    this.#logRoot = options.logRoot ?? '/var/log/containers';
  }

  /** The container with this id, undefined where no file tells of it. Does not reject. */
  async find(id: string): Promise<ListedContainer | undefined> {
    if (!isContainerId(id)) return undefined;
    return (
      (await this.#ofDocker(id)) ??
      (await this.#ofContainerd(id)) ??
      (await this.#ofStorage(id)) ??
      (await this.#ofLogs(id))
    );
  }

  /** config.v2.json of Docker. */
  async #ofDocker(id: string): Promise<ListedContainer | undefined> {
    const configuration = await readJson(join(this.#dockerRoot, 'containers', id, 'config.v2.json'), MAX_CONFIGURATION);
    if (!isObject(configuration) || textOf(configuration, 'ID') !== id) return undefined;
    const name = textOf(configuration, 'Name');
    const labels = isObject(configuration['Config']) ? configuration['Config']['Labels'] : undefined;
    const engineName = name.startsWith('/') ? name.slice(1) : name;
    return listedContainer(id, 'docker', { engineName, ...kubernetesParts((key) => textOf(labels, key)) });
  }

  /** config.json of the OCI bundles of containerd, with what its CRI plugin notes there (containerd, pkg/cri/annotations). */
  async #ofContainerd(id: string): Promise<ListedContainer | undefined> {
    for (const root of this.#containerdRoots) {
      const tasks = join(root, 'io.containerd.runtime.v2.task');
      // Docker's containers have their own place.
      for (const namespace of (await entries(tasks)).filter((name) => name !== 'moby')) {
        const annotations = await readAnnotations(join(tasks, namespace, id, 'config.json'));
        if (annotations === undefined) continue;
        const note = (key: string) => textOf(annotations, `io.kubernetes.cri.${key}`);
        if (namespace !== 'k8s.io')
          return listedContainer(id, 'containerd', { engineName: textOf(annotations, 'nerdctl/name') });
        const isSandbox = note('container-type') === 'sandbox';
        return listedContainer(id, 'containerd', {
          name: isSandbox ? 'POD' : note('container-name'),
          pod: note('sandbox-name'),
          podNamespace: note('sandbox-namespace'),
          podUid: note('sandbox-uid'),
          isPodCertain: true,
          isSandbox,
          networkId: note('sandbox-id'),
        });
      }
    }
    return undefined;
  }

  /** userdata/config.json of CRI-O (cri-o, pkg/annotations), and the list of Podman's containers (containers/storage). */
  async #ofStorage(id: string): Promise<ListedContainer | undefined> {
    for (const root of this.#storageRoots) {
      for (const directory of (await entries(root)).filter((name) => name.endsWith('-containers'))) {
        const annotations = await readAnnotations(join(root, directory, id, 'userdata', 'config.json'));
        if (annotations !== undefined && textOf(annotations, 'io.kubernetes.cri-o.ContainerType') !== '') {
          return ofCrio(id, annotations);
        }
        // Those that go away with the host, or with their end, have a list of their own.
        for (const list of ['containers.json', 'volatile-containers.json']) {
          const engineName = (await this.#names(join(root, directory, list))).get(id);
          if (engineName !== undefined) return listedContainer(id, 'podman', { engineName });
        }
      }
    }
    return undefined;
  }

  /** Names by id in a list of containers/storage, read again only when the file is another. */
  async #names(path: string): Promise<ReadonlyMap<string, string>> {
    const known = this.#lists.get(path);
    const version = await versionOf(path);
    if (known !== undefined && known.version === version) return known.names;
    const names = new Map<string, string>();
    const containers = version === '' ? undefined : await readJson(path, MAX_LIST);
    for (const container of Array.isArray(containers) ? containers.slice(0, MAX_ENTRIES) : []) {
      const own: unknown = isObject(container) ? container['names'] : undefined;
      if (Array.isArray(own) && typeof own[0] === 'string') names.set(textOf(container, 'id'), own[0]);
    }
    this.#lists.set(path, { version, names });
    return names;
  }

  /** Links that kubelet makes: `<pod>_<namespace>_<container>-<id>.log`. Neither of the names may have an underscore in it. */
  async #ofLogs(id: string): Promise<ListedContainer | undefined> {
    const end = `-${id}.log`;
    const link = (await entries(this.#logRoot)).find((name) => name.endsWith(end));
    const [pod, podNamespace, name, ...more] = link?.slice(0, -end.length).split('_') ?? [];
    if (pod === undefined || podNamespace === undefined || name === undefined || more.length > 0) return undefined;
    return listedContainer(id, 'unknown', { name, pod, podNamespace, isPodCertain: true });
  }
}

function ofCrio(id: string, annotations: unknown): ListedContainer {
  const note = (key: string) => textOf(annotations, `io.kubernetes.cri-o.${key}`);
  const isSandbox = note('ContainerType') === 'sandbox';
  const kubernetes = kubernetesParts((key) => textOf(annotations, key));
  return listedContainer(id, 'cri-o', {
    ...kubernetes,
    ...(isSandbox ? { name: 'POD' } : {}),
    engineName: note('Name'),
    pod: note('KubeName') || (kubernetes.pod ?? ''),
    podNamespace: note('Namespace') || (kubernetes.podNamespace ?? ''),
    isPodCertain: true,
    isSandbox,
    networkId: note('SandboxID'),
  });
}

async function readAnnotations(path: string): Promise<unknown> {
  const configuration = await readJson(path, MAX_CONFIGURATION);
  return isObject(configuration) ? (configuration['annotations'] ?? {}) : undefined;
}

/** What changes with a file; `''` where there is none. */
async function versionOf(path: string): Promise<string> {
  try {
    const { ino, size, mtimeMs } = await stat(path);
    return `${ino}.${size}.${mtimeMs}`;
  } catch {
    return '';
  }
}

/** Whatever JSON a regular file of at most `maxOctets` holds; undefined for anything else. */
async function readJson(path: string, maxOctets: number): Promise<unknown> {
  try {
    // A pipe in place of the file must not hold us.
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const { size } = await file.stat();
      if (size > maxOctets) return undefined;
      const octets = Buffer.alloc(size);
      const { bytesRead } = await file.read(octets, 0, size, 0);
      return JSON.parse(octets.toString('utf8', 0, bytesRead)) as unknown;
    } finally {
      await file.close();
    }
  } catch {
    return undefined;
  }
}

async function entries(directory: string): Promise<string[]> {
  try {
    return (await readdir(directory)).slice(0, MAX_ENTRIES);
  } catch {
    return [];
  }
}
