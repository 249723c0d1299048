/** What SIGINT and SIGTERM do: the first asks to stop, the second stops at once. */

/** A wish to stop. */
export interface StopRequest {
  /** Aborted by the first signal. */
  readonly signal: AbortSignal;
  /** Exit code that tells which signal it was, as shells count: 130 or 143. */
  exitCode(): number;
}

const SIGNALS = { SIGINT: 2, SIGTERM: 15 } as const;

/** Listens for SIGINT and SIGTERM from now on. */
export function stopOnSignals(): StopRequest {
  const controller = new AbortController();
  let number = 0;
  for (const [name, value] of Object.entries(SIGNALS) as [keyof typeof SIGNALS, number][]) {
    process.on(name, () => {
      if (controller.signal.aborted) {
        // As the signal does by itself: nothing that hangs, a write to a stalled reader say, can hold that up.
        process.removeAllListeners(name);
        process.kill(process.pid, name);
        return;
      }
      number = value;
      controller.abort();
    });
  }
  return { signal: controller.signal, exitCode: () => 128 + number };
}

/** Settles when stopping is asked for, with the name of the signal that asked. */
export function signalled(request: StopRequest): Promise<string> {
  return new Promise((resolve) => {
    const stopped = (): void => resolve(request.exitCode() === 130 ? 'SIGINT' : 'SIGTERM');
    if (request.signal.aborted) stopped();
    else request.signal.addEventListener('abort', stopped);
  });
}
