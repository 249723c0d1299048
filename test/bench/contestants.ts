/** The collectors that turn a capture into JSON, flowrelay among them, each as it is best asked to. */

import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { cpuSecondsOfTree } from './kernel-accounting.ts';
import { ended, endTree, overLoopback, until } from './loopback-collector.ts';
import { isInstalled, versionOf } from './machine.ts';
import { portOf } from './make-capture.ts';
import { type ProcessTime, startTimed, timeCommand } from './process-time.ts';
import type { Protocol } from './traffic.ts';

/** One way of turning a capture into JSON. */
export interface Contestant {
  readonly name: string;
  /** Does it once with the output thrown away. */
  run(): Promise<ProcessTime>;
  /** Does it once more, untimed: the flows it prints; undefined where its output does not tell them apart. */
  count(): Promise<number | undefined>;
}

/** What contestants work on. */
export interface Contest {
  readonly protocol: Protocol;
  readonly capture: string;
  readonly flows: number;
  /** A folder for their files. */
  readonly work: string;
  /** Path of flowrelay's main file. */
  readonly main: string;
  /** Folder of nfdump 1.7.8 or later, or `''`. */
  readonly nfdump: string;
  /** Datagrams a second at first for nfcapd over loopback. */
  readonly rate: number;
}

/** Names of peers, as they are chosen. */
export const PEERS = ['nfdump', 'nfdump-file', 'nfdump-loopback', 'pmacct', 'tshark', 'node-netflowv9'] as const;

/** One of {@link PEERS}. */
export type Peer = (typeof PEERS)[number];

const LOOPBACK_PORT = 29_940;
const NODE_NETFLOW = 'node-netflowv9@0.2.16';
/** pmacct's print plugin takes 4 kB for each flow it holds, and held all of no larger capture. */
const PMACCT_FLOWS = 200_000;
const PMACCT_TIMEOUT_MS = 60_000;
const IDLE_MS = 1000;

/** flowrelay as it is, to a file, and without code generation. */
export function ourContestants({ capture, work, main }: Contest): Contestant[] {
  const file = join(work, 'out.jsonl');
  return [
    ofCommand('flowrelay', `node ${main} convert ${capture}`),
    toFile('flowrelay to a file', `node ${main} convert ${capture} --json ${file}`, file),
    ofCommand('flowrelay without code generation', `node ${main} convert --no-code-generation ${capture}`),
  ];
}

/** The peers chosen that can run here; says of the others why they cannot. `captureOf` makes a smaller capture. */
export function peerContestants(
  contest: Contest,
  peers: ReadonlySet<string>,
  captureOf: (flows: number) => string,
): Contestant[] {
  const found: Contestant[] = [];
  const add = (peer: Peer, missing: string | undefined, make: () => Contestant) => {
    if (!peers.has(peer)) return;
    if (missing === undefined) found.push(make());
    else console.log(`${peer} is left out: ${missing}`);
  };
  const isSflow = contest.protocol === 'sflow';
  const collector = isSflow ? 'sfcapd' : 'nfcapd';
  const pmacct = isSflow ? 'sfacctd' : 'nfacctd';
  add('nfdump', missingNfdump(contest, collector), () => nfdump(contest, collector));
  add('nfdump-file', missingNfdump(contest, collector), () => nfdumpToFile(contest, collector));
  add('nfdump-loopback', missingProgram(collector), () => nfdumpOverLoopback(contest, collector));
  add('pmacct', missingProgram(pmacct), () => pmacctFromCapture(contest, pmacct, captureOf));
  add('tshark', missingProgram('tshark'), () => tshark(contest));
  if (peers.has('node-netflowv9')) {
    const missing =
      isSflow || contest.protocol === 'ipfix' ? 'it reads NetFlow only' : installNodeNetflow(contest.work);
    add('node-netflowv9', missing, () => nodeNetflow(contest));
  }
  return found;
}

/** Versions of the peers found, one a line. */
export function peerVersions(nfdumpFolder: string): string[] {
  const own = nfdumpFolder === '' ? undefined : versionOf(join(nfdumpFolder, 'nfdump'), '-V');
  return [
    own && `nfdump: ${own}`,
    prefixed('nfdump of the system', versionOf('nfdump', '-V')),
    prefixed('pmacct', versionOf('nfacctd', '-V')),
    prefixed('tshark', versionOf('tshark', '--version')),
    `node-netflowv9: ${NODE_NETFLOW}`,
  ].filter((line) => line !== undefined);
}

function prefixed(name: string, version: string | undefined): string | undefined {
  return version && `${name}: ${version}`;
}

/** A contestant of one command that prints to standard output; flows are its lines, or those with `lineOf` in them. */
export function ofCommand(name: string, command: string, lineOf = ''): Contestant {
  return {
    name,
    run: () => timeCommand(`${command} >/dev/null`),
    count: async () => lines(command, lineOf),
  };
}

/** A contestant of one command that writes its lines to `file`, on a disk; what the run before wrote is taken away untimed. */
function toFile(name: string, command: string, file: string): Contestant {
  return {
    name,
    run: () => {
      rmSync(file, { force: true });
      return timeCommand(command);
    },
    count: async () => {
      const count = lines(`cat ${file}`);
      rmSync(file, { force: true });
      return count;
    },
  };
}

/** Lines that a command prints, or those of them with `text` in them. */
export function lines(command: string, text = ''): number {
  const count = text === '' ? 'wc -l' : `grep -cF '${text}'`;
  const { stdout } = spawnSync('bash', ['-c', `{ ${command} ; } 2>/dev/null | ${count}`], { encoding: 'utf8' });
  return Number(stdout);
}

function missingProgram(program: string): string | undefined {
  return isInstalled(program) ? undefined : `${program} is not installed`;
}

function missingNfdump({ nfdump: folder }: Contest, collector: string): string | undefined {
  if (folder === '') return 'no --nfdump DIR';
  return existsSync(join(folder, collector)) ? undefined : `no ${collector} in ${folder}`;
}

/** The commands that turn a capture into JSON with nfdump 1.7.8 or later, which reads captures itself. */
export function nfdumpCommand(folder: string, collector: string, capture: string, store: string): string {
  const read = `rm -rf ${store}; mkdir -p ${store}; ${join(folder, collector)} -f ${capture} -l ${store} >/dev/null`;
  return `${read}; ${join(folder, 'nfdump')} -R ${store} -o ndjson`;
}

function nfdump({ capture, work, nfdump: folder }: Contest, collector: string): Contestant {
  return ofCommand('nfdump', nfdumpCommand(folder, collector, capture, join(work, 'nfdump-store')));
}

function nfdumpToFile({ capture, work, nfdump: folder }: Contest, collector: string): Contestant {
  const file = join(work, 'nfdump.jsonl');
  const command = nfdumpCommand(folder, collector, capture, join(work, 'nfdump-store'));
  return toFile('nfdump to a file', `{ ${command}; } >${file}`, file);
}

/** The system's nfdump, too old to read captures: over loopback at a rate it holds. */
function nfdumpOverLoopback(contest: Contest, collector: string): Contestant {
  const store = join(contest.work, 'loopback-store');
  const collect = `${collector} -b 127.0.0.1 -p ${LOOPBACK_PORT} -w ${store} -t 3600 -B ${32 << 20}`;
  const print = `nfdump -R ${store} -o json`;
  let { rate } = contest;
  return {
    name: `${collector} over loopback and nfdump, the system's`,
    run: async () => {
      for (;;) {
        rmSync(store, { recursive: true, force: true });
        mkdirSync(store);
        const { time, sent, drops } = await overLoopback(collect, LOOPBACK_PORT, contest.capture, rate);
        if (drops > 0 && rate > 1000) {
          rate /= 2;
          continue;
        }
        if (drops > 0) console.log(`${collector} lost ${drops} of ${sent} datagrams at ${rate} a second`);
        const printed = await timeCommand(`${print} >/dev/null`);
        return {
          cpu: time.cpu + printed.cpu,
          wall: time.wall + printed.wall,
          residentMiB: Math.max(time.residentMiB, printed.residentMiB),
          exitCode: time.exitCode || printed.exitCode,
        };
      }
    },
    // The store of the run just timed.
    count: async () => lines(print, '"type" :'),
  };
}

/** pmacct reads captures but loses what its plugin has not read at their end: it is stopped once it is idle. */
function pmacctFromCapture(contest: Contest, program: string, captureOf: (flows: number) => string): Contestant {
  const { flows, work } = contest;
  const part = Math.min(flows, PMACCT_FLOWS);
  const output = join(work, 'pmacct.json');
  const log = join(work, 'pmacct.log');
  const configuration = join(work, 'pmacct.conf');
  const settings = [
    `pcap_savefile: ${part === flows ? contest.capture : captureOf(part)}`,
    'pcap_savefile_wait: true',
    `logfile: ${log}`,
    'plugins: print',
    'aggregate: src_host,dst_host,src_port,dst_port,proto,tos,tcpflags,in_iface,out_iface,src_as,dst_as,timestamp_start,timestamp_end',
    'print_output: json',
    'print_refresh_time: 86400',
    `print_output_file: ${output}`,
    'plugin_buffer_size: 1024000',
    `plugin_pipe_size: ${200 << 20}`,
    'print_cache_entries: 65536',
    '',
  ];
  const run = async (): Promise<ProcessTime> => {
    rmSync(output, { force: true });
    rmSync(log, { force: true });
    writeFileSync(configuration, settings.join('\n'));
    const { pid, done } = startTimed(`${program} -f ${configuration} >/dev/null`);
    try {
      const hasRead = () => existsSync(log) && readFileSync(log, 'latin1').includes('finished reading');
      await until(hasRead, PMACCT_TIMEOUT_MS, `${program} does not read the capture`);
      await idle(pid);
      endTree(pid, 'SIGINT');
      const time = await ended(pid, done);
      return { ...time, wall: time.wall - IDLE_MS / 1000 };
    } finally {
      endTree(pid, 'SIGKILL');
    }
  };
  const scope = part === flows ? '' : `, ${part} of the flows`;
  return {
    name: `pmacct's ${program} to a file${scope}`,
    run,
    // What the run just timed wrote.
    count: async () => (existsSync(output) ? lines(`cat ${output}`) : 0),
  };
}

/** Waits until a process tree has used no CPU for {@link IDLE_MS}. */
async function idle(pid: number): Promise<void> {
  for (let before = -1, now = cpuSecondsOfTree(pid); now > before; ) {
    before = now;
    await sleep(IDLE_MS);
    now = cpuSecondsOfTree(pid);
  }
}

function tshark({ protocol, capture }: Contest): Contestant {
  const decodeAs = protocol === 'sflow' ? '' : `-d udp.port==${portOf(protocol)},cflow`;
  const command = `tshark -n -r ${capture} ${decodeAs} -T ek`;
  // One object for each datagram, its flows' values in arrays.
  return { name: 'tshark -T ek', run: () => timeCommand(`${command} >/dev/null`), count: async () => undefined };
}

/** Puts the package into the work folder; returns why it could not. */
function installNodeNetflow(work: string): string | undefined {
  if (existsSync(join(work, 'node_modules', 'node-netflowv9'))) return undefined;
  writeFileSync(join(work, 'package.json'), '{"private":true}\n');
  try {
    const options = ['install', '--prefix', work, '--no-audit', '--no-fund', '--ignore-scripts', NODE_NETFLOW];
    execFileSync('npm', options, { cwd: work, stdio: 'ignore' });
    return undefined;
  } catch {
    return 'npm could not install it';
  }
}

function nodeNetflow({ capture, work }: Contest): Contestant {
  const script = join(work, 'node-netflowv9.cjs');
  writeFileSync(script, nodeNetflowScript(join(work, 'node_modules', 'node-netflowv9'), capture));
  return ofCommand('node-netflowv9', `node --max-old-space-size=4096 ${script}`);
}

/** Reads the made capture's datagrams, which all have the same head, into the package's decoder. */
function nodeNetflowScript(peer: string, capture: string): string {
  return `
const { openSync, readSync, writeSync } = require('fs');
const Collector = require(${JSON.stringify(peer)});
const decoder = new Collector({ cb: () => {} });
const descriptor = openSync(${JSON.stringify(capture)});
const block = Buffer.alloc(${1 << 20});
let lines = '';
function write() {
  const octets = Buffer.from(lines);
  for (let at = 0; at < octets.length; ) {
    try { at += writeSync(1, octets, at); } catch (error) { if (error.code !== 'EAGAIN') throw error; }
  }
  lines = '';
}
let kept = 0;
for (let position = 24; ; ) {
  const read = readSync(descriptor, block, kept, block.length - kept, position);
  if (read === 0) break;
  position += read;
  const end = kept + read;
  let at = 0;
  while (end - at >= 16 && end - at >= 16 + block.readUInt32BE(at + 8)) {
    const next = at + 16 + block.readUInt32BE(at + 8);
    const packet = decoder.nfPktDecode(block.subarray(at + 16 + 42, next), { address: '192.0.2.1', port: 50000 });
    if (packet) for (const flow of packet.flows) lines += JSON.stringify(flow) + '\\n';
    if (lines.length > 262144) write();
    at = next;
  }
  block.copy(block, 0, at, end);
  kept = end - at;
}
write();
process.exit(0);
`;
}
