import { startAgent } from '../pipeline/agent.ts';
import { runLive } from './live-command.ts';
import { optimiseLater } from './optimise-later.ts';
import { configurationOf } from './options.ts';

/** Runs `agent` until it is stopped and gives its exit code. */
export async function runAgent(flags: Readonly<Record<string, unknown>>): Promise<number> {
  optimiseLater();
  await runLive(flags, configurationOf(flags), startAgent);
  return 0;
}
