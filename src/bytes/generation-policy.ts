/** Records of a kind after which it is looked at first. */
const FIRST_LOOK = 2048;
/** A kind that makes up this part of all records is worth it soon. */
const GREAT_SHARE = 8;
/** Records after which any kind is worth it. */
const MANY = 65_536;

/**
 * When a function is generated for a kind of record: a Template's, a layout's. V8 takes about 10 ms to optimise one, which its code must win back
 * from the steps that do the same: soon for one of few kinds, after many records for one of hundreds, never for most.
 */
export class GenerationPolicy {
  /** Records of a kind after which {@link GenerationPolicy.nextLook} is asked first; 0 for never. */
  readonly firstLook: number;
  /** Records of all kinds so far; its owner counts them. */
  records = 0;
  private readonly isFixed: boolean;

  /** `after` is the number of records for each kind whatever its share; `isAllowed` is false where code generation is switched off. */
  constructor(isAllowed: boolean, after?: number | undefined) {
    this.isFixed = after !== undefined;
    this.firstLook = isAllowed ? (after ?? FIRST_LOOK) : 0;
  }

  /** For a kind with `records` so far: 0 when its function is to be generated now, otherwise after how many to ask again. */
  nextLook(records: number): number {
    const isWorthIt = this.isFixed || records >= MANY || records * GREAT_SHARE >= this.records;
    return isWorthIt ? 0 : records * 2;
  }
}
