/** The decimal number of fewest digits that has the same 32 bits as `value`; null for what JSON cannot say. */
export function shortestOfFloat(value: number): number | null {
  if (!Number.isFinite(value)) return null;
  for (let digits = 6; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return short;
  }
  return Number(value.toPrecision(9));
}
