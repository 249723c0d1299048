import { ConfigurationError } from '../config/load-configuration.ts';
import { endpointProblems, startListen } from '../pipeline/listen.ts';
import { runLive } from './live-command.ts';
import { configurationOf } from './options.ts';

/** Runs `listen` until it is stopped and gives its exit code. */
export async function runListen(
  endpoints: readonly string[],
  flags: Readonly<Record<string, unknown>>,
): Promise<number> {
  const loaded = configurationOf(flags);
  const problems = endpointProblems(endpoints);
  if (problems.length > 0) throw new ConfigurationError(problems);
  await runLive(flags, loaded, (configuration, options) => startListen(endpoints, configuration, options));
  return 0;
}
