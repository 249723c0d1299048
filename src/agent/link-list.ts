import { isObject, textOf } from './listed-container.ts';

/** What is counted of a link (struct rtnl_link_stats64). Dropped ones out of /proc/net/dev include those missed for want of room. */
export interface LinkCounters {
  /** Octets, link-layer headers included. */
  readonly octetsReceived: number;
  readonly packetsReceived: number;
  readonly errorsReceived: number;
  readonly dropsReceived: number;
  /** Octets, link-layer headers included. */
  readonly octetsSent: number;
  readonly packetsSent: number;
  readonly errorsSent: number;
  readonly dropsSent: number;
}

/** A link as `ip -j link` prints it. */
export interface Link extends LinkCounters {
  readonly name: string;
  /** ifIndex. */
  readonly index: number;
  /** IFF_UP and a carrier. */
  readonly isUp: boolean;
  /** Link-layer address as printed. */
  readonly address: string;
  /** Index of its peer, or of the link it is made on, in the namespace of that; 0 for none. */
  readonly peerIndex: number;
  /** Whether that is another namespace. */
  readonly isPeerElsewhere: boolean;
  /** Number of that namespace in this one (link_netnsid); -1 where it is this one. */
  readonly peerNamespace: number;
}

/** Links taken of one list. */
const MAX_LINKS = 65_536;

/** What `ip -j [-s] link` (iproute2) printed; undefined where it is no list. What is no link in it is passed over. */
export function readLinks(output: string): Link[] | undefined {
  let list: unknown;
  try {
    // Some versions print nothing at all for no links.
    list = output.trim() === '' ? [] : JSON.parse(output);
  } catch {
    return undefined;
  }
  if (!Array.isArray(list)) return undefined;
  const links: Link[] = [];
  for (const link of list.slice(0, MAX_LINKS)) {
    const index = countOf(link, 'ifindex');
    if (!isObject(link) || index === 0) continue;
    const isPeerElsewhere = countOf(link, 'link_index') !== 0 && Object.hasOwn(link, 'link_netnsid');
    const flags = Array.isArray(link['flags']) ? link['flags'] : [];
    const counters = isObject(link['stats64']) ? link['stats64'] : {};
    const { rx, tx } = counters;
    links.push({
      name: textOf(link, 'ifname'),
      index,
      isUp: flags.includes('UP') && flags.includes('LOWER_UP'),
      address: textOf(link, 'address'),
      peerIndex: countOf(link, 'link_index'),
      isPeerElsewhere,
      peerNamespace: isPeerElsewhere ? countOf(link, 'link_netnsid') : -1,
      octetsReceived: countOf(rx, 'bytes'),
      packetsReceived: countOf(rx, 'packets'),
      errorsReceived: countOf(rx, 'errors'),
      dropsReceived: countOf(rx, 'dropped'),
      octetsSent: countOf(tx, 'bytes'),
      packetsSent: countOf(tx, 'packets'),
      errorsSent: countOf(tx, 'errors'),
      dropsSent: countOf(tx, 'dropped'),
    });
  }
  return links;
}

/**
 * Numbers that a namespace gives others (ip-netns(8)), by inode, out of what `lsns -J -t net -o NS,NETNSID` (util-linux) printed in it; those that
 * have none there, or whose process went away meanwhile, are left out. Undefined where it is no such list.
 */
export function readNamespaceNumbers(output: string): ReadonlyMap<number, number> | undefined {
  let list: unknown;
  try {
    list = JSON.parse(output);
  } catch {
    return undefined;
  }
  const namespaces = isObject(list) ? list['namespaces'] : undefined;
  if (!Array.isArray(namespaces)) return undefined;
  const numbers = new Map<number, number>();
  for (const namespace of namespaces.slice(0, MAX_LINKS)) {
    // Numbers or texts, as versions have it.
    const number = Number(textOrNumber(namespace, 'netnsid'));
    const inode = Number(textOrNumber(namespace, 'ns'));
    if (Number.isInteger(inode) && Number.isInteger(number)) numbers.set(inode, number);
  }
  return numbers;
}

/**
 * The interfaces of /proc/net/dev (proc(5)). It has no ifIndex: that is taken from /proc/net/igmp and /proc/net/if_inet6, 0 where neither
 * knows the interface.
 */
export function readNetDev(
  dev: string,
  igmp: string,
  ipv6: string,
): (LinkCounters & { name: string; index: number })[] {
  const indices = new Map<string, number>();
  for (const [, index, name] of ipv6.matchAll(/^[0-9a-f]{32} ([0-9a-f]+) \S+ \S+ \S+ +(\S+)$/gm)) {
    indices.set(name!, Number.parseInt(index!, 16));
  }
  for (const [, index, name] of igmp.matchAll(/^(\d+)\t(\S+) *: /gm)) indices.set(name!, Number(index));
  const interfaces = [];
  // A name may have a colon in it, numbers do not.
  for (const [, name, numbers] of dev.matchAll(/^ *(\S+): *(\d[\d ]*)$/gm)) {
    const values = numbers!.trim().split(/ +/).map(Number);
    if (values.length < 16 || interfaces.length >= MAX_LINKS) continue;
    const at = (i: number) => values[i]!;
    interfaces.push({
      name: name!,
      index: indices.get(name!) ?? 0,
      octetsReceived: at(0),
      packetsReceived: at(1),
      errorsReceived: at(2),
      dropsReceived: at(3),
      octetsSent: at(8),
      packetsSent: at(9),
      errorsSent: at(10),
      dropsSent: at(11),
    });
  }
  return interfaces;
}

/** A whole number of at least 0 out of an object that JSON gave; 0 for whatever else is there. */
function countOf(object: unknown, key: string): number {
  const value = isObject(object) ? object[key] : undefined;
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 ? value : 0;
}

/** A member that is a number or a text; NaN for whatever else is there. */
function textOrNumber(object: unknown, key: string): string | number {
  const value = isObject(object) ? object[key] : undefined;
  return typeof value === 'number' || (typeof value === 'string' && value !== '') ? value : Number.NaN;
}
