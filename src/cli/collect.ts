import { startCollect } from '../pipeline/collect.ts';
import { runLive } from './live-command.ts';
import { configurationOf } from './options.ts';
import { limitYoungGeneration } from './young-generation.ts';

/** Runs `collect` until it is stopped and gives its exit code. */
export async function runCollect(flags: Readonly<Record<string, unknown>>): Promise<number> {
  await runLive(flags, configurationOf(flags), (configuration, { onOver, ...options }) => {
    // What is set is set for all threads alike, each of which has a young generation of its own.
    if (configuration.workers === 1) limitYoungGeneration();
    return startCollect(configuration, { ...options, onReaderGone: () => onOver('nobody reads standard output') });
  });
  return 0;
}
