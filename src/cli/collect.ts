import { startCollect } from '../pipeline/collect.ts';
import { Log } from '../pipeline/log.ts';
import { configurationOf } from './options.ts';
import { signalled, stopOnSignals } from './signals.ts';
import { programVersion } from './version.ts';
import { limitYoungGeneration } from './young-generation.ts';

/** Runs `collect` until it is stopped and gives its exit code. */
export async function runCollect(flags: Readonly<Record<string, unknown>>): Promise<number> {
  const { configuration, given } = configurationOf(flags);
  const log = new Log(configuration.logLevel);
  const request = stopOnSignals();
  // What is set is set for all threads alike, each of which has a young generation of its own.
  if (configuration.workers === 1) limitYoungGeneration();
  // Before anything is open a SIGHUP would end the program; after that it is a reload.
  process.on('SIGHUP', () => {});
  let readerGone = (): void => {};
  const isReaderGone = new Promise<string>((resolve) => {
    readerGone = () => resolve('nobody reads standard output');
  });
  const collector = await startCollect(configuration, {
    log,
    version: programVersion(),
    isStatusAsked: given.has('status'),
    onReaderGone: readerGone,
  });

  let reload = Promise.resolve();
  process.on('SIGHUP', () => {
    reload = reload
      .then(() => collector.reload(configurationOf(flags).configuration))
      .catch((error: Error) => {
        log.write(
          'error',
          'reload_failed',
          `configuration not reloaded, the old one stays: ${error.message.replaceAll('\n', '; ')}`,
        );
      });
  });
  const reason = await Promise.race([signalled(request), isReaderGone]);
  await reload;
  await collector.stop(reason);
  return 0;
}
