/** Where points of time series go. */
export interface PointOutput {
  /**
   * Takes whole lines of InfluxDB line protocol with times in nanoseconds: `octets` from `start` to `end`, `count` lines, each
   * with its line feed. Copies what it keeps: the octets are the caller's again when this returns.
   */
  writeLines(octets: Uint8Array, start: number, end: number, count: number): void;
}
