/** A sink as tests want it: quick to try again, and with what it says kept. */

import { type InfluxdbEvent, type InfluxdbOptions, type InfluxdbSink, openInfluxdb } from '../../src/sink/influxdb.ts';

/** A sink and what it has said. */
export interface TestSink {
  readonly sink: InfluxdbSink;
  readonly events: InfluxdbEvent[];
}

/** Opens one. */
export async function openTestSink(urls: readonly string[], options: Partial<InfluxdbOptions> = {}): Promise<TestSink> {
  const events: InfluxdbEvent[] = [];
  const sink = await openInfluxdb(
    {
      urls,
      user: '',
      password: '',
      token: '',
      certificateAuthorityFile: '',
      compression: 'off',
      directory: undefined,
      spoolOctets: 64 * 1024 * 1024,
      memoryOctets: 16 * 1024 * 1024,
      refusedOctets: 1024 * 1024,
      delivery: 'drop',
      database: 'ntopng',
      organisation: '',
      bucket: '',
      retentionDays: undefined,
      retentionDaysOfNew: 30,
      rollUps: [],
      flushMs: 10,
      timeoutMs: 30_000,
      minRetryMs: 10,
      maxRetryMs: 100,
      refusedRetryMs: 50,
      ...options,
    },
    (event) => events.push(event),
  );
  return { sink, events };
}

/** Hands over lines of text. */
export function hand(sink: InfluxdbSink, lines: readonly string[]): void {
  const octets = new TextEncoder().encode(lines.map((line) => `${line}\n`).join(''));
  sink.writeLines(octets, 0, octets.length, lines.length);
  // They are the caller's again.
  octets.fill(0x20);
}

/** Waits until `find` gives something. */
export async function until<Found>(find: () => Found | undefined | false, what: string, seconds = 30): Promise<Found> {
  for (const endMs = Date.now() + 1000 * seconds; ; ) {
    const found = find();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > endMs) throw new Error(`no ${what} within ${seconds} s`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Sums that must hold for each server. */
export function sumsOf(sink: InfluxdbSink): { handed: number; accounted: number }[] {
  return sink.deliveries.map((delivery) => ({
    handed: sink.pointsWritten + delivery.pointsRecovered,
    accounted:
      delivery.pointsConfirmed +
      delivery.pointsRefused +
      delivery.pending.lines +
      Object.values(delivery.pointsDropped).reduce((sum, points) => sum + points, 0),
  }));
}
