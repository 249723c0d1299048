import { FAMILIES, type Family } from './schema.ts';

/** How many series may live, and how many do. */
export class SeriesLimits {
  /** Series that rows hold room for, by family. */
  readonly reserved: Record<Family, number> = perFamily(() => 0);
  /** Times that something went to `other` because its family or all series were at their limit, by family. */
  readonly overLimit: Record<Family, number> = perFamily(() => 0);
  /** Series that have written a point and are not forgotten. */
  live = 0;
  private total = 0;
  private readonly max: number;
  private readonly maxOf: Readonly<Record<Family, number>>;

  /** At most `max` in all, and at most `maxOf` each family. */
  constructor(max: number, maxOf: Readonly<Record<Family, number>>) {
    this.max = max;
    this.maxOf = maxOf;
  }

  /** Takes room for `series` more, or counts that there is none. */
  reserve(family: Family, series: number): boolean {
    if (this.total + series > this.max || this.reserved[family] + series > this.maxOf[family]) {
      this.overLimit[family]++;
      return false;
    }
    this.total += series;
    this.reserved[family] += series;
    return true;
  }

  /** Gives room back. */
  release(family: Family, series: number): void {
    this.total -= series;
    this.reserved[family] -= series;
  }
}

/** A record with a value for each family. */
export function perFamily<T>(make: (family: Family) => T): Record<Family, T> {
  return Object.fromEntries(FAMILIES.map((family) => [family, make(family)])) as Record<Family, T>;
}
