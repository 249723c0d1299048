/** Cuts what comes in pieces into lines, and leaves out those that get too long before they end. */
export class LineReader {
  readonly #longest: number;
  readonly #take: (line: string) => void;
  #rest = '';
  #isSkipping = false;

  /** Hands lines to `take`, without their newlines, an octet each character; no more than `longest` octets are kept of one to come. */
  constructor(longest: number, take: (line: string) => void) {
    this.#longest = longest;
    this.#take = take;
  }

  /** Takes the next octets; returns how many lines turned out too long. */
  push(octets: Buffer): number {
    const lines = (this.#rest + octets.toString('latin1')).split('\n');
    this.#rest = lines.pop() ?? '';
    let tooLong = 0;
    for (const line of lines) {
      if (this.#isSkipping) this.#isSkipping = false;
      else this.#take(line);
    }
    if (this.#rest.length > this.#longest) {
      if (!this.#isSkipping) tooLong++;
      this.#isSkipping = true;
      this.#rest = '';
    }
    return tooLong;
  }
}
