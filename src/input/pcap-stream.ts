/** A pcap file as a stream, made of packets as they come (draft-ietf-opsawg-pcap). */

const HEADER_OCTETS = 24;
const RECORD_OCTETS = 16;
const MAGIC_MICROSECONDS = 0xa1b2c3d4;

/** Gathers packets and hands them on in large pieces. */
export class PcapStream {
  readonly #write: (octets: Uint8Array) => void;
  readonly #octets: Uint8Array;
  readonly #view: DataView;
  #length = HEADER_OCTETS;

  /** `write` must have done with the octets when it returns; they begin with the header of the file. */
  constructor(linkType: number, snapLength: number, write: (octets: Uint8Array) => void, octets = 1_048_576) {
    this.#write = write;
    this.#octets = new Uint8Array(octets);
    this.#view = new DataView(this.#octets.buffer);
    this.#view.setUint32(0, MAGIC_MICROSECONDS, true);
    this.#view.setUint16(4, 2, true);
    this.#view.setUint16(6, 4, true);
    this.#view.setUint32(16, snapLength, true);
    this.#view.setUint32(20, linkType, true);
  }

  /** Adds a packet of `capturedLength` octets; one that is larger than the buffer is left out. */
  add(packet: Uint8Array, capturedLength: number, originalLength: number, seconds: number, microseconds: number): void {
    const length = RECORD_OCTETS + capturedLength;
    if (this.#length + length > this.#octets.length) this.flush();
    if (length > this.#octets.length) return;
    const at = this.#length;
    this.#view.setUint32(at, seconds, true);
    this.#view.setUint32(at + 4, microseconds, true);
    this.#view.setUint32(at + 8, capturedLength, true);
    this.#view.setUint32(at + 12, originalLength, true);
    this.#octets.set(packet.subarray(0, capturedLength), at + RECORD_OCTETS);
    this.#length = at + length;
  }

  /** Hands on what there is. */
  flush(): void {
    if (this.#length === 0) return;
    this.#write(this.#octets.subarray(0, this.#length));
    this.#length = 0;
  }
}
