import { ConfigurationError } from '../config/load-configuration.ts';
import { endpointProblems, startListen } from '../pipeline/listen.ts';
import { Log } from '../pipeline/log.ts';
import { configurationOf } from './options.ts';
import { signalled, stopOnSignals } from './signals.ts';
import { programVersion } from './version.ts';

/** Runs `listen` until it is stopped and gives its exit code. */
export async function runListen(
  endpoints: readonly string[],
  flags: Readonly<Record<string, unknown>>,
): Promise<number> {
  const { configuration, given } = configurationOf(flags);
  const problems = endpointProblems(endpoints);
  if (problems.length > 0) throw new ConfigurationError(problems);
  const log = new Log(configuration.logLevel);
  const request = stopOnSignals();
  // Before anything is open a SIGHUP would end the program; after that it is a reload.
  process.on('SIGHUP', () => {});
  let readerGone = (): void => {};
  const isReaderGone = new Promise<string>((resolve) => {
    readerGone = () => resolve('nobody reads standard output');
  });
  const listener = await startListen(endpoints, configuration, {
    log,
    version: programVersion(),
    isStatusAsked: given.has('status'),
    onReaderGone: readerGone,
  });
  process.on('SIGHUP', () => {
    try {
      listener.reload(configurationOf(flags).configuration);
    } catch (error) {
      const { message } = error as Error;
      log.write(
        'error',
        'reload_failed',
        `configuration not reloaded, the old one stays: ${message.replaceAll('\n', '; ')}`,
      );
    }
  });
  await listener.stop(await Promise.race([signalled(request), isReaderGone]));
  return 0;
}
