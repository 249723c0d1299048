import { startAgent } from '../pipeline/agent.ts';
import { Log } from '../pipeline/log.ts';
import { configurationOf } from './options.ts';
import { signalled, stopOnSignals } from './signals.ts';
import { programVersion } from './version.ts';

/** Runs `agent` until it is stopped and gives its exit code. */
export async function runAgent(flags: Readonly<Record<string, unknown>>): Promise<number> {
  const { configuration, given } = configurationOf(flags);
  const log = new Log(configuration.logLevel);
  const request = stopOnSignals();
  // Before anything is open a SIGHUP would end the program; after that it is a reload.
  process.on('SIGHUP', () => {});
  let over = (_reason: string): void => {};
  const isOver = new Promise<string>((resolve) => {
    over = resolve;
  });
  const agent = await startAgent(configuration, {
    log,
    version: programVersion(),
    isStatusAsked: given.has('status'),
    onOver: over,
  });
  process.on('SIGHUP', () => {
    try {
      agent.reload(configurationOf(flags).configuration);
    } catch (error) {
      const message = (error as Error).message.replaceAll('\n', '; ');
      log.write('error', 'reload_failed', `configuration not reloaded, the old one stays: ${message}`);
    }
  });
  await agent.stop(await Promise.race([signalled(request), isOver]));
  return 0;
}
