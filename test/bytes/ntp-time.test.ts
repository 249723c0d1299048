import { describe, expect, it } from 'vitest';
import { ntpToUnixMs, ntpToUnixUnits } from '../../src/bytes/ntp-time.ts';

/** Seconds from 1900-01-01 to 1970-01-01: 70 years with 17 leap days (RFC 868). */
const OFFSET = 2_208_988_800;
const ERA = 2 ** 32;
const NOW = 1_700_000_000;

describe('Unix time of NTP time', () => {
  it.each([
    ['the start of 1970', OFFSET, 0, 1000, 0],
    ['half a second', OFFSET + NOW, 0x8000_0000, NOW * 1000, NOW * 1000 + 500],
    ['a quarter', OFFSET + NOW, 0x4000_0000, NOW * 1000, NOW * 1000 + 250],
    ['a week before the export', OFFSET + NOW - 604_800, 0, NOW * 1000, (NOW - 604_800) * 1000],
    ['the last second of the first era', ERA - 1, 0, 2_085_978_495_000, 2_085_978_495_000],
    // 2036-02-07 06:28:16 UTC (RFC 4330 section 3)
    ['the first second of the next era', 0, 0, 2_085_978_496_000, 2_085_978_496_000],
    ['a year into the next era', 31_536_000, 0x8000_0000, 2_117_514_496_000, 2_117_514_496_500],
    ['the last days of an era, exported in the next', ERA - 172_800, 0, 2_085_978_500_000, 2_085_805_696_000],
  ])('%s', (_, high, low, exportMs, expected) => {
    expect(ntpToUnixMs(high, low, exportMs)).toBe(expected);
    expect(ntpToUnixUnits(high, low, 1_000_000n, exportMs)).toBe(BigInt(expected) * 1000n);
    expect(ntpToUnixUnits(high, low, 1_000_000_000n, exportMs)).toBe(BigInt(expected) * 1_000_000n);
  });

  it('plain Unix nanoseconds, as VPP sends them, are told by the export time', () => {
    const nanoseconds = BigInt(NOW) * 1_000_000_000n + 123_456_789n;
    const high = Number(nanoseconds >> 32n);
    const low = Number(nanoseconds & 0xffff_ffffn);
    expect(Math.floor(ntpToUnixMs(high, low, NOW * 1000 + 5000))).toBe(NOW * 1000 + 123);
    expect(ntpToUnixUnits(high, low, 1_000_000_000n, NOW * 1000)).toBe(nanoseconds);
    expect(ntpToUnixUnits(high, low, 1_000_000n, NOW * 1000)).toBe(nanoseconds / 1000n);
  });

  it('is exact to the microsecond and nanosecond', () => {
    // 123456 µs as a fraction of 2^-32 s, cut off as RFC 7011 section 6.1.9 leaves to the sender
    const low = Number((123_456n << 32n) / 1_000_000n);
    expect(ntpToUnixUnits(OFFSET + NOW, low, 1_000_000n, NOW * 1000)).toBe(BigInt(NOW) * 1_000_000n + 123_456n);
    expect(Math.floor(ntpToUnixMs(OFFSET + NOW, low, NOW * 1000))).toBe(NOW * 1000 + 123);
  });

  it('is a number whatever the octets', () => {
    for (const high of [0, 1, ERA - 1, 2 ** 31]) {
      for (const low of [0, ERA - 1]) {
        for (const exportMs of [0, 1, NOW * 1000, (ERA - 1) * 1000]) {
          expect(Number.isFinite(ntpToUnixMs(high, low, exportMs))).toBe(true);
          expect(typeof ntpToUnixUnits(high, low, 1_000_000n, exportMs)).toBe('bigint');
        }
      }
    }
  });
});
