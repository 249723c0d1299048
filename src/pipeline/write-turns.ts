/** Whose turn it is at each pipe or terminal: whoever asked first, until it gives it on. */
export class TurnQueue<Taker> {
  readonly #takers = new Map<string, Taker[]>();
  readonly #onTurn: (taker: Taker, destination: string) => void;

  /** `onTurn` is called as each one's turn comes. */
  constructor(onTurn: (taker: Taker, destination: string) => void) {
    this.#onTurn = onTurn;
  }

  /** Asks for a turn. */
  take(taker: Taker, destination: string): void {
    const takers = this.#takers.get(destination);
    if (takers !== undefined) {
      takers.push(taker);
      return;
    }
    this.#takers.set(destination, [taker]);
    this.#onTurn(taker, destination);
  }

  /** Ends the turn of whoever has it. */
  give(destination: string): void {
    const takers = this.#takers.get(destination);
    takers?.shift();
    const next = takers?.[0];
    if (next === undefined) this.#takers.delete(destination);
    else this.#onTurn(next, destination);
  }
}
