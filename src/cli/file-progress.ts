import { fstatSync, writeSync } from 'node:fs';
import type { Configuration } from '../config/configuration.ts';
import type { FileObserver } from '../pipeline/file-run.ts';
import { sayLine } from './plain-line.ts';
import { programVersion } from './version.ts';

/** Shows on a terminal how far the reading of files is. */
export interface FileProgress extends FileObserver {
  /** Takes the progress line away. */
  clear(): void;
}

/** Progress and problems on standard error; the progress only where it spoils no lines. */
export function fileProgress(configuration: Configuration): FileProgress {
  // A progress line among the lines themselves would spoil both.
  const showsProgress = isTerminal(2) && !(isTerminal(1) && writesToTerminal(configuration));
  let shownMs = 0;
  const clear = (): void => {
    if (shownMs > 0) writeSync(2, '\r\x1b[K');
    shownMs = 0;
  };
  return {
    clear,
    version: programVersion(),
    onProblem: (text: string) => {
      clear();
      sayLine(text);
    },
    onProgress: (file: string, octetsRead: number, octetsTotal: number, flows: number) => {
      if (!showsProgress || Date.now() - shownMs < 200) return;
      shownMs = Date.now();
      const share =
        octetsTotal > 0
          ? `${Math.floor((100 * octetsRead) / octetsTotal)} %`
          : `${Math.floor(octetsRead / 1_000_000)} MB`;
      writeSync(2, `\r\x1b[K${file}: ${share}, ${flows} flows`);
    },
  };
}

/** Asking `process.stderr` itself loads its streams, half of what a small capture takes. */
function isTerminal(descriptor: 1 | 2): boolean {
  if (!fstatSync(descriptor).isCharacterDevice()) return false;
  return (descriptor === 1 ? process.stdout : process.stderr).isTTY === true;
}

function writesToTerminal({ json, zmq, export: destinations, influxdb }: Configuration): boolean {
  const others = zmq.length + destinations.length + influxdb.length;
  return (json.length === 0 && others === 0) || json.includes('-');
}
