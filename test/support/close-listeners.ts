/** Which network namespaces the tools of an agent hear closes in: what is over before they do, it may never know of. */

import { readdirSync, readFileSync, statSync } from 'node:fs';

/** Inode of the network namespace of the tests. */
export const OWN_NAMESPACE = namespaceOf('self');

/** Inode of the network namespace of a name of `ip netns`. */
export function namedNamespace(name: string): number {
  return statSync(`/run/netns/${name}`).ino;
}

/** Inodes of those in which a descendant of `pid` has the kernel tell it of sockets that it destroys (sock_diag(7)). */
export function namespacesHeard(pid: number): Set<number> {
  const heard = new Set<number>();
  for (const each of descendants(pid)) {
    try {
      // Protocol 4 is NETLINK_SOCK_DIAG; behind it stand who has the socket and the groups that it is in.
      const isListening = new RegExp(`^\\S+\\s+4\\s+${each}\\s+(?!00000000)`, 'm');
      if (isListening.test(readFileSync(`/proc/${each}/net/netlink`, 'latin1'))) heard.add(namespaceOf(each));
    } catch {
      // It has ended.
    }
  }
  return heard;
}

function namespaceOf(pid: number | 'self'): number {
  return statSync(`/proc/${pid}/ns/net`).ino;
}

function descendants(pid: number): number[] {
  try {
    const tasks = readdirSync(`/proc/${pid}/task`);
    const children = tasks
      .map((task) => readFileSync(`/proc/${pid}/task/${task}/children`, 'latin1'))
      .flatMap((text) => text.split(' ').filter((word) => word !== ''));
    return children.flatMap((child) => [Number(child), ...descendants(Number(child))]);
  } catch {
    return [];
  }
}
