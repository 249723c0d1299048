/** What a table of measurements must name beside its figures. */

import { spawnSync } from 'node:child_process';
import { cpus, release, totalmem } from 'node:os';

/** Processor, cores, memory, kernel and Node.js in a line. */
export function describeMachine(): string {
  const processors = cpus();
  const memory = Math.round(totalmem() / 2 ** 30);
  return `${processors.length} × ${processors[0]?.model ?? 'unknown processor'}, ${memory} GiB, Linux ${release()}, Node.js ${process.version}`;
}

/** The line of what `program` prints about itself that has a version in it; undefined where it cannot be run. */
export function versionOf(program: string, ...options: readonly string[]): string | undefined {
  const { error, stdout, stderr } = spawnSync(program, options, { encoding: 'utf8' });
  if (error !== undefined) return undefined;
  const line = `${stdout}\n${stderr}`.split('\n').find((text) => /\d+\.\d+/.test(text));
  return line?.trim().replace(/^\S*\/(?=[a-z]+: )/, '');
}

/** Whether the shell finds `program`. */
export function isInstalled(program: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;
}
