/** Constant text as the doubles whose bits it is, eight octets each, filled up with spaces. Text is ASCII, of which no eight octets are a NaN. */
export interface TextChunks {
  readonly chunks: Float64Array;
  /** Octets of the text. */
  readonly length: number;
}

/** Cuts ASCII text into what is written with one `setFloat64` each: twice as fast as 32-bit stores. */
export function textChunks(text: string): TextChunks {
  const { length } = text;
  const octets = new TextEncoder().encode(text.padEnd(8 * Math.ceil(length / 8)));
  const view = new DataView(octets.buffer);
  return { chunks: Float64Array.from({ length: octets.length / 8 }, (_, i) => view.getFloat64(8 * i)), length };
}
