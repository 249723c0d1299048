/** Who runs a container. */
export type ContainerEngine = 'docker' | 'podman' | 'containerd' | 'cri-o' | 'unknown';

/** A container, by its id and by the names its engine or Kubernetes gives it. */
export interface ContainerInfo {
  /** Its whole id, 64 hexadecimal digits, or what an engine uses instead; `''` where only the pod is known. */
  readonly id: string;
  /** Its first twelve digits: what engines print; `''` as well. */
  readonly shortId: string;
  readonly engine: ContainerEngine;
  /** Name within its engine or pod; `''` while unknown. */
  readonly name: string;
  /** Pod, `''` where it is in none that is known. */
  readonly pod: string;
  /** Namespace of the pod, `''` where unknown. */
  readonly podNamespace: string;
}
