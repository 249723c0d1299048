/** Seconds from 1900, where NTP's first era begins, to 1970. */
const NTP_TO_UNIX_SECONDS = 2_208_988_800;
const ERA_SECONDS = 4_294_967_296;
const DAY_MS = 86_400_000;
const HALF = 2_147_483_648n;

/**
 * Unix milliseconds of a dateTimeMicroseconds or dateTimeNanoseconds (RFC 7011 sections 6.1.9 and 6.1.10): NTP seconds
 * and a fraction of 2^-32 s. `exportMs` decides where more than one reading is possible: NTP's eras of 136 years, and
 * Exporters that send Unix nanoseconds as one number (VPP). The result may have a fraction.
 */
export function ntpToUnixMs(high: number, low: number, exportMs: number): number {
  const ntpMs = (high - NTP_TO_UNIX_SECONDS) * 1000 + (low / 4294967296) * 1000;
  const distance = Math.abs(ntpMs - exportMs);
  if (distance < DAY_MS) return ntpMs;
  const nextEraMs = ntpMs + ERA_SECONDS * 1000;
  const plainMs = high * 4294.967296 + low / 1e6;
  // Zero is a time that was not told, but for the day on which the next era begins.
  if (high === 0 && low === 0 && Math.abs(nextEraMs - exportMs) > DAY_MS) return 0;
  let best = ntpMs;
  let bestDistance = distance;
  if (Math.abs(nextEraMs - exportMs) < bestDistance) {
    best = nextEraMs;
    bestDistance = Math.abs(nextEraMs - exportMs);
  }
  return Math.abs(plainMs - exportMs) < bestDistance ? plainMs : best;
}

/**
 * Unix time of the same octets in units of `perSecond` (1e6 or 1e9). Rounded, not cut off: an Exporter that writes a whole
 * microsecond as a fraction of 2^-32 s cuts the fraction off itself.
 */
export function ntpToUnixUnits(high: number, low: number, perSecond: bigint, exportMs: number): bigint {
  const ms = ntpToUnixMs(high, low, exportMs);
  if (ms === 0) return 0n;
  const plainMs = high * 4294.967296 + low / 1e6;
  if (ms === plainMs) {
    const nanoseconds = (BigInt(high) << 32n) | BigInt(low);
    return perSecond === 1_000_000_000n ? nanoseconds : nanoseconds / 1000n;
  }
  const ntpMs = (high - NTP_TO_UNIX_SECONDS) * 1000 + (low / 4294967296) * 1000;
  const seconds = BigInt(high) - BigInt(NTP_TO_UNIX_SECONDS) + (ms === ntpMs ? 0n : BigInt(ERA_SECONDS));
  return seconds * perSecond + ((BigInt(low) * perSecond + HALF) >> 32n);
}

/**
 * The same in numbers: whole seconds into `into[0]`, units beyond them into `into[1]`, without a BigInt: 10 to 26 ns
 * instead of 72 to 100. Returns what {@link ntpToUnixUnits} says, and leaves `into` alone, for the rare times that are not so written: those before 1970
 * and those of Exporters that send Unix nanoseconds.
 */
export function ntpToUnixParts(
  high: number,
  low: number,
  perSecond: number,
  exportMs: number,
  into: Float64Array,
): bigint | undefined {
  const ms = ntpToUnixMs(high, low, exportMs);
  const ntpMs = (high - NTP_TO_UNIX_SECONDS) * 1000 + (low / 4294967296) * 1000;
  const seconds = high - NTP_TO_UNIX_SECONDS + (ms === ntpMs ? 0 : ERA_SECONDS);
  if (ms === 0 || seconds < 0 || ms === high * 4294.967296 + low / 1e6) {
    return ntpToUnixUnits(high, low, BigInt(perSecond), exportMs);
  }
  // Exact in two steps: the product of all 32 bits with a thousand million has 62.
  const lower = Math.floor(((low & 0xffff) * perSecond + 2147483648) / 65536);
  const units = Math.floor(((low >>> 16) * perSecond + lower) / 65536);
  into[0] = units === perSecond ? seconds + 1 : seconds;
  into[1] = units === perSecond ? 0 : units;
  return undefined;
}

/**
 * Unix milliseconds as NTP seconds and fraction of 2^-32 s (RFC 7011 section 6.1.10), into `into[0]` and `into[1]`. The fraction is
 * rounded up, so that whoever cuts off gets the same millisecond.
 */
export function unixToNtp(timeMs: number, into: Uint32Array): void {
  const wholeMs = Math.floor(timeMs);
  const seconds = Math.floor(wholeMs / 1000);
  into[0] = (seconds + NTP_TO_UNIX_SECONDS) % ERA_SECONDS;
  into[1] = Math.ceil(((wholeMs - seconds * 1000) / 1000) * ERA_SECONDS);
}
