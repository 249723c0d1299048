import type { PlainValue } from '../flow/flow.ts';
import type { FlowOwner } from './flow-owner.ts';
import type { SocketEntry } from './socket-entry.ts';

/** Ports told of at most, of each of the four kinds. */
const MAX_PORTS = 1024;

/** Collects the sockets of one look that wait for whoever comes, and makes the message of ntop's topic `listening-ports`. */
export class ListeningPorts {
  private readonly ports: Readonly<Record<'tcp4' | 'tcp6' | 'udp4' | 'udp6', Map<number, PlainValue>>> = {
    tcp4: new Map(),
    tcp6: new Map(),
    udp4: new Map(),
    udp6: new Map(),
  };

  /** Takes a socket that listens. */
  add({ protocol, localAddress, localPort }: SocketEntry, { process }: FlowOwner): void {
    const family = localAddress.includes(':') ? 6 : 4;
    const ports = this.ports[`${protocol === 6 ? 'tcp' : 'udp'}${family}`];
    if (process === undefined || ports.has(localPort) || ports.size >= MAX_PORTS) return;
    const { name, packageName } = process;
    ports.set(localPort, { port: localPort, proc: name, ...(packageName !== '' && { pkg: packageName }) });
  }

  /** The message of a host of this name and these addresses. */
  message(hostName: string, addresses: readonly string[]): PlainValue {
    const lists = Object.entries(this.ports).map(([kind, ports]) => [kind, [...ports.values()]]);
    return {
      'instance-name': hostName,
      'ip-addresses': addresses,
      'listening-ports': Object.fromEntries(lists) as PlainValue,
    };
  }
}
