/**
 * An `ss` that says what a test wants: for `-D` the kernel's answers of a file (sock_diag(7), struct inet_diag_msg of
 * include/uapi/linux/inet_diag.h), another one each time; for `-E` nothing, for ever.
 */

import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const HEADER_OCTETS = 16;
const DIAG_OCTETS = 72;
const TCP_INFO_OCTETS = 240;
const ATTRIBUTE_OCTETS = 4 + TCP_INFO_OCTETS;
const MESSAGE_OCTETS = HEADER_OCTETS + DIAG_OCTETS + ATTRIBUTE_OCTETS;
const SOCK_DIAG_BY_FAMILY = 20;
const DONE = 3;
const IPV4 = 2;
const ESTABLISHED = 1;
const INET_DIAG_INFO = 2;

/** Answers about `count` established connections of 192.0.2.1, numbered from `first`: no two have the same number, address and port. */
export function diagAnswers(count: number, first: number): Buffer {
  const octets = Buffer.alloc(count * MESSAGE_OCTETS + 2 * 20);
  let at = 0;
  for (let number = first; number < first + count; number++, at += MESSAGE_OCTETS) {
    octets.writeUInt32LE(MESSAGE_OCTETS, at);
    octets.writeUInt16LE(SOCK_DIAG_BY_FAMILY, at + 4);
    const diag = at + HEADER_OCTETS;
    octets[diag] = IPV4;
    octets[diag + 1] = ESTABLISHED;
    octets.writeUInt16BE(1024 + (number % 60_000), diag + 4);
    octets.writeUInt16BE(443, diag + 6);
    octets.writeUInt32BE(0xc0000201, diag + 8);
    octets.writeUInt32BE(0x0a000000 + number, diag + 24);
    octets.writeUInt32LE(number + 1, diag + 44);
    octets.writeUInt32LE(number % 10, diag + 64);
    octets.writeUInt32LE(number + 1, diag + 68);
    const attribute = diag + DIAG_OCTETS;
    octets.writeUInt16LE(ATTRIBUTE_OCTETS, attribute);
    octets.writeUInt16LE(INET_DIAG_INFO, attribute + 2);
    const info = attribute + 4;
    octets.writeUInt32LE(1000, info + 68);
    octets.writeUInt32LE(500, info + 72);
    octets.writeBigUInt64LE(77n, info + 128);
    octets.writeUInt32LE(9, info + 136);
    octets.writeUInt32LE(8, info + 140);
    octets.writeBigUInt64LE(55n, info + 200);
  }
  for (let i = 0; i < 2; i++, at += 20) {
    octets.writeUInt32LE(20, at);
    octets.writeUInt16LE(DONE, at + 4);
  }
  return octets;
}

/** Puts the program into a directory of `parent` and gives that, to be the first of PATH. */
export function makeFakeSs(parent: string, answers: readonly Buffer[]): string {
  const directory = join(parent, 'tools');
  mkdirSync(directory);
  for (const [i, octets] of answers.entries()) writeFileSync(join(directory, `answers${i}`), octets);
  writeFileSync(join(directory, 'calls'), '0');
  const script = `#!/bin/sh
case "$*" in *-E*) exec sleep 100000 ;; esac
cd "${directory}"
calls=$(cat calls)
echo $((calls + 1)) > calls
exec cat answers$((calls % ${answers.length}))
`;
  writeFileSync(join(directory, 'ss'), script);
  chmodSync(join(directory, 'ss'), 0o755);
  return directory;
}
