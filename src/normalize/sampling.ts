import { SAMPLING_ORIGINS, type SamplingOrigin } from '../flow/fields.ts';

/** Value of `Flow.samplingOrigin` for an origin. */
export function samplingOrigin(origin: SamplingOrigin): number {
  return SAMPLING_ORIGINS.indexOf(origin);
}

/** Sampling elements of a record, all but the ids; undefined where the record has none. */
export interface SamplingElements {
  /** samplingInterval, element 34; or samplerRandomInterval, 50. */
  readonly interval?: number | undefined;
  /** samplingPacketInterval, element 305: packets taken in a row. */
  readonly packetInterval?: number | undefined;
  /** samplingPacketSpace, element 306: packets left out after them. */
  readonly packetSpace?: number | undefined;
  /** samplingSize, element 309: packets taken … */
  readonly size?: number | undefined;
  /** samplingPopulation, element 310: … of so many. */
  readonly population?: number | undefined;
  /** samplingProbability, element 311. */
  readonly probability?: number | undefined;
}

/**
 * One packet in how many is seen: at least 1, or 0 when the elements do not tell (RFC 5477 section 8.2). Nokia's 305 = 1
 * with 306 = 999 is 1 in 1000; 305 without 306 is Cisco's and Juniper's way of giving the interval itself.
 */
export function samplingIntervalOf(elements: SamplingElements): number {
  const interval = toldInterval(elements);
  return interval <= MAX_INTERVAL ? interval : 0;
}

/** More is no sampling but damage, and a flow's field has no room for it. */
const MAX_INTERVAL = 0xffff_ffff;

function toldInterval(elements: SamplingElements): number {
  const { interval = 0, packetInterval = 0, packetSpace, size = 0, population = 0, probability = 0 } = elements;
  if (size > 0 && population >= size) return Math.round(population / size);
  if (packetInterval > 0 && packetSpace !== undefined)
    return Math.round((packetInterval + packetSpace) / packetInterval);
  if (interval > 0) return mikrotikOrder(interval);
  if (packetInterval > 0) return packetInterval;
  if (probability > 0 && probability <= 1) return Math.round(1 / probability);
  return 0;
}

/**
 * RouterOS 6 sends the interval little-endian. Nobody samples one packet in 16 million, so a number that large with its
 * lower half zero is one below 65,536 turned round.
 */
export function mikrotikOrder(interval: number): number {
  if (interval < 0x0100_0000 || interval > MAX_INTERVAL || (interval & 0xffff) !== 0) return interval;
  return ((interval >>> 24) | ((interval >>> 8) & 0xff00)) >>> 0;
}
