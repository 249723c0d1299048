import type { Configuration } from '../config/configuration.ts';
import { ConfigurationError } from '../config/load-configuration.ts';
import { type ProbeSummary, probeFiles } from '../pipeline/probe-files.ts';
import { senderSummaryWords } from '../pipeline/sender-summary.ts';
import { fileProgress } from './file-progress.ts';
import { configurationOf } from './options.ts';
import { sayLine } from './plain-line.ts';
import { stopOnSignals } from './signals.ts';

/** Runs `probe` to the end of its files, or until it is stopped, and gives its exit code. */
export async function runProbe(flags: Readonly<Record<string, unknown>>, isVerbose: boolean): Promise<number> {
  const loaded = configurationOf(flags);
  const { configuration } = loaded;
  const { read } = configuration;
  const hasInterfaces = configuration.interface.length > 0;
  if (read.length > 0 && hasInterfaces) throw new ConfigurationError(['--read: goes not with --interface']);
  if (read.length > 0 && configuration.processes) {
    throw new ConfigurationError(['--processes: goes not with --read: its flows are not of now, or not of here']);
  }
  if (read.length > 0) return readFiles(configuration, isVerbose);
  if (!hasInterfaces) throw new ConfigurationError(['probe: which --interface, or which file to --read?']);
  // Not loaded to read files: with its network it takes as long to start as a small capture.
  const [{ runLive }, { startProbe }] = await Promise.all([
    import('./live-command.ts'),
    import('../pipeline/probe-live.ts'),
  ]);
  return (await runLive(flags, loaded, startProbe)) ? 0 : 1;
}

async function readFiles(configuration: Configuration, isVerbose: boolean): Promise<number> {
  const progress = fileProgress(configuration);
  const stop = stopOnSignals();
  const summary = await probeFiles(configuration, progress, stop.signal);
  progress.clear();
  if (isVerbose || !summary.isComplete || stop.signal.aborted) sayLine(summaryLine(summary));
  if (stop.signal.aborted) return stop.exitCode();
  return summary.isComplete ? 0 : 1;
}

function summaryLine({ files, filesWithProblems, counters, flows, linesWritten, senders }: ProbeSummary): string {
  const parts = [
    `${files} files`,
    `${counters.packetsSeen} packets`,
    `${counters.packetsMetered} metered`,
    `${flows} flows`,
    `${linesWritten} lines`,
    ...senderSummaryWords(senders),
  ];
  for (const [reason, count] of Object.entries(counters.packetsIgnored)) {
    if (count > 0) parts.push(`${count} packets ignored: ${reason}`);
  }
  if (filesWithProblems > 0) parts.push(`${filesWithProblems} files with problems`);
  return parts.join(', ');
}
