import type { AgentFlow } from './agent-flow.ts';
import { type FlowEnd, isLoopback, isUnspecified } from './flow-end.ts';
import type { IsListening } from './flow-roles.ts';

const TCP = 6;

/** Two flows with one end each that are the same one. */
export interface TranslatedPair {
  readonly client: AgentFlow;
  readonly server: AgentFlow;
}

/**
 * Finds ends of connections whose destination was translated on the way, as containers' published ports are, or that answer by a socket without
 * an address of its own: the source is the same on both sides. Only where one pair alone is possible, and before anything is
 * reported of it.
 */
export function translatedPairs(flows: Iterable<AgentFlow>, isListening: IsListening): TranslatedPair[] {
  const servers = new Map<string, AgentFlow | undefined>();
  const clients = new Map<string, AgentFlow | undefined>();
  for (const flow of flows) {
    const [end, second] = flow.ends;
    if (flow.isReported || end === undefined || second !== undefined) continue;
    const isServer = isServerEnd(end, isListening);
    const address = isServer ? end.remoteAddress : end.localAddress;
    // Another host's in every namespace.
    if (isLoopback(address)) continue;
    const source = `${end.protocol} ${address} ${isServer ? end.remotePort : end.localPort}`;
    const known = isServer ? servers : clients;
    known.set(source, known.has(source) ? undefined : flow);
  }
  const pairs: TranslatedPair[] = [];
  for (const [source, server] of servers) {
    const client = clients.get(source);
    if (client !== undefined && server !== undefined && mayBeOne(client.ends[0]!, server.ends[0]!))
      pairs.push({ client, server });
  }
  return pairs;
}

function isServerEnd({ role, namespace, protocol, localPort }: FlowEnd, isListening: IsListening): boolean {
  return role === 'server' || (protocol === TCP && isListening(namespace, protocol, localPort));
}

function mayBeOne(client: FlowEnd, server: FlowEnd): boolean {
  if (isUnspecified(server.localAddress)) return client.remotePort === server.localPort;
  return client.namespace !== server.namespace;
}
