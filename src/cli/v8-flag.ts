import { setFlagsFromString } from 'node:v8';

/** Major versions of V8 that the flags were tried with, those of Node.js 20 and 22: others may not know them, and say so. */
const TRIED_VERSIONS = [11, 12];

/** Whether this V8 is one that the program's flags were tried with. */
export function knowsFlags(): boolean {
  return TRIED_VERSIONS.includes(Number.parseInt(process.versions.v8, 10));
}

/** Sets a flag of V8 such as `--name=value`, which is to be of use from now on; nothing where it was not tried. */
export function setFlag(flag: string): void {
  if (knowsFlags()) setFlagsFromString(flag);
}
