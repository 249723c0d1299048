import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';

/** How this host is known to others. */
export interface HostAddresses {
  /** Address of the interface that the default route leaves by; else the first that is not the host's alone. */
  readonly address: string;
  /** All that are not the host's alone. */
  readonly all: readonly string[];
}

const LOOPBACK = '127.0.0.1';
/** RTF_UP of linux/route.h. */
const IS_UP = 1;

/** Addresses of the own network namespace. `procRoot` is where proc is mounted. */
export function hostAddresses(procRoot = '/proc', interfaces = networkInterfaces()): HostAddresses {
  const all: string[] = [];
  const onDefault: string[] = [];
  const defaults = [defaultIPv4(`${procRoot}/net/route`), defaultIPv6(`${procRoot}/net/ipv6_route`)];
  for (const [name, addresses] of Object.entries(interfaces)) {
    for (const { address, internal, family } of addresses ?? []) {
      if (internal || address.startsWith('fe80:')) continue;
      all.push(address);
      if (name === defaults[family === 'IPv4' ? 0 : 1]) onDefault.push(address);
    }
  }
  const isIPv4 = (address: string): boolean => !address.includes(':');
  const address = onDefault.find(isIPv4) ?? onDefault[0] ?? all.find(isIPv4) ?? all[0] ?? LOOPBACK;
  return { address, all };
}

/** Interface of the default route, from a table as proc_net(5) gives it. */
function defaultIPv4(path: string): string | undefined {
  for (const row of rowsOf(path)) {
    const [name, destination, , flags, , , , mask] = row;
    if (destination === '00000000' && mask === '00000000' && (Number.parseInt(flags ?? '0', 16) & IS_UP) !== 0)
      return name;
  }
  return undefined;
}

function defaultIPv6(path: string): string | undefined {
  for (const row of rowsOf(path)) {
    const [destination, prefixBits, , , , , , , , name] = row;
    if (destination !== undefined && /^0{32}$/.test(destination) && prefixBits === '00' && name !== 'lo') return name;
  }
  return undefined;
}

function rowsOf(path: string): string[][] {
  try {
    return readFileSync(path, 'latin1')
      .split('\n')
      .map((line) => line.trim().split(/\s+/));
  } catch {
    return [];
  }
}
