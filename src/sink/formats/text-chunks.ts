/** Constant text as the doubles whose bits it is, eight octets each, filled up with spaces. Text is ASCII, of which no eight octets are a NaN. */
export interface TextChunks {
  readonly chunks: Float64Array;
  /** Octets of the text. */
  readonly length: number;
}

/** Cuts ASCII text into what is written with one `setFloat64` each: twice as fast as 32-bit stores. */
export function textChunks(text: string): TextChunks {
  return { chunks: octetChunks(new TextEncoder().encode(text)), length: text.length };
}

/**
 * Octets as the doubles of the same bits, the last filled up with spaces: never the bits of a NaN, whose octets might change. `isLittleEndian` as of the
 * `setFloat64` that writes them.
 */
export function octetChunks(octets: Uint8Array, isLittleEndian = false): Float64Array {
  const chunks = new Float64Array(Math.ceil(octets.length / 8));
  const padded = new Uint8Array(chunks.length * 8).fill(0x20);
  padded.set(octets);
  const view = new DataView(padded.buffer);
  for (let i = 0; i < chunks.length; i++) chunks[i] = view.getFloat64(8 * i, isLittleEndian);
  return chunks;
}
