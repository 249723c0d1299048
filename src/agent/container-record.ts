import type { PlainValue } from '../flow/flow.ts';
import type { AgentDialect } from './agent-event-record.ts';
import type { ContainerInfo } from './container-info.ts';
import { clipped } from './record-texts.ts';

/** A container as agents name it: `DOCKER` for any engine, `KUBE` where it is in a pod; ntopng 4 and 5 look for `K8S`, and for the id beside it. */
export function containerRecord(container: ContainerInfo, dialect: AgentDialect): PlainValue {
  const { shortId, name, pod, podNamespace } = container;
  const id = shortId === '' ? {} : { ID: shortId };
  const named = {
    ...(name !== '' && { NAME: clipped(name) }),
    ...(pod !== '' && { POD: clipped(pod) }),
    ...(podNamespace !== '' && { NS: clipped(podNamespace) }),
  };
  if (dialect === 'ntopng') return { ...id, [pod === '' ? 'DOCKER' : 'K8S']: named };
  return { [pod === '' ? 'DOCKER' : 'KUBE']: { ...id, ...named } };
}

/** Whose a network is that these use: the container's where it is one, their pod's without any id where they are several. */
export function sharedContainer(containers: readonly ContainerInfo[]): ContainerInfo | undefined {
  const [first, second] = containers;
  if (first === undefined || second === undefined) return first;
  const isPod = first.pod !== '' && containers.every(({ pod }) => pod === first.pod);
  return isPod ? { ...first, id: '', shortId: '', name: '' } : undefined;
}
