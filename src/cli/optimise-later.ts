import { setFlag } from './v8-flag.ts';

/** Octets of code that a function runs before V8 thinks of optimising it: about ten times what V8 does by itself. */
const BUDGET_OCTETS = 1_500_000;

/**
 * For a program that works a few milliseconds every few seconds: code is optimised later. Beside a hundred sockets an agent spent half of its
 * CPU on optimising what then hardly ran (341 ms a minute, 242 with this); beside ten thousand it costs the same either way.
 */
export function optimiseLater(): void {
  setFlag(`--interrupt-budget=${BUDGET_OCTETS}`);
}
