import { lower } from './octet-text.ts';

/** A service that is told by the name of its hosts, or by their addresses where no name is seen. */
export interface ServiceDefinition {
  /** nDPI's name. */
  readonly name: string;
  /** nDPI's number. */
  readonly l7Protocol: number;
  /** Domains, in lower case: each stands for itself and all below it. */
  readonly domains: readonly string[];
  /** IPv4 networks of its own, `a.b.c.d/length`; those of all services overlap nowhere. */
  readonly networks?: readonly string[];
}

const DOT = 0x2e;
const HASH_SEED = 0x811c9dc5;
const HASH_PRIME = 0x01000193;

/**
 * Host name → service by the longest domain that ends it. Looked up in the octets of a packet, from the last letter to the
 * first: one pass, no strings.
 */
export class ServiceTable {
  /** Names by number. */
  readonly names: ReadonlyMap<number, string>;
  private readonly mask: number;
  private readonly domains: (Uint8Array | undefined)[];
  private readonly applications: Uint16Array;

  constructor(services: readonly ServiceDefinition[]) {
    this.names = new Map(services.map(({ l7Protocol, name }) => [l7Protocol, name]));
    const rows = services.flatMap(({ l7Protocol, domains }) => domains.map((domain) => ({ l7Protocol, domain })));
    const size = 2 ** Math.ceil(Math.log2(Math.max(rows.length * 2, 16)));
    this.mask = size - 1;
    this.domains = new Array<Uint8Array | undefined>(size).fill(undefined);
    this.applications = new Uint16Array(size);
    for (const { l7Protocol, domain } of rows) {
      const octets = Uint8Array.from(Buffer.from(domain, 'latin1'));
      let at = hashOf(octets, 0, octets.length) & this.mask;
      while (this.domains[at] !== undefined) at = (at + 1) & this.mask;
      this.domains[at] = octets;
      this.applications[at] = l7Protocol;
    }
  }

  /** nDPI's number of the service whose host is named `octets[start, end)`; 0 for none. */
  find(octets: Uint8Array, start: number, end: number): number {
    let found = 0;
    let hash = HASH_SEED;
    for (let at = end - 1; at >= start; at--) {
      const octet = lower(octets[at]!);
      hash = Math.imul(hash ^ octet, HASH_PRIME);
      if (at === start || octets[at - 1] === DOT) found = this.lookUp(octets, at, end, hash) || found;
    }
    return found;
  }

  private lookUp(octets: Uint8Array, start: number, end: number, hash: number): number {
    for (let at = hash & this.mask; ; at = (at + 1) & this.mask) {
      const domain = this.domains[at];
      if (domain === undefined) return 0;
      if (isSame(domain, octets, start, end)) return this.applications[at]!;
    }
  }
}

function hashOf(octets: Uint8Array, start: number, end: number): number {
  let hash = HASH_SEED;
  for (let at = end - 1; at >= start; at--) hash = Math.imul(hash ^ octets[at]!, HASH_PRIME);
  return hash;
}

function isSame(domain: Uint8Array, octets: Uint8Array, start: number, end: number): boolean {
  if (domain.length !== end - start) return false;
  for (let i = 0; i < domain.length; i++) if (domain[i] !== lower(octets[start + i]!)) return false;
  return true;
}
