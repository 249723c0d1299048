/** Where to listen, taken apart. */
export interface ListenAddress {
  readonly transport: 'udp' | 'tcp';
  /** IPv4 or IPv6 address without brackets. */
  readonly address: string;
  readonly port: number;
}

/** Where `collect` listens when nothing is said: IANA gives no port to NetFlow, and this is the one everybody uses. */
export const DEFAULT_LISTEN = 'udp://[::]:2055';

/** Takes `udp://ADDRESS:PORT` apart; the configuration has checked its form. */
export function parseListenUrl(url: string): ListenAddress {
  const transport = url.startsWith('tcp://') ? 'tcp' : 'udp';
  return { transport, ...parseHostPort(url.slice('udp://'.length)) };
}

/** Takes `HOST:PORT` or `[IPV6]:PORT` apart. */
export function parseHostPort(text: string): { address: string; port: number } {
  const colon = text.lastIndexOf(':');
  const address = text.slice(0, colon).replace(/^\[(.*)\]$/, '$1');
  return { address, port: Number(text.slice(colon + 1)) };
}

/** Puts an address and a port together, as they are written in URLs. */
export function formatHostPort(address: string, port: number): string {
  return `${address.includes(':') ? `[${address}]` : address}:${port}`;
}
