/**
 * Captures to flows: `flowrelay probe` beside nfpcapd, softflowd and pmacctd (Debian's packages of those names) over the same
 * capture, in turn, CPU of whole process trees, what they make thrown away.
 *
 *   npm run bench:probe -- CAPTURE [--megabytes N] [--rounds N] [--floor] [--work DIR]
 *
 * CAPTURE (classic pcap of Ethernet) is repeated under new addresses until it has --megabytes. flowrelay writes all flows as JSON
 * lines, with application detection and TCP analysis and without; nfpcapd writes its files, softflowd sends NetFlow v9 to a port nobody listens on, pmacctd
 * prints CSV. These three neither detect applications nor analyse TCP: where they are installed, ndpiReader, which does the first, and tcptrace, which does
 * the second, run too. With --floor what the least costs in Node.js is measured beside: see least-probe.ts.
 */

import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { rolldown } from 'rolldown';
import { median, printTable, withSpread } from './figures.ts';
import { describeMachine, isInstalled, versionOf } from './machine.ts';
import { type ProcessTime, timeCommand } from './process-time.ts';
import { repeatCapture } from './repeat-capture.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    megabytes: { type: 'string', default: '1000' },
    rounds: { type: 'string', default: '3' },
    floor: { type: 'boolean', default: false },
    work: { type: 'string', default: join(tmpdir(), 'flowrelay-bench') },
  },
});

const WORK = resolve(values.work);
mkdirSync(join(WORK, 'nfpcapd'), { recursive: true });
const source = positionals[0] ?? '';
const capture = join(WORK, 'probe.pcap');
const repetitions = Math.max(1, Math.ceil((Number(values.megabytes) * 1e6) / statSync(source).size));
const { octets, packets } = repeatCapture(source, capture, repetitions);

writeFileSync(
  join(WORK, 'pmacctd.conf'),
  [
    `pcap_savefile: ${capture}`,
    'plugins: print',
    'aggregate: src_host,dst_host,src_port,dst_port,proto,tcpflags',
    'print_refresh_time: 3600',
    'print_output_file: /dev/null',
    'plugin_pipe_size: 268435456',
    'plugin_buffer_size: 262144',
    '',
  ].join('\n'),
);

const least = join(WORK, 'least-probe.cjs');
if (values.floor) await bundle('test/bench/least-probe.ts', least);

const probe = `node ${resolve('dist/main.js')} probe --read ${capture} --json /dev/null`;
const CONTESTANTS: readonly { readonly name: string; readonly command: string }[] = [
  { name: 'flowrelay', command: probe },
  { name: 'flowrelay, no application detection', command: `${probe} --no-application-detection` },
  {
    name: 'flowrelay, neither that nor TCP analysis',
    command: `${probe} --no-application-detection --no-tcp-analysis`,
  },
  ...(values.floor
    ? [
        { name: 'node, nothing', command: 'node -e 0' },
        { name: 'node, the file read', command: `node ${least} read ${capture}` },
        { name: 'node, its packets found', command: `node ${least} records ${capture}` },
        { name: 'node, flows counted and written', command: `node ${least} flows ${capture}` },
      ]
    : []),
  {
    name: versionOf('nfpcapd', '-V') ?? '',
    command: `rm -f ${WORK}/nfpcapd/* ; nfpcapd -r ${capture} -w ${WORK}/nfpcapd -t 3600`,
  },
  { name: versionOf('softflowd', '-h') ?? '', command: `softflowd -r ${capture} -n 127.0.0.1:9 -v 9 -m 1000000` },
  { name: versionOf('pmacctd', '-V') ?? '', command: `timeout 120 pmacctd -f ${join(WORK, 'pmacctd.conf')}` },
  { name: versionOf('ndpiReader', '-h') ?? '', command: `ndpiReader -q -i ${capture}` },
  { name: isInstalled('tcptrace') ? 'tcptrace -n -r' : '', command: `tcptrace -n -r ${capture}` },
].filter(({ name }) => name !== '');

console.log(describeMachine());
console.log(`${packets} packets, ${(octets / 1e6).toFixed(0)} MB`);
const times: ProcessTime[][] = CONTESTANTS.map(() => []);
for (let round = 0; round < Number(values.rounds); round++) {
  for (const [i, { command }] of CONTESTANTS.entries()) {
    // Reading from the disk is nobody's work.
    await timeCommand(`cat ${capture}`);
    times[i]!.push(await timeCommand(command));
  }
}
const perSecond = times.map((own) => own.map(({ cpu }) => packets / cpu / 1e6));
printTable(
  ['', 'CPU s', 'M packets per CPU-second', 'to flowrelay', 'MiB'],
  CONTESTANTS.map(({ name }, i) => [
    name,
    withSpread(
      times[i]!.map(({ cpu }) => cpu),
      2,
    ),
    withSpread(perSecond[i]!, 2),
    (median(perSecond[i]!) / median(perSecond[0]!)).toFixed(2),
    Math.max(...times[i]!.map(({ residentMiB }) => residentMiB)).toFixed(0),
  ]),
);

/** Makes one file of a program and all it imports, as the build does of flowrelay. */
async function bundle(source: string, target: string): Promise<void> {
  const made = await rolldown({ input: resolve(source), platform: 'node', external: /^node:/ });
  await made.write({ file: target, format: 'cjs' });
  await made.close();
}
