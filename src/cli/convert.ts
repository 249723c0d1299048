import type { Configuration } from '../config/configuration.ts';
import { type ConvertSummary, convert } from '../pipeline/convert.ts';
import { senderSummaryWords } from '../pipeline/sender-summary.ts';
import { fileProgress } from './file-progress.ts';
import { sayLine } from './plain-line.ts';
import { stopOnSignals } from './signals.ts';
import { limitYoungGeneration } from './young-generation.ts';

/** Captures read sooner than that need no limit. */
const LIMIT_AFTER_MS = 100;

/** Runs `convert` and gives its exit code. */
export async function runConvert(
  files: readonly string[],
  configuration: Configuration,
  isVerbose: boolean,
): Promise<number> {
  const observer = fileProgress(configuration);
  const stop = stopOnSignals();
  setTimeout(limitYoungGeneration, LIMIT_AFTER_MS).unref();
  const summary = await convert(files, configuration, observer, stop.signal);
  observer.clear();
  const isWorthSaying =
    summary.faults.size > 0 || summary.setsWaiting > 0 || !summary.isComplete || stop.signal.aborted;
  if (isVerbose || isWorthSaying) sayLine(summaryLine(summary));
  if (stop.signal.aborted) return stop.exitCode();
  return summary.isComplete ? 0 : 1;
}

function summaryLine(summary: ConvertSummary): string {
  const { counters, faults } = summary;
  const parts = [
    `${summary.files} files`,
    `${summary.packets} packets`,
    `${summary.messages - summary.messagesOther} messages`,
    `${counters.flowRecords} flows`,
    `${counters.optionsRecords} options records`,
    `${counters.countersRecords} counters records`,
    `${summary.linesWritten} lines`,
  ];
  parts.push(...senderSummaryWords(summary.senders));
  if (summary.messagesOther > 0) parts.push(`${summary.messagesOther} datagrams that are no flow export`);
  if (summary.filesWithProblems > 0) parts.push(`${summary.filesWithProblems} files with problems`);
  if (summary.setsWaiting > 0) parts.push(`${summary.setsWaiting} sets whose Template never came`);
  if (faults.size > 0) parts.push(`faults: ${[...faults].map(([fault, count]) => `${fault} ${count}`).join(', ')}`);
  return parts.join(', ');
}
