import { PerformanceObserver } from 'node:perf_hooks';
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';

/** Octets of V8's young generation, both halves, at which it may grow no more: a quarter of what it may by itself. */
const ENOUGH_OCTETS = 8_388_608;
/** Major versions of V8 that the flag was tried with, those of Node.js 20 and 22: others may not know it, and say so. */
const TRIED_VERSIONS = [11, 12];

/**
 * Keeps the part of the heap for what lives shortly from growing on. It only grows, when much survives at once: a thousand
 * Exporters that announce their Templates leave it at 32 MB for good, and as many octets of datagrams wait beside it to be
 * given back. With a quarter of it, 1,000 Exporters took 88 MiB instead of 130, at the same CPU a datagram.
 */
export function limitYoungGeneration(): void {
  if (!TRIED_VERSIONS.includes(Number.parseInt(process.versions.v8, 10))) return;
  const observer = new PerformanceObserver(() => {
    const space = getHeapSpaceStatistics().find(({ space_name: name }) => name === 'new_space');
    if (space === undefined || space.space_size < ENOUGH_OCTETS) return;
    // The greatest size is settled when V8 starts, where a program cannot; the factor is looked at each time it would grow.
    setFlagsFromString('--semi-space-growth-factor=1');
    observer.disconnect();
  });
  observer.observe({ entryTypes: ['gc'] });
}
