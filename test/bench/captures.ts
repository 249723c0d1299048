/**
 * Captures to JSON lines: flowrelay beside other collectors, in turn, CPU of whole process trees, output thrown away.
 *
 *   npm run bench:captures -- [--flows N] [--rounds N] [--protocols v5,v9,…] [--nfdump DIR] [--work DIR]
 *
 * Peers are taken where they are found: nfdump 1.7.8 or later in DIR (nfcapd reads captures itself), tshark, pmacct, and
 * node-netflowv9 where its package lies in DIR/node_modules.
 */

import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { checkTruth } from './check-truth.ts';
import { makeCapture, portOf } from './make-capture.ts';
import { median, type ProcessTime, timeCommand } from './process-time.ts';
import { PROTOCOLS, type Protocol } from './traffic.ts';

interface Contestant {
  readonly name: string;
  readonly command: string;
}

const { values } = parseArgs({
  options: {
    flows: { type: 'string', default: '1000000' },
    rounds: { type: 'string', default: '3' },
    protocols: { type: 'string', default: PROTOCOLS.join(',') },
    nfdump: { type: 'string', default: '' },
    work: { type: 'string', default: join(tmpdir(), 'flowrelay-bench') },
    slow: { type: 'boolean', default: false },
  },
});

const FLOWS = Number(values.flows);
const ROUNDS = Number(values.rounds);
const WORK = resolve(values.work);
const MAIN = resolve('dist/main.js');

mkdirSync(WORK, { recursive: true });
console.log(`${FLOWS} flows, ${ROUNDS} rounds, ${cpus()[0]?.model}, node ${process.version}`);
for (const protocol of values.protocols.split(',') as Protocol[]) await compare(protocol);

async function compare(protocol: Protocol): Promise<void> {
  const capture = join(WORK, `${protocol}-${FLOWS}.pcap`);
  const truth = join(WORK, `${protocol}-${FLOWS}.truth.jsonl`);
  if (!existsSync(capture) || !existsSync(truth)) makeCapture(protocol, FLOWS, capture, truth);
  const checked = await checkTruth(['node', MAIN, 'convert', capture], truth);
  const contestants = contestantsFor(protocol, capture);
  const times = new Map<string, ProcessTime[]>(contestants.map(({ name }) => [name, []]));
  for (let round = 0; round < ROUNDS; round++) {
    for (const { name, command } of contestants) times.get(name)!.push(await timeCommand(command));
  }
  console.log(`\n${protocol}: ${checked} flows equal to what was sent`);
  console.log('| collector | flows per CPU-second (median, min–max) | wall s | resident MiB | flowrelay is |');
  console.log('|---|---|---|---|---|');
  const ours = FLOWS / median(times.get('flowrelay')!.map(({ cpu }) => cpu));
  for (const [name, runs] of times) {
    const rates = runs.map(({ cpu }) => FLOWS / cpu);
    const rate = FLOWS / median(runs.map(({ cpu }) => cpu));
    const spread = `${million(Math.min(...rates))}–${million(Math.max(...rates))}`;
    const failed = runs.some(({ exitCode }) => exitCode !== 0) ? ' (exit code not 0)' : '';
    const wall = median(runs.map(({ wall: seconds }) => seconds)).toFixed(2);
    const resident = Math.max(...runs.map(({ residentMiB }) => residentMiB)).toFixed(0);
    console.log(
      `| ${name}${failed} | ${million(rate)} (${spread}) | ${wall} | ${resident} | ${(ours / rate).toFixed(2)} times |`,
    );
  }
}

function million(rate: number): string {
  return `${(rate / 1e6).toFixed(2)} M`;
}

function contestantsFor(protocol: Protocol, capture: string): Contestant[] {
  const contestants: Contestant[] = [
    { name: 'flowrelay', command: `node ${MAIN} convert ${capture} >/dev/null` },
    {
      name: 'flowrelay to a file',
      command: `rm -f ${WORK}/out.jsonl; node ${MAIN} convert ${capture} --json ${WORK}/out.jsonl`,
    },
    {
      name: 'flowrelay without code generation',
      command: `node ${MAIN} convert --no-code-generation ${capture} >/dev/null`,
    },
  ];
  if (values.nfdump !== '') {
    const collector = protocol === 'sflow' ? 'sfcapd' : 'nfcapd';
    const store = join(WORK, 'nfdump-store');
    rmSync(store, { recursive: true, force: true });
    const read = `rm -rf ${store}; mkdir ${store}; ${values.nfdump}/${collector} -f ${capture} -l ${store} >/dev/null`;
    contestants.push({ name: 'nfdump', command: `${read}; ${values.nfdump}/nfdump -R ${store} -o ndjson >/dev/null` });
  }
  if (values.slow) contestants.push(...slowContestants(protocol, capture));
  return contestants;
}

function slowContestants(protocol: Protocol, capture: string): Contestant[] {
  const contestants: Contestant[] = [];
  const decodeAs = protocol === 'sflow' ? '' : `-d udp.port==${portOf(protocol)},cflow`;
  contestants.push({ name: 'tshark -T ek', command: `tshark -n -r ${capture} ${decodeAs} -T ek >/dev/null` });
  const program = protocol === 'sflow' ? 'sfacctd' : 'nfacctd';
  const configuration = join(WORK, `${program}.conf`);
  writeFileSync(
    configuration,
    [
      `pcap_savefile: ${capture}`,
      'pcap_savefile_wait: 0',
      'plugins: print',
      'aggregate: src_host,dst_host,src_port,dst_port,proto,tos,tcpflags,in_iface,out_iface,src_as,dst_as,timestamp_start,timestamp_end',
      'print_output: json',
      'print_refresh_time: 3600',
      `print_output_file: ${WORK}/pmacct.json`,
      'plugin_buffer_size: 1024000',
      'plugin_pipe_size: 102400000',
      `print_cache_entries: ${FLOWS * 2}`,
      '',
    ].join('\n'),
  );
  contestants.push({ name: `pmacct ${program}`, command: `timeout 600 ${program} -f ${configuration} >/dev/null` });
  const peer = join(WORK, 'node_modules', 'node-netflowv9');
  if (existsSync(peer) && protocol !== 'sflow') {
    const script = join(WORK, 'node-netflowv9.cjs');
    writeFileSync(script, nodeNetflowScript(peer, capture));
    contestants.push({ name: 'node-netflowv9', command: `node ${script} >/dev/null` });
  }
  return contestants;
}

/** Reads the made capture's datagrams, which all have the same head, into the package's decoder. */
function nodeNetflowScript(peer: string, capture: string): string {
  return `
const { readFileSync, writeSync } = require('fs');
const Collector = require(${JSON.stringify(peer)});
const decoder = new Collector({ cb: () => {} });
const capture = readFileSync(${JSON.stringify(capture)});
let lines = '';
for (let at = 24; at < capture.length;) {
  const length = capture.readUInt32BE(at + 8);
  const packet = decoder.nfPktDecode(capture.subarray(at + 16 + 42, at + 16 + length), { address: '192.0.2.1', port: 50000 });
  for (const flow of packet.flows) lines += JSON.stringify(flow) + '\\n';
  if (lines.length > 262144) { writeSync(1, lines); lines = ''; }
  at += 16 + length;
}
writeSync(1, lines);
process.exit(0);
`;
}
