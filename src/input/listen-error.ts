import { getSystemErrorMap } from 'node:util';

/** The one error for a socket that cannot listen: where, why in words, and the system's code; the system's error is its cause. */
export function listenError(
  transport: 'udp' | 'tcp',
  address: string,
  port: number,
  cause: NodeJS.ErrnoException | string,
): Error {
  const host = address.includes(':') ? `[${address}]` : address;
  const where = `cannot listen on ${transport}://${host}:${port}`;
  if (typeof cause === 'string') return new Error(`${where}: ${cause}`);
  const text = typeof cause.errno === 'number' ? getSystemErrorMap().get(cause.errno)?.[1] : undefined;
  return new Error(`${where}: ${text ?? cause.message} (${cause.code ?? 'unknown'})`, { cause });
}

/** What is wrong with where to listen, in words; undefined when nothing is. */
export function listenAddressFault(family: number, port: number): string | undefined {
  if (family === 0) return 'not an IPv4 or IPv6 address';
  if (!Number.isInteger(port) || port < 0 || port > 65_535) return 'the port is not a number from 0 to 65535';
  return undefined;
}

/** An address as it is written elsewhere: IPv4 that came through an IPv6 socket, `::ffff:192.0.2.1`, without its prefix. */
export function plainAddress(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;
}
