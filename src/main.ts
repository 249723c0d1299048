/** Runs the command line. What a short `convert` or `probe --read` does not need is not loaded: yargs alone takes as long as a small capture. */

import { runConvert } from './cli/convert.ts';
import { configurationOf } from './cli/options.ts';
import { sayLine } from './cli/plain-line.ts';
import { plainWords } from './cli/plain-words.ts';
import { ConfigurationError } from './config/load-configuration.ts';
import { CAPTURE_WORD, runCapture } from './pipeline/capture-process.ts';
import { THREAD_WORD } from './pipeline/thread-protocol.ts';

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

// Standard input may still wait for its writer, and a write for its reader: neither is waited for. All else is written by now.
// No await at top level: with it the bundle falls into pieces, which take longer to load.
if (process.argv[2] === CAPTURE_WORD) runCapture(process.argv[3] ?? '');
else if (process.argv[2] !== THREAD_WORD) void run(process.argv.slice(2)).then((code) => process.exit(code));

async function run(words: readonly string[]): Promise<number> {
  try {
    const plain = plainWords(words);
    if (plain?.command === 'probe') {
      const { runProbe } = await import('./cli/probe.ts');
      return await runProbe(plain.flags, plain.isVerbose);
    }
    if (plain !== undefined) {
      const { configuration } = configurationOf(plain.flags);
      return await runConvert(plain.files, configuration, plain.isVerbose);
    }
    const { runCommandLine } = await import('./cli/command-line.ts');
    return await runCommandLine(words);
  } catch (error) {
    if (error instanceof ConfigurationError) {
      for (const problem of error.problems) sayLine(problem);
      return EXIT_USAGE;
    }
    sayLine(error instanceof Error ? error.message : String(error));
    return error instanceof Error && error.name === 'UsageError' ? EXIT_USAGE : EXIT_FAILED;
  }
}
