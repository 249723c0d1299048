import { type EndTuple, isLoopback, isUnspecified } from './flow-end.ts';

/** Addresses by which a namespace is reached; `''` while none is known. */
interface Addresses {
  ipv4: string;
  ipv6: string;
}

/**
 * Which address a socket sends from that has none of its own: a UDP socket that is not connected. The kernel chooses one for each datagram and
 * tells it to nobody; of a namespace with one address, as containers have, it is that one.
 */
export class LocalAddresses {
  /** Of each namespace, as its other sockets show. */
  private readonly seen = new Map<number, Addresses>();
  private readonly own: Addresses;
  private ownNamespace = 0;

  /** `hostAddresses` are those of the own namespace, the likelier ones first. */
  constructor(hostAddresses: readonly string[]) {
    this.own = {
      ipv4: hostAddresses.find((address) => !address.includes(':')) ?? '',
      ipv6: hostAddresses.find((address) => address.includes(':')) ?? '',
    };
  }

  /** Takes the namespaces there are; others are forgotten. */
  setNamespaces(namespaces: ReadonlySet<number>, own: number): void {
    this.ownNamespace = own;
    for (const namespace of this.seen.keys()) if (!namespaces.has(namespace)) this.seen.delete(namespace);
  }

  /** Learns from a socket that has an address. */
  learn({ namespace, localAddress }: EndTuple): void {
    if (namespace === this.ownNamespace || isLoopback(localAddress) || isUnspecified(localAddress)) return;
    let addresses = this.seen.get(namespace);
    if (addresses === undefined) {
      addresses = { ipv4: '', ipv6: '' };
      this.seen.set(namespace, addresses);
    }
    if (localAddress.includes(':')) addresses.ipv6 = localAddress;
    else addresses.ipv4 = localAddress;
  }

  /** The tuple with the address that its socket sends from, as far as that is known. */
  complete<Tuple extends EndTuple>(tuple: Tuple): Tuple {
    const { namespace, localAddress, remoteAddress } = tuple;
    if (!isUnspecified(localAddress) || isUnspecified(remoteAddress)) return tuple;
    const isIPv6 = remoteAddress.includes(':');
    const addresses = namespace === this.ownNamespace ? this.own : this.seen.get(namespace);
    const known = isIPv6 ? addresses?.ipv6 : addresses?.ipv4;
    const address = isLoopback(remoteAddress) ? (isIPv6 ? '::1' : '127.0.0.1') : (known ?? '');
    return address === '' ? tuple : { ...tuple, localAddress: address };
  }
}
