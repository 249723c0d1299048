import { callGrpc, type GrpcAnswer, UNIMPLEMENTED } from './grpc-call.ts';
import {
  type EngineAnswer,
  type EngineClient,
  isContainerId,
  kubernetesParts,
  type ListedContainer,
  listedContainer,
  MAX_LISTED,
} from './listed-container.ts';
import { ProtobufReader, textsOf } from './protobuf-reader.ts';

/** Limits of one question. */
const MAX_ANSWER_OCTETS = 8 * 1024 * 1024;
/** Namespaces of containerd that are asked, besides that of Kubernetes. */
const MAX_NAMESPACES = 16;
/** The namespace of Kubernetes, and that of Docker, which names its containers itself. */
const KUBERNETES = 'k8s.io';
const DOCKER = 'moby';

/** Settings of {@link CriEngine}. */
export interface CriEngineOptions {
  readonly socketPath: string;
  readonly engine: 'containerd' | 'cri-o';
  /** Limit of one call, 5 s by default. */
  readonly timeoutMs?: number;
}

/**
 * containerd or CRI-O: pods and their containers by the Container Runtime Interface (kubernetes/cri-api, runtime.v1, or v1alpha2 of older
 * engines: what is read here has the same numbers), and containers that Kubernetes did not make by containerd's own interface
 * (containerd/containerd, api/services/containers/v1).
 */
export class CriEngine implements EngineClient {
  readonly socketPath: string;
  readonly #engine: 'containerd' | 'cri-o';
  readonly #timeoutMs: number;
  readonly #abort = new AbortController();
  #version = 'v1';

  constructor(options: CriEngineOptions) {
    this.socketPath = options.socketPath;
    this.#engine = options.engine;
    this.#timeoutMs = options.timeoutMs ?? 5_000;
  }

  async list(): Promise<EngineAnswer> {
    const pods = await this.#runtime('ListPodSandbox');
    if (pods.kind === 'absent' || pods.kind === 'failed') return pods;
    const listed: ListedContainer[] = [];
    let names = '';
    if (pods.kind === 'answered') {
      const containers = await this.#runtime('ListContainers');
      if (containers.kind === 'absent' || containers.kind === 'failed') return containers;
      const sandboxes = readSandboxes(pods.message, this.#engine);
      if (sandboxes === undefined || containers.kind !== 'answered') return garbage('ListPodSandbox');
      if (!readContainers(containers.message, this.#engine, sandboxes, listed)) return garbage('ListContainers');
      for (const sandbox of sandboxes.values()) listed.push(sandbox);
      names = KUBERNETES;
    } else if (pods.status !== UNIMPLEMENTED || this.#engine !== 'containerd') {
      return { kind: 'failed', reason: `refused with status ${pods.status}` };
    }
    if (this.#engine === 'containerd') {
      const fault = await this.#listOthers(names, listed);
      if (fault !== undefined) return fault;
    }
    return { kind: 'listed', containers: listed.slice(0, MAX_LISTED) };
  }

  close(): void {
    this.#abort.abort();
  }

  /** Containers in the namespaces of containerd that neither the runtime interface nor Docker answers for. */
  async #listOthers(answeredFor: string, listed: ListedContainer[]): Promise<EngineAnswer | undefined> {
    const namespaces = await this.#call('/containerd.services.namespaces.v1.Namespaces/List');
    if (namespaces.kind === 'refused') return undefined;
    if (namespaces.kind !== 'answered') return namespaces;
    const names = readNamespaces(namespaces.message);
    if (names === undefined) return garbage('Namespaces/List');
    for (const name of names.filter((each) => each !== DOCKER && each !== answeredFor).slice(0, MAX_NAMESPACES)) {
      const answer = await this.#call('/containerd.services.containers.v1.Containers/List', {
        'containerd-namespace': name,
      });
      if (answer.kind === 'refused') continue;
      if (answer.kind !== 'answered') return answer;
      if (!readNativeContainers(answer.message, name, listed)) return garbage('Containers/List');
    }
    return undefined;
  }

  async #runtime(method: string): Promise<GrpcAnswer> {
    const answer = await this.#call(`/runtime.${this.#version}.RuntimeService/${method}`);
    if (answer.kind !== 'refused' || answer.status !== UNIMPLEMENTED || this.#version !== 'v1') return answer;
    const older = await this.#call(`/runtime.v1alpha2.RuntimeService/${method}`);
    if (older.kind === 'answered') this.#version = 'v1alpha2';
    return older;
  }

  #call(method: string, metadata: Readonly<Record<string, string>> = {}): Promise<GrpcAnswer> {
    return callGrpc({
      socketPath: this.socketPath,
      method,
      metadata,
      timeoutMs: this.#timeoutMs,
      maxOctets: MAX_ANSWER_OCTETS,
      signal: this.#abort.signal,
    });
  }
}

function garbage(method: string): EngineAnswer {
  return { kind: 'failed', reason: `no message in the answer to ${method}` };
}

/** ListPodSandboxResponse: the sandboxes by id, undefined where the octets are no such message. */
export function readSandboxes(
  message: Uint8Array,
  engine: 'containerd' | 'cri-o',
): Map<string, ListedContainer> | undefined {
  const sandboxes = new Map<string, ListedContainer>();
  const isWhole = eachMessage(message, 1, (pod) => {
    let id = '';
    let metadata: string[] | undefined = [];
    const reader = new ProtobufReader(pod);
    while (reader.next()) {
      if (reader.field === 1) id = reader.text();
      // PodSandboxMetadata: name, uid, namespace.
      else if (reader.field === 2) metadata = textsOf(reader.octets, 1, 2, 3);
    }
    if (reader.isInvalid || metadata === undefined) return false;
    const [name, podUid = '', podNamespace = ''] = metadata;
    if (isContainerId(id) && sandboxes.size < MAX_LISTED) {
      const parts = { name: 'POD', pod: name ?? '', podUid, podNamespace, isPodCertain: true, isSandbox: true };
      sandboxes.set(id, listedContainer(id, engine, parts));
    }
    return true;
  });
  return isWhole ? sandboxes : undefined;
}

/** ListContainersResponse, added to `listed`; false where the octets are no such message. */
export function readContainers(
  message: Uint8Array,
  engine: 'containerd' | 'cri-o',
  sandboxes: ReadonlyMap<string, ListedContainer>,
  listed: ListedContainer[],
): boolean {
  return eachMessage(message, 1, (container) => {
    let id = '';
    let sandboxId = '';
    let name: string | undefined = '';
    const reader = new ProtobufReader(container);
    while (reader.next()) {
      if (reader.field === 1) id = reader.text();
      else if (reader.field === 2) sandboxId = reader.text();
      // ContainerMetadata: name.
      else if (reader.field === 3) name = textsOf(reader.octets, 1)?.[0];
    }
    if (reader.isInvalid || name === undefined) return false;
    const sandbox = sandboxes.get(sandboxId);
    if (isContainerId(id) && listed.length < MAX_LISTED) {
      const { pod = '', podUid = '', podNamespace = '' } = sandbox ?? {};
      const parts = { name, pod, podUid, podNamespace, isPodCertain: true, networkId: sandboxId };
      listed.push(listedContainer(id, engine, parts));
    }
    return true;
  });
}

/** ListNamespacesResponse: their names, undefined where the octets are no such message. */
export function readNamespaces(message: Uint8Array): string[] | undefined {
  const names: string[] = [];
  const isWhole = eachMessage(message, 1, (namespace) => {
    const name = textsOf(namespace, 1)?.[0];
    // What a header may hold, and containerd itself allows (identifiers).
    if (name !== undefined && /^[\w.-]{1,76}$/.test(name) && names.length < MAX_LISTED) names.push(name);
    return name !== undefined;
  });
  return isWhole ? names : undefined;
}

/** ListContainersResponse of containerd itself, added to `listed`; false where the octets are no such message. */
export function readNativeContainers(message: Uint8Array, namespace: string, listed: ListedContainer[]): boolean {
  return eachMessage(message, 1, (container) => {
    let id = '';
    const labels = new Map<string, string>();
    const reader = new ProtobufReader(container);
    while (reader.next()) {
      if (reader.field === 1) id = reader.text();
      else if (reader.field === 2) {
        const label = textsOf(reader.octets, 1, 2);
        if (label === undefined) return false;
        labels.set(label[0]!, label[1]!);
      }
    }
    if (reader.isInvalid) return false;
    if (!isContainerId(id) || listed.length >= MAX_LISTED) return true;
    const label = (key: string) => labels.get(key) ?? '';
    // Elsewhere than among its own, Kubernetes' labels are what an image says.
    const isPod = namespace === KUBERNETES && label('io.cri-containerd.kind') !== '';
    const isSandbox = label('io.cri-containerd.kind') === 'sandbox';
    const kubernetes = isPod ? { ...kubernetesParts(label), isPodCertain: true, isSandbox } : {};
    const name = isPod && isSandbox ? { name: 'POD' } : {};
    listed.push(listedContainer(id, 'containerd', { engineName: label('nerdctl/name'), ...kubernetes, ...name }));
    return true;
  });
}

/** Gives each message in field `field` to `read`; false where the octets are no message or `read` says so. */
function eachMessage(message: Uint8Array, field: number, read: (message: Uint8Array) => boolean): boolean {
  const reader = new ProtobufReader(message);
  while (reader.next()) {
    if (reader.field === field && !read(reader.octets)) return false;
  }
  return !reader.isInvalid;
}
