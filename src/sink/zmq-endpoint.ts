/** Where a feed goes, as it is written on the command line. */

/** One end of a feed. */
export interface ZmqEndpoint {
  /** As ZeroMQ wants it: `tcp://*:5556`. */
  readonly address: string;
  /** Whether the other end is waited for there, rather than called. */
  readonly isBound: boolean;
}

/**
 * Reads `tcp://HOST:PORT`, with a `c` behind it where the collector binds and is to be called. `zmq://` means `tcp://`, as it
 * does to ntopng.
 */
export function parseZmqEndpoint(text: string, connects: boolean): ZmqEndpoint {
  const address = text.replace(/^zmq:/, 'tcp:');
  const hasSuffix = /^tcp:.*[0-9]c$/.test(address);
  return { address: hasSuffix ? address.slice(0, -1) : address, isBound: !connects && !hasSuffix };
}
