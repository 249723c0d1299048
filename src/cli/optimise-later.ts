import { setFlagsFromString } from 'node:v8';

/** Octets of code that a function runs before V8 thinks of optimising it: about ten times what V8 does by itself. */
const BUDGET_OCTETS = 1_500_000;
/** Major versions of V8 that the flag was tried with, those of Node.js 20 and 22: others may not know it, and say so. */
const TRIED_VERSIONS = [11, 12];

/**
 * For a program that works a few milliseconds every few seconds: code is optimised later. Beside a hundred sockets an agent spent half of its
 * CPU on optimising what then hardly ran (341 ms a minute, 242 with this); beside ten thousand it costs the same either way.
 */
export function optimiseLater(): void {
  if (!TRIED_VERSIONS.includes(Number.parseInt(process.versions.v8, 10))) return;
  setFlagsFromString(`--interrupt-budget=${BUDGET_OCTETS}`);
}
