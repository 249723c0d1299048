import type { ContainerEngine, ContainerInfo } from './container-info.ts';

/** A container as an engine or its files describe it. */
export interface ListedContainer extends ContainerInfo {
  /** Name that the engine itself gives it, whatever Kubernetes says. */
  readonly engineName: string;
  /** UID of its pod; `''` where it is in none. */
  readonly podUid: string;
  /**
   * Whether the engine vouches for the pod. Where it does not, the names come from labels, which an image may bring along: they count only for a
   * container that the cgroup of this pod holds.
   */
  readonly isPodCertain: boolean;
  /** Whether it only keeps the namespaces of its pod ("pause"). */
  readonly isSandbox: boolean;
  /** Id of the container whose network namespace it uses: its own where that is its own. */
  readonly networkId: string;
}

/** What one question to an engine came to; `absent`: nothing is there to be asked. */
export type EngineAnswer =
  | { readonly kind: 'listed'; readonly containers: readonly ListedContainer[] }
  | { readonly kind: 'absent' }
  | { readonly kind: 'failed'; readonly reason: string };

/** Something that lists containers. */
export interface EngineClient {
  /** The socket it asks. */
  readonly socketPath: string;
  /** All containers now. Does not reject. */
  list(): Promise<EngineAnswer>;
  /** Ends whatever is under way. */
  close(): void;
}

/** Names beyond this many characters are cut: Kubernetes has at most 253. */
export const MAX_NAME_LENGTH = 255;

/** Containers taken of one list. */
export const MAX_LISTED = 65_536;

const ID = /^[0-9a-f]{64}$/;

/** Whether `text` is the id of a container as all engines here make them. */
export function isContainerId(text: unknown): text is string {
  return typeof text === 'string' && ID.test(text);
}

/** Parts of a container that have a sensible default. */
export interface ContainerParts {
  readonly engineName?: string;
  readonly name?: string;
  readonly pod?: string;
  readonly podNamespace?: string;
  readonly podUid?: string;
  readonly isPodCertain?: boolean;
  readonly isSandbox?: boolean;
  readonly networkId?: string;
}

/** Puts a container together: names are cut, the name in a pod is given before the engine's. `id` is one by {@link isContainerId}. */
export function listedContainer(id: string, engine: ContainerEngine, parts: ContainerParts): ListedContainer {
  const engineName = bounded(parts.engineName);
  return {
    id,
    shortId: id.slice(0, 12),
    engine,
    name: bounded(parts.name) || engineName,
    pod: bounded(parts.pod),
    podNamespace: bounded(parts.podNamespace),
    engineName,
    podUid: bounded(parts.podUid),
    isPodCertain: parts.isPodCertain ?? false,
    isSandbox: parts.isSandbox ?? false,
    networkId: isContainerId(parts.networkId) ? parts.networkId : id,
  };
}

/** Names that kubelet writes on containers, as labels or annotations (k8s.io/kubernetes, pkg/kubelet/types/labels.go). */
export function kubernetesParts(label: (key: string) => string): ContainerParts {
  return {
    name: label('io.kubernetes.container.name'),
    pod: label('io.kubernetes.pod.name'),
    podNamespace: label('io.kubernetes.pod.namespace'),
    podUid: label('io.kubernetes.pod.uid'),
    // Without a pod it would keep the namespaces of none.
    isSandbox: label('io.kubernetes.docker.type') === 'podsandbox' && label('io.kubernetes.pod.name') !== '',
  };
}

/** Reads text out of an object that JSON gave; `''` for whatever else is there. */
export function textOf(object: unknown, key: string): string {
  const value = isObject(object) ? object[key] : undefined;
  return typeof value === 'string' ? value : '';
}

/** Whether JSON gave an object or an array. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function bounded(text: string | undefined): string {
  return text === undefined ? '' : text.slice(0, MAX_NAME_LENGTH);
}
