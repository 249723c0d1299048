/** Datagrams the kernel dropped because a socket's receive buffer was full, from Linux' `/proc/net/udp` and `udp6`. */

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** Columns of `/proc/net/udp`, counted from 0 (Linux, `udp4_format_sock`). */
const COLUMN_LOCAL_ADDRESS = 1;
const COLUMN_INODE = 9;
const COLUMN_DROPS = 12;

/**
 * Inode of this process's UDP socket bound to `port`, which is its name in `/proc`; undefined where there is no `/proc`, or where
 * two sockets of this process share the port and `address` does not tell them apart. Those in `before` are not looked at.
 */
export function findSocketInode(
  family: 'udp4' | 'udp6',
  address: string,
  port: number,
  before?: ReadonlySet<string>,
): string | undefined {
  const own = ownSocketInodes();
  const endsWithPort = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const wanted = family === 'udp4' ? hexOfIPv4(address) : address === '::' ? '0'.repeat(32) : '';
  let found: string | undefined;
  let isAmbiguous = false;
  for (const columns of socketRows(family)) {
    const local = columns[COLUMN_LOCAL_ADDRESS] ?? '';
    const inode = columns[COLUMN_INODE] ?? '';
    if (!local.endsWith(endsWithPort) || !own.has(inode) || before?.has(inode) === true) continue;
    if (wanted !== '' && local === wanted + endsWithPort) return inode;
    isAmbiguous = found !== undefined;
    found = inode;
  }
  return isAmbiguous ? undefined : found;
}

/** Datagrams dropped at the socket since it was opened; undefined when it is not in `/proc` (any more). */
export function readKernelDrops(family: 'udp4' | 'udp6', inode: string): number | undefined {
  for (const columns of socketRows(family)) {
    if (columns[COLUMN_INODE] !== inode) continue;
    const drops = Number(columns[COLUMN_DROPS]);
    return Number.isInteger(drops) ? drops : undefined;
  }
  return undefined;
}

function socketRows(family: 'udp4' | 'udp6'): string[][] {
  try {
    const text = readFileSync(family === 'udp4' ? '/proc/net/udp' : '/proc/net/udp6', 'latin1');
    return text
      .split('\n')
      .slice(1)
      .map((row) => row.trim().split(/\s+/));
  } catch {
    return [];
  }
}

/** Inodes of all sockets of this process now; none where there is no `/proc`. */
export function ownSocketInodes(): Set<string> {
  const inodes = new Set<string>();
  let names: string[] = [];
  try {
    names = readdirSync('/proc/self/fd');
  } catch {
    return inodes;
  }
  for (const name of names) {
    try {
      const match = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${name}`));
      if (match?.[1] !== undefined) inodes.add(match[1]);
    } catch {
      // Closed since the directory was listed: not ours to look for.
    }
  }
  return inodes;
}

/** An IPv4 address as `/proc` writes it: the 32-bit number in the host's byte order, which is little-endian wherever node runs today. */
function hexOfIPv4(address: string): string {
  let text = '';
  for (const part of address.split('.')) text = Number(part).toString(16).toUpperCase().padStart(2, '0') + text;
  return text;
}
