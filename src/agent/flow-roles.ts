import type { AgentFlow } from './agent-flow.ts';
import type { FlowEnd } from './flow-end.ts';

const UDP = 17;
/** Ports below are a server's (RFC 6335 section 6: system ports). */
const SYSTEM_PORTS = 1024;
/** Ports from here on are given to clients (ip_local_port_range of Linux as it comes). */
const EPHEMERAL_PORTS = 32_768;

/** Tells whether a socket listens on a port. */
export type IsListening = (namespace: number, protocol: number, port: number) => boolean;

/** Settles which end of a flow is the client: by who listens, by who connected or accepted, then by the ports. */
export function settleRoles(flow: AgentFlow, isListening: IsListening): void {
  const [first, second] = flow.ends as [FlowEnd, FlowEnd | undefined];
  const isServer = isServerEnd(first, second, isListening);
  flow.server = isServer ? first : second;
  flow.client = isServer ? second : first;
}

function isServerEnd(end: FlowEnd, other: FlowEnd | undefined, isListening: IsListening): boolean {
  const { localPort, remotePort, protocol } = end;
  const hasSystemPort = localPort < SYSTEM_PORTS !== remotePort < SYSTEM_PORTS;
  // An unconnected UDP socket may be anyone's.
  if (protocol === UDP && hasSystemPort) return localPort < SYSTEM_PORTS;
  if (protocol !== UDP) {
    const listens = isListening(end.namespace, protocol, localPort);
    const otherListens = other !== undefined && isListening(other.namespace, protocol, other.localPort);
    if (listens !== otherListens) return listens;
  }
  if (end.role !== 'unknown') return end.role === 'server';
  if (other !== undefined && other.role !== 'unknown') return other.role === 'client';
  if (protocol === UDP && other === undefined && isListening(end.namespace, protocol, localPort)) return true;
  // A socket on such a port on which nobody listens has connected, however low the other's is.
  if (protocol !== UDP && localPort >= EPHEMERAL_PORTS) return false;
  return localPort < remotePort;
}
