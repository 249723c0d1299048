import type { ContainerEngine } from './container-info.ts';

/** What a path in a cgroup hierarchy tells of the container it belongs to. */
export interface CgroupContainer {
  /** Its id, 64 hexadecimal digits. */
  readonly id: string;
  /** Engine that names directories so; `'unknown'` where several do. */
  readonly engine: ContainerEngine;
  /** UID of its pod as Kubernetes writes it; `''` where the path names none. */
  readonly podUid: string;
}

/** Text of a cgroup file that is looked at: a path is at most 4,096 octets (PATH_MAX), hierarchies are about a dozen. */
const MAX_TEXT = 64 * 1024;

/** The directory of a container, as one segment of the path: what stands before the id and the id. */
const CONTAINER = /^(?:(.*)([-:]))?([0-9a-f]{64})(?:\.scope)?$/;

/** The directory of a pod: cgroupfs writes `pod<uid>`, systemd writes underscores; a static pod's UID is 32 digits. */
const POD = /(?:^|-)pod([0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}|[0-9a-f]{32})(?:\.slice)?(?::|$)/;

/**
 * The container of a process by the text of its /proc/PID/cgroup (cgroups(7)), or undefined where it is in none. Version 2 is asked before the
 * hierarchies of version 1, since some engines leave one of them alone on hosts that have both. The monitor of a container (conmon) is none.
 */
export function containerOfCgroup(text: string): CgroupContainer | undefined {
  const lines = text.slice(0, MAX_TEXT).split('\n');
  const unified = lines.filter((line) => line.startsWith('0::'));
  for (const line of [...unified, ...lines]) {
    const path = line.slice(line.indexOf(':', line.indexOf(':') + 1) + 1);
    const container = path.startsWith('/') ? containerOfPath(path) : undefined;
    if (container !== undefined) return container;
  }
  return undefined;
}

/**
 * The container of a directory below the root of a cgroup hierarchy. The outermost counts: what is below was made inside, and a container may
 * call its own directories what it likes.
 */
export function containerOfPath(path: string): CgroupContainer | undefined {
  let podUid = '';
  let above = '';
  for (const segment of path.split('/')) {
    const pod = podUid === '' ? POD.exec(segment)?.[1] : undefined;
    if (pod !== undefined) podUid = pod.replaceAll('_', '-');
    const found = CONTAINER.exec(segment);
    if (found !== null) {
      const prefix = found[1] ?? '';
      if (prefix === 'libpod-conmon' || prefix === 'crio-conmon') return undefined;
      return { id: found[3]!, engine: engineOf(prefix, above), podUid };
    }
    if (segment !== '') above = segment;
  }
  return undefined;
}

/** The engine that puts `prefix` before an id, or the directory `above` over it. */
function engineOf(prefix: string, above: string): ContainerEngine {
  switch (prefix === '' ? above : prefix.slice(prefix.lastIndexOf(':') + 1)) {
    case 'docker':
      return 'docker';
    case 'libpod':
    case 'libpod_parent':
      return 'podman';
    case 'crio':
      return 'cri-o';
    case 'cri-containerd':
      return 'containerd';
    default:
      return 'unknown';
  }
}
