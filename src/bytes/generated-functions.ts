/** Characters of source whose functions are kept for others of the same text. */
const MAX_SOURCE = 4_194_304;

/**
 * Functions made of generated source, one for each text. An Exporter with a hundred Templates of the same fields then runs
 * through one function, optimised once; with one each, v9 of a hundred Templates cost 3 times as much a flow.
 */
export class GeneratedFunctions<Generated> {
  readonly #functions = new Map<string, Generated>();
  #characters = 0;

  /** The function of this text, made by `make` where there is none. `text` tells all that goes into it. */
  get(text: string, make: () => Generated): Generated {
    const known = this.#functions.get(text);
    if (known !== undefined) return known;
    const made = make();
    this.#functions.set(text, made);
    this.#characters += text.length;
    for (const oldest of this.#functions.keys()) {
      if (this.#characters <= MAX_SOURCE) break;
      this.#functions.delete(oldest);
      this.#characters -= oldest.length;
    }
    return made;
  }
}
