import type { Configuration } from '../config/configuration.ts';
import type { LoadedConfiguration } from '../config/load-configuration.ts';
import type { LiveRunOptions } from '../pipeline/live-run.ts';
import { Log } from '../pipeline/log.ts';
import { configurationOf } from './options.ts';
import { signalled, stopOnSignals } from './signals.ts';
import { programVersion } from './version.ts';

/** A program that runs until it is stopped. */
export interface LiveProgram<Outcome> {
  reload(configuration: Configuration): void | Promise<void>;
  stop(reason: string): Promise<Outcome>;
}

/**
 * Runs what `start` starts until SIGINT, SIGTERM or its own end, and gives what stopping it gave. SIGHUP loads the configuration of `flags` anew,
 * one after the other; where that is faulty the old one stays.
 */
export async function runLive<Outcome>(
  flags: Readonly<Record<string, unknown>>,
  { configuration, given }: LoadedConfiguration,
  start: (configuration: Configuration, options: LiveRunOptions) => Promise<LiveProgram<Outcome>>,
): Promise<Outcome> {
  const log = new Log(configuration.logLevel);
  const request = stopOnSignals();
  // Before anything is open a SIGHUP would end the program; after that it is a reload.
  process.on('SIGHUP', () => {});
  let onOver = (_reason: string): void => {};
  const isOver = new Promise<string>((resolve) => {
    onOver = resolve;
  });
  const isStatusAsked = given.has('status');
  const program = await start(configuration, { log, version: programVersion(), isStatusAsked, onOver });
  let reload = Promise.resolve();
  process.on('SIGHUP', () => {
    reload = reload
      .then(() => program.reload(configurationOf(flags).configuration))
      .catch((error: Error) => {
        const message = error.message.replaceAll('\n', '; ');
        log.write('error', 'reload_failed', `configuration not reloaded, the old one stays: ${message}`);
      });
  });
  const reason = await Promise.race([signalled(request), isOver]);
  await reload;
  return program.stop(reason);
}
