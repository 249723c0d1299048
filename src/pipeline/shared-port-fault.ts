import type { Configuration } from '../config/configuration.ts';
import { DEFAULT_LISTEN } from './listen-url.ts';

/** First versions of Node whose UDP sockets can share a port between threads (`reusePort` of node:dgram), by major version. */
const FIRST_MINOR: Readonly<Record<number, number>> = { 22: 12, 23: 1 };
const FIRST_MAJOR = 22;

/** Whether `version` of Node, as `process.versions.node` has it, can share one UDP port between threads. */
export function canSharePorts(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major >= FIRST_MAJOR && minor >= (FIRST_MINOR[major] ?? 0);
}

/** Why several threads cannot collect as configured, in one line; undefined when they can. */
export function sharedPortFault(configuration: Configuration, nodeVersion: string): string | undefined {
  const { listen, workers, zmq, export: destinations, influxdb, processes } = configuration;
  if (!canSharePorts(nodeVersion)) {
    return `--workers ${workers}: Node ${nodeVersion} cannot share one UDP port between threads; use Node 22.12 or later, or leave --workers out for one thread`;
  }
  if (zmq.length > 0) return `--workers ${workers}: a ZeroMQ feed comes from one thread; leave --workers or --zmq out`;
  if (destinations.length > 0)
    return `--workers ${workers}: an export comes from one thread; leave --workers or --export out`;
  if (influxdb.length > 0)
    return `--workers ${workers}: time series are made by one thread; leave --workers or --influxdb out`;
  const urls = listen.length === 0 ? [DEFAULT_LISTEN] : listen;
  if (processes)
    return `--workers ${workers}: one thread knows the owners of sockets; leave --workers or --processes out`;
  if (!urls.some((url) => url.startsWith('udp:'))) {
    return `--workers ${workers}: threads share UDP ports, and --listen names none; leave --workers out`;
  }
  return undefined;
}
