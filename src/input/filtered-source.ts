/** The packets of a capture that a BPF filter takes: tcpdump filters, since libpcap alone compiles such filters. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type OctetSource, OctetSourceError, openOctetSource } from './octet-source.ts';

/** A filtered capture. */
export interface FilteredSource {
  /** Octets of a pcap file that holds what the filter took. */
  readonly source: OctetSource;
  /** What tcpdump says is wrong, once the octets have ended; undefined when nothing is. */
  problem(): Promise<string | undefined>;
}

/** Sends the octets of a capture through tcpdump. Gives the error, never rejects. */
export async function openFilteredSource(original: OctetSource, filter: string): Promise<FilteredSource | Error> {
  const child = spawn('tcpdump', ['-n', '-r', '-', '-w', '-', '--', filter], { stdio: ['pipe', 'pipe', 'pipe'] });
  let said = '';
  let spawnError: NodeJS.ErrnoException | undefined;
  child.on('error', (error) => {
    spawnError = error;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-4096);
  });
  // It stops reading when it has no more use for packets.
  child.stdin.on('error', () => {});
  const closed = once(child, 'close').catch(() => {});
  void pump(original, child.stdin);
  const source = await openOctetSource('-', child.stdout);
  if (spawnError !== undefined)
    return new Error(
      `--filter for files needs tcpdump: ${spawnError.code === 'ENOENT' ? 'apt-get install tcpdump' : spawnError.message}`,
    );
  if (source instanceof OctetSourceError) return new Error(source.message);
  return {
    source,
    problem: async () => {
      await closed;
      if (child.exitCode === 0) return undefined;
      const line = said.trimEnd().split('\n').at(-1) ?? '';
      return `--filter: ${line.replace(/^tcpdump: /, '')}`;
    },
  };
}

async function pump(
  original: OctetSource,
  stdin: NodeJS.WritableStream & { readonly destroyed?: boolean },
): Promise<void> {
  for (;;) {
    const block = await original.next();
    if (block === undefined || stdin.destroyed === true) break;
    // The block is the source's again with the next call.
    if (!stdin.write(block.slice())) await Promise.race([once(stdin, 'drain'), once(stdin, 'close')]).catch(() => {});
  }
  stdin.end();
}
