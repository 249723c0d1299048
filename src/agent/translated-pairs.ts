import type { AgentFlow } from './agent-flow.ts';
import { type FlowEnd, isLoopback, isUnspecified } from './flow-end.ts';
import type { IsListening } from './flow-roles.ts';

const TCP = 6;

/** Two flows with one end each that are the same one. */
export interface TranslatedPair {
  readonly client: AgentFlow;
  readonly server: AgentFlow;
}

/** A flow of which one end alone is known. */
interface OneEnd {
  readonly flow: AgentFlow;
  readonly end: FlowEnd;
  readonly isServer: boolean;
}

/**
 * Finds ends of connections of which one address was translated on the way, or that answer by a socket without an address of its own. Where the
 * destination was, as published ports of containers are, the source is the same on both sides; where the source was, as a container's is to another
 * engine's network, the destination and the source's port are. Only where one pair alone is possible, and before anything is
 * reported of it.
 */
export function translatedPairs(flows: Iterable<AgentFlow>, isListening: IsListening): TranslatedPair[] {
  const singles: OneEnd[] = [];
  for (const flow of flows) {
    const [end, second] = flow.ends;
    if (flow.isReported || end === undefined || second !== undefined) continue;
    singles.push({ flow, end, isServer: isServerEnd(end, isListening) });
  }
  const pairs = pairsBy(singles, source);
  if (pairs.length === singles.length / 2) return pairs;
  const joined = new Set(pairs.flatMap(({ client, server }) => [client, server]));
  const rest = singles.filter(({ flow }) => !joined.has(flow));
  return [...pairs, ...pairsBy(rest, destination)];
}

/** The pairs of a client and a server that alone have the same key; `''` is none. */
function pairsBy(singles: readonly OneEnd[], keyOf: (single: OneEnd) => string): TranslatedPair[] {
  const servers = new Map<string, OneEnd | undefined>();
  const clients = new Map<string, OneEnd | undefined>();
  for (const single of singles) {
    const key = keyOf(single);
    if (key === '') continue;
    const known = single.isServer ? servers : clients;
    known.set(key, known.has(key) ? undefined : single);
  }
  const pairs: TranslatedPair[] = [];
  for (const [key, server] of servers) {
    const client = clients.get(key);
    if (client !== undefined && server !== undefined && mayBeOne(client.end, server.end))
      pairs.push({ client: client.flow, server: server.flow });
  }
  return pairs;
}

function source({ end, isServer }: OneEnd): string {
  const address = isServer ? end.remoteAddress : end.localAddress;
  // Another host's in every namespace.
  if (isLoopback(address)) return '';
  return `${end.protocol} ${address} ${isServer ? end.remotePort : end.localPort}`;
}

/** The port of the source, too: whoever translates addresses keeps ports where they are free. */
function destination({ end, isServer }: OneEnd): string {
  const { protocol, localAddress, localPort, remoteAddress, remotePort } = end;
  if (isLoopback(localAddress) || isLoopback(remoteAddress)) return '';
  return isServer
    ? `${protocol} ${localAddress} ${localPort} ${remotePort}`
    : `${protocol} ${remoteAddress} ${remotePort} ${localPort}`;
}

function isServerEnd({ role, namespace, protocol, localPort }: FlowEnd, isListening: IsListening): boolean {
  return role === 'server' || (protocol === TCP && isListening(namespace, protocol, localPort));
}

function mayBeOne(client: FlowEnd, server: FlowEnd): boolean {
  if (isUnspecified(server.localAddress)) return client.remotePort === server.localPort;
  return client.namespace !== server.namespace;
}
