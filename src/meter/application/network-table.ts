import type { ServiceDefinition } from './service-table.ts';

/** IPv4 address → service, by networks that do not overlap. */
export class NetworkTable {
  private readonly starts: Uint32Array;
  private readonly ends: Uint32Array;
  private readonly applications: Uint16Array;
  /** A bit for each value of an address' upper half: whether any network has such addresses. Few have. */
  private readonly halves = new Uint8Array(8192);

  constructor(services: readonly ServiceDefinition[]) {
    const rows = services
      .flatMap(({ l7Protocol, networks = [] }) => networks.map((network) => ({ l7Protocol, ...rangeOf(network) })))
      .sort((a, b) => a.start - b.start);
    this.starts = Uint32Array.from(rows, ({ start }) => start);
    this.ends = Uint32Array.from(rows, ({ end }) => end);
    this.applications = Uint16Array.from(rows, ({ l7Protocol }) => l7Protocol);
    for (const { start, end } of rows) {
      for (let half = start >>> 16; half <= end >>> 16; half++) this.halves[half >> 3]! |= 1 << (half & 7);
    }
  }

  /** nDPI's number of the service that `address`, unsigned, belongs to; 0 for none. */
  find(address: number): number {
    if ((this.halves[address >>> 19]! & (1 << ((address >>> 16) & 7))) === 0) return 0;
    let low = 0;
    let high = this.starts.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.starts[middle]! <= address) low = middle + 1;
      else high = middle;
    }
    return low > 0 && address <= this.ends[low - 1]! ? this.applications[low - 1]! : 0;
  }
}

/** First and last address of `a.b.c.d/length`. */
function rangeOf(network: string): { readonly start: number; readonly end: number } {
  const [address, length] = network.split('/') as [string, string];
  const start = address.split('.').reduce((sum, octet) => sum * 256 + Number(octet), 0);
  return { start, end: start + 2 ** (32 - Number(length)) - 1 };
}
