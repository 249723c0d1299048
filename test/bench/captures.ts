/**
 * Captures to JSON lines: flowrelay beside other collectors, in turn, CPU of whole process trees, output thrown away. What
 * flowrelay prints is compared with the truth first, every value.
 *
 *   npm run bench:captures -- [--flows N,N,…] [--rounds N] [--protocols v5,v9,…] [--peers NAME,…|none] [--nfdump DIR]
 *                             [--rate N] [--patience SECONDS] [--start-up] [--work DIR]
 *
 * Peers: `nfdump` (1.7.8 or later in DIR: nfcapd reads captures itself), `nfdump-file` (its lines to a file on a disk), `nfdump-loopback` (the system's, whose nfcapd is sent
 * the capture at --rate datagrams a second, halved until it loses none), `pmacct`, `tshark`, `node-netflowv9` (put into the
 * work folder by npm). A peer whose runs at one size have taken --patience seconds sits out the rounds left. --start-up
 * measures nothing but how long a file of ten flows takes, beside a Node.js that does nothing.
 */

import { existsSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { checkTruth } from './check-truth.ts';
import { type Contest, ourContestants, PEERS, peerContestants, peerVersions } from './contestants.ts';
import { median, printTable, withSpread } from './figures.ts';
import { describeMachine } from './machine.ts';
import { makeCapture } from './make-capture.ts';
import { type ProcessTime, timeCommand } from './process-time.ts';
import { PROTOCOLS, type Protocol } from './traffic.ts';

const { values } = parseArgs({
  options: {
    flows: { type: 'string', default: '1000000' },
    rounds: { type: 'string', default: '3' },
    protocols: { type: 'string', default: PROTOCOLS.join(',') },
    peers: { type: 'string', default: PEERS.join(',') },
    nfdump: { type: 'string', default: '' },
    rate: { type: 'string', default: '20000' },
    patience: { type: 'string', default: '180' },
    'start-up': { type: 'boolean', default: false },
    work: { type: 'string', default: join(tmpdir(), 'flowrelay-bench') },
  },
});

const SIZES = values.flows.split(',').map(Number);
const ROUNDS = Number(values.rounds);
const CHOSEN = values.protocols.split(',') as Protocol[];
const WORK = resolve(values.work);
const MAIN = resolve('dist/main.js');
const START_UP_FLOWS = 10;
const START_UP_RUNS = 20;

mkdirSync(WORK, { recursive: true });
console.log(describeMachine());
if (values['start-up']) {
  for (const protocol of CHOSEN) await compareStartUp(protocol);
} else {
  for (const line of peerVersions(values.nfdump)) console.log(line);
  for (const protocol of CHOSEN) {
    for (const flows of SIZES) await compare(protocol, flows);
  }
}

async function compare(protocol: Protocol, flows: number): Promise<void> {
  const { capture, truth } = captureOf(protocol, flows);
  const checked = await checkTruth(['node', MAIN, 'convert', capture], truth);
  console.log(`\n${protocol}, ${flows} flows, ${ROUNDS} rounds; ${checked} flows equal to what was sent`);
  const { nfdump, rate } = values;
  const contest: Contest = { protocol, capture, flows, work: WORK, main: MAIN, nfdump, rate: Number(rate) };
  const contestants = [
    ...ourContestants(contest),
    ...peerContestants(contest, new Set(values.peers.split(',')), (part) => captureOf(protocol, part).capture),
  ];
  const runs = new Map<string, ProcessTime[]>(contestants.map(({ name }) => [name, []]));
  const printed = new Map<string, number | undefined>();
  const given = new Set<string>();
  for (let round = 0; round < ROUNDS; round++) {
    for (const { name, run, count } of contestants) {
      const times = runs.get(name)!;
      if (given.has(name) || times.reduce((sum, { wall }) => sum + wall, 0) > Number(values.patience)) continue;
      try {
        times.push(await run());
        if (round === 0) printed.set(name, await count());
      } catch (error) {
        given.add(name);
        console.log(`${name} gave up: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  }
  printResults(flows, runs, printed);
}

/** Rates count the flows that a collector printed, not those it was given. */
function printResults(
  flows: number,
  runs: ReadonlyMap<string, readonly ProcessTime[]>,
  printed: ReadonlyMap<string, number | undefined>,
): void {
  const ours = runs.get('flowrelay')!.map(({ cpu }) => flows / cpu / 1e6);
  const rows: string[][] = [];
  for (const [name, times] of runs) {
    if (times.length === 0) continue;
    const count = printed.get(name);
    const rates = times.map(({ cpu }) => (count ?? flows) / cpu / 1e6);
    // Rounds are compared pair by pair: what disturbs the machine disturbs neighbours alike.
    const ratios = rates.map((rate, i) => ours[i]! / rate);
    const failed = times.some(({ exitCode }) => exitCode !== 0) ? ' (exit code not 0)' : '';
    rows.push([
      `${name}${failed}`,
      withSpread(rates, 3, ' M'),
      count === 0 ? 'nothing printed' : withSpread(ratios, 2, ' times'),
      median(times.map(({ wall }) => wall)).toFixed(2),
      Math.max(...times.map(({ residentMiB }) => residentMiB)).toFixed(0),
      count === undefined ? 'not told' : String(Math.round(count)),
      String(times.length),
    ]);
  }
  console.log('');
  printTable(
    ['collector', 'flows per CPU-second', 'flowrelay is', 'wall s', 'resident MiB', 'flows printed', 'runs'],
    rows,
  );
}

async function compareStartUp(protocol: Protocol): Promise<void> {
  const { capture } = captureOf(protocol, START_UP_FLOWS);
  const commands = [
    ['node -e 0', 'node -e 0'],
    ['convert of ten flows', `node ${MAIN} convert ${capture} >/dev/null`],
  ] as const;
  const runs = commands.map((): ProcessTime[] => []);
  for (let run = 0; run < START_UP_RUNS; run++) {
    for (let i = 0; i < commands.length; i++) runs[i]!.push(await timeCommand(commands[i]![1], false));
  }
  const least = runs[0]!;
  console.log(`\nStart-up, ${protocol}, ${START_UP_RUNS} runs in turn\n`);
  printTable(
    ['command', 'wall ms', 'CPU ms', 'times the wall of nothing', 'times its CPU'],
    commands.map(([name], i) => {
      const times = runs[i]!;
      const ratio = (pick: (time: ProcessTime) => number) => median(times.map(pick)) / median(least.map(pick));
      return [
        name,
        withSpread(
          times.map(({ wall }) => wall * 1000),
          0,
        ),
        withSpread(
          times.map(({ cpu }) => cpu * 1000),
          0,
        ),
        ratio(({ wall }) => wall).toFixed(2),
        ratio(({ cpu }) => cpu).toFixed(2),
      ];
    }),
  );
}

function captureOf(protocol: Protocol, flows: number): { capture: string; truth: string } {
  const capture = join(WORK, `${protocol}-${flows}.pcap`);
  const truth = join(WORK, `${protocol}-${flows}.truth.jsonl`);
  if (!existsSync(capture) || !existsSync(truth)) makeCapture(protocol, flows, capture, truth);
  return { capture, truth };
}
