/**
 * Captures of real Exporters to JSON lines, flowrelay beside nfdump: all captures at a path, repeated under other Exporters'
 * addresses and other flows' source addresses until there are enough flows, one protocol at a time.
 *
 *   npm run bench:real -- [--captures PATH] [--flows N] [--rounds N] [--exporters N] [--nfdump DIR] [--work DIR]
 *
 * Collectors print different things of real traffic (events, options, what a Template leaves out): rates count the flows that
 * each prints itself.
 */

import { mkdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { type Contestant, lines, nfdumpCommand, ofCommand } from './contestants.ts';
import { median, printTable, withSpread } from './figures.ts';
import { describeMachine, versionOf } from './machine.ts';
import { type ProcessTime, timeCommand } from './process-time.ts';
import { capturesAt, REAL_PROTOCOLS, realTraffic, repeatTraffic } from './real-capture.ts';

const { values } = parseArgs({
  options: {
    captures: { type: 'string', default: 'fixtures' },
    flows: { type: 'string', default: '1000000' },
    rounds: { type: 'string', default: '3' },
    exporters: { type: 'string', default: '20' },
    nfdump: { type: 'string', default: '' },
    work: { type: 'string', default: join(tmpdir(), 'flowrelay-bench') },
  },
});

const ROUNDS = Number(values.rounds);
const MAIN = resolve('dist/main.js');
const WORK = resolve(values.work);

mkdirSync(WORK, { recursive: true });
console.log(describeMachine());
if (values.nfdump !== '') console.log(versionOf(join(values.nfdump, 'nfdump'), '-V'));
const paths = capturesAt(values.captures);
const traffic = realTraffic(paths);
const rows: string[][] = [];
for (const protocol of REAL_PROTOCOLS) {
  const found = traffic.get(protocol);
  if (found === undefined || found.flows === 0) continue;
  const capture = join(WORK, 'real.pcap');
  const times = repeatTraffic(found, Number(values.flows), capture, Number(values.exporters));
  const traits = `${protocol}: ${found.datagrams.length} datagrams, ${found.flows} flows, ${times} times`;
  rows.push(...(await compare(traits, contestantsFor(protocol === 'sFlow' ? 'sfcapd' : 'nfcapd', capture))));
  rmSync(capture);
}
console.log(`\n${paths.length} captures of ${values.captures}, ${ROUNDS} rounds\n`);
printTable(['traffic', 'collector', 'flows printed', 'flows per CPU-second', 'flowrelay is', 'wall s', 'MiB'], rows);

function contestantsFor(collector: string, capture: string): Contestant[] {
  const convert = `node ${MAIN} convert ${capture}`;
  const contestants: Contestant[] = [
    {
      name: 'flowrelay',
      run: () => timeCommand(`${convert} >/dev/null`),
      // It prints options and counters too, which count as no flow.
      count: async () => lines(`${convert} --records flow,event,discard`),
    },
  ];
  if (values.nfdump !== '') {
    const store = join(WORK, 'nfdump-store');
    contestants.push(ofCommand('nfdump', nfdumpCommand(values.nfdump, collector, capture, store)));
  }
  return contestants;
}

async function compare(traits: string, contestants: readonly Contestant[]): Promise<string[][]> {
  const runs = contestants.map((): ProcessTime[] => []);
  for (let round = 0; round < ROUNDS; round++) {
    for (let i = 0; i < contestants.length; i++) runs[i]!.push(await contestants[i]!.run());
  }
  const results: string[][] = [];
  let ours: readonly number[] = [];
  for (let i = 0; i < contestants.length; i++) {
    const { name, count } = contestants[i]!;
    const printed = (await count()) ?? 0;
    const rates = runs[i]!.map(({ cpu }) => printed / cpu / 1e6);
    if (i === 0) ours = rates;
    const ratios = rates.map((rate, round) => ours[round]! / rate);
    results.push([
      traits,
      name,
      String(printed),
      withSpread(rates, 3, ' M'),
      printed === 0 ? 'nothing printed' : withSpread(ratios, 2, ' times'),
      median(runs[i]!.map(({ wall }) => wall)).toFixed(2),
      Math.max(...runs[i]!.map(({ residentMiB }) => residentMiB)).toFixed(0),
    ]);
  }
  return results;
}
