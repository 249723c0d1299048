import type { Flow } from '../flow/flow.ts';

/** Finds out which application a flow of the cache is of. Slots are those of the flow cache. */
export interface ApplicationDetector {
  /** Whether further payload of this flow is of use: packets of other flows are not handed over. */
  wants(slot: number): boolean;
  /** One packet's transport payload, octets[start,end), maybe empty. direction: 0 from client, 1 from server. sequence: TCP sequence number of its first octet, 0 for others. */
  onPayload(
    slot: number,
    protocol: number,
    clientPort: number,
    serverPort: number,
    direction: 0 | 1,
    octets: Uint8Array,
    view: DataView,
    start: number,
    end: number,
    sequence: number,
  ): void;
  /** Puts what was found into the flow (fields L7_PROTO, L7_PROTO_NAME, …) and says which optional fields it set. */
  write(slot: number, flow: Flow): void;
  /** Forgets the flow of a slot. */
  release(slot: number): void;
}
