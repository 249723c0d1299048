/**
 * Datagrams on loopback to JSON lines: the rate that flowrelay and its peers hold without losing one, and their CPU for each.
 * The sender runs on the same machine.
 *
 *   npm run bench:live -- [--seconds N] [--protocols v5,v9,…] [--scenarios one,exporters,templates] [--rates N,N,…]
 *                         [--nfdump DIR] [--pmacct] [--output FILE] [--output-limit GIB] [--receive-buffer OCTETS]
 *                         [--overload | --steady SECONDS] [--senders N] [--options '…'] [--work DIR]
 *
 * Without --rates the loss-free rate is looked for by halving, in runs of 5 s, and confirmed by one of
 * --seconds; where that loses some, by others, each 10 % slower.
 *
 * Scenarios: `one` Exporter with one Template; 1,000 `exporters` with four Templates each, announced every 20 datagrams;
 * one Exporter with one Template beside one with 100 `templates` by turns, of the same fields and no two alike, and with 10,000, of
 * which 100 are in use.
 * `--output FILE` writes lines to a disk, and ends a run when the file has --output-limit. `--receive-buffer 212992` gives what
 * a kernel gives by default, whatever net.core.rmem_max is here.
 * `--overload` sends twice the rate held (or the first of --rates) for --seconds, `--steady` half of it for so many seconds.
 * `--options` go to `flowrelay collect`.
 */

import { mkdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { printTable, slope } from './figures.ts';
import { memoryOf } from './kernel-accounting.ts';
import { type LiveRun, type Load, runLive, type Watch } from './live-run.ts';
import { describeMachine, versionOf } from './machine.ts';
import { flowrelay, nfcapd, pmacct, type Receiver, type ReceiverOptions, STATUS_PORT } from './receivers.ts';
import { LIVE_RECORDS, type Protocol } from './traffic.ts';

interface Scenario {
  readonly name: string;
  readonly options: readonly string[];
}

interface Held {
  readonly rate: number;
  /** The sender could send no more: the receiver may hold more. */
  readonly isSendersLimit: boolean;
}

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    protocols: { type: 'string', default: 'v9,v5,ipfix,sflow' },
    scenarios: { type: 'string', default: 'one' },
    nfdump: { type: 'string', default: '' },
    pmacct: { type: 'boolean', default: false },
    output: { type: 'string', default: '/dev/null' },
    'output-limit': { type: 'string', default: '20' },
    'receive-buffer': { type: 'string', default: String(32 << 20) },
    rates: { type: 'string', default: '' },
    overload: { type: 'boolean', default: false },
    steady: { type: 'string', default: '0' },
    senders: { type: 'string', default: '' },
    options: { type: 'string', default: '' },
    work: { type: 'string', default: join(tmpdir(), 'flowrelay-bench') },
  },
});

const LOWEST = 2000;
const HIGHEST = 400_000;
const TRIAL_SECONDS = 5;
const MAX_TRIES = 6;
const STEADY_SECONDS = Number(values.steady);
/** Part of a steady run that memory is left to settle in. */
const SETTLING = 0.2;

/** Adds three fields, as the first 100 variants do on average. */
const MEAN_SHAPE = '7';

const SCENARIOS: Readonly<Record<string, readonly Scenario[]>> = {
  one: [{ name: 'one Exporter', options: [] }],
  exporters: [
    {
      name: '1,000 Exporters × 4 Templates, announced every 20 datagrams',
      options: ['--exporters', '1000', '--templates', '4', '--in-use', '4', '--refresh', '20'],
    },
  ],
  templates: [
    { name: '1 Template', options: ['--shape', MEAN_SHAPE, '--refresh', '10000'] },
    {
      name: '100 Templates of the same fields, by turns',
      options: ['--templates', '100', '--in-use', '100', '--shape', MEAN_SHAPE, '--refresh', '10000'],
    },
    {
      name: '100 Templates, no two alike, by turns',
      options: ['--templates', '100', '--in-use', '100', '--refresh', '10000'],
    },
    {
      name: '10,000 Templates, no two alike, 100 by turns',
      options: ['--templates', '10000', '--in-use', '100', '--refresh', '10000'],
    },
  ],
};

const receiverOptions: ReceiverOptions = {
  main: resolve('dist/main.js'),
  options: values.options.split(' ').filter(Boolean),
  output: values.output,
  receiveBuffer: Number(values['receive-buffer']),
  nfdump: values.nfdump,
  work: values.work,
};
const watch: Watch = { output: values.output, outputLimit: Number(values['output-limit']) * 2 ** 30 };
const protocols = values.protocols.split(',') as Protocol[];

mkdirSync(values.work, { recursive: true });
const limit = readFileSync('/proc/sys/net/core/rmem_max', 'latin1').trim();
console.log(describeMachine());
if (values.nfdump !== '') console.log(versionOf(join(values.nfdump, 'nfdump'), '-V'));
console.log(`net.core.rmem_max ${limit} (Linux' own default: 212992), lines to ${values.output}`);
for (const protocol of protocols) {
  if (values.overload) await overload(protocol);
  else if (STEADY_SECONDS > 0) await steady(protocol);
  else await compare(protocol);
}

async function compare(protocol: Protocol): Promise<void> {
  console.log(`\n${protocol}, ${LIVE_RECORDS[protocol]} flows a datagram\n`);
  const receivers = [flowrelay(receiverOptions)];
  if (values.nfdump !== '') receivers.push(nfcapd(receiverOptions));
  const other = values.pmacct ? pmacct(receiverOptions) : undefined;
  if (other !== undefined) receivers.push(other);
  const rows: string[][] = [];
  let bufferGot = 0;
  for (const { name, options } of values.scenarios.split(',').flatMap((scenario) => SCENARIOS[scenario] ?? [])) {
    for (const receiver of receivers) {
      const searched = values.rates === '' ? await search(receiver, protocol, options) : undefined;
      for (const rate of searched === undefined ? values.rates.split(',').map(Number) : [searched.rate]) {
        const load: Load = { protocol, rate, seconds: Number(values.seconds), senders: senders(1), options };
        const run = searched === undefined ? await runLive(receiver, load, watch) : await confirmed(receiver, load);
        bufferGot = run.bufferGot ?? bufferGot;
        rows.push([receiver.name, name, ...figures(run, protocol, searched?.isSendersLimit === true)]);
      }
    }
  }
  printTable(
    [
      'collector',
      'sent by',
      'datagrams/s',
      'flows/s',
      'for s',
      'sent',
      'lost',
      'CPU µs each',
      'resident MiB',
      'sent = decoded + dropped',
    ],
    rows,
  );
  console.log(`\nreceive buffer: ${values['receive-buffer']} octets asked, ${bufferGot} given to flowrelay`);
}

/** A run without a loss, at the rate found or as little below it as shows; after a few tries, one with losses. */
async function confirmed(receiver: Receiver, load: Load): Promise<LiveRun> {
  let { rate } = load;
  for (let tries = 1; ; tries++) {
    const run = await runLive(receiver, { ...load, rate }, watch);
    if (run.drops === 0 || tries === MAX_TRIES) return run;
    rate = Math.round(rate * 0.9);
  }
}

function figures(run: LiveRun, protocol: Protocol, isSendersLimit: boolean): string[] {
  return [
    `${Math.round(run.rate)}${isSendersLimit ? " (the sender's limit)" : ''}`,
    `${((run.rate * LIVE_RECORDS[protocol]) / 1e6).toFixed(2)} M`,
    `${run.seconds.toFixed(0)}${run.outputOctets > watch.outputLimit ? ' (the disk limit)' : ''}`,
    String(run.sent),
    String(run.drops),
    ((run.cpu / run.sent) * 1e6).toFixed(2),
    run.residentMiB.toFixed(0),
    sumText(run),
  ];
}

/** Whether every datagram is accounted for; a run where one is not makes the program fail. */
function sumText({ sent, decoded, drops, dropsTold }: LiveRun): string {
  if (decoded === undefined) return 'not told';
  if (sent === decoded + drops && dropsTold === drops) return 'yes';
  process.exitCode = 1;
  return `no: ${sent}, ${decoded} + ${drops} (it says ${dropsTold})`;
}

/** The highest rate without a loss, to about 5 %, taken 5 % down. */
async function search(receiver: Receiver, protocol: Protocol, options: readonly string[]): Promise<Held> {
  let low = LOWEST;
  let high = HIGHEST;
  let isSendersLimit = false;
  while (high / low > 1.05) {
    const rate = Math.round(Math.sqrt(low * high));
    const load: Load = { protocol, rate, seconds: TRIAL_SECONDS, senders: senders(1), options };
    const run = await runLive(receiver, load, watch);
    // A sender that cannot keep up has found its own limit, not the receiver's.
    const keptUp = run.rate > rate * 0.97;
    if (run.drops === 0 && keptUp) {
      low = rate;
    } else {
      high = rate;
      isSendersLimit = run.drops === 0;
    }
  }
  return { rate: Math.round(low * 0.95), isSendersLimit };
}

function senders(otherwise: number): number {
  return values.senders === '' ? otherwise : Number(values.senders);
}

async function heldRate(protocol: Protocol): Promise<number> {
  if (values.rates !== '') return Number(values.rates.split(',')[0]);
  return (await search(flowrelay(receiverOptions), protocol, [])).rate;
}

/** Twice the rate held: whether it still answers, how its memory goes, and whether every datagram is accounted for. */
async function overload(protocol: Protocol): Promise<void> {
  const held = await heldRate(protocol);
  const load: Load = { protocol, rate: held * 2, seconds: Number(values.seconds), senders: senders(2), options: [] };
  const resident: number[] = [];
  const answersMs: number[] = [];
  const pending: Promise<void>[] = [];
  const run = await runLive(flowrelay(receiverOptions), load, {
    ...watch,
    onTick: (receiver) => {
      resident.push(memoryOf(receiver.pid!).residentKiB / 1024);
      pending.push(askStatus(answersMs));
    },
  });
  await Promise.all(pending);
  console.log(`\n${protocol} under overload: ${held} datagrams/s held, ${held * 2} wanted of the sender\n`);
  const at = (part: number) => resident[Math.min(resident.length - 1, Math.floor(resident.length * part))]!.toFixed(0);
  printTable(
    ['what', 'figure'],
    [
      ['datagrams/s sent', `${Math.round(run.rate)} for ${run.seconds.toFixed(0)} s`],
      ['sent', String(run.sent)],
      ['decoded', String(run.decoded)],
      ['dropped by the kernel', `${run.drops} (flowrelay says ${run.dropsTold})`],
      ['sent = decoded + dropped', sumText(run)],
      ['status page, ms: median, longest', `${middle(answersMs)}, ${Math.max(...answersMs).toFixed(0)}`],
      ['status page: asked, answered', `${pending.length}, ${answersMs.length}`],
      ['resident MiB: start, middle, end, peak', `${at(0.05)}, ${at(0.5)}, ${at(1)}, ${run.residentMiB.toFixed(0)}`],
      ['receive buffer given', String(run.bufferGot)],
    ],
  );
}

function middle(figures: readonly number[]): string {
  return ([...figures].sort((a, b) => a - b)[figures.length >> 1] ?? 0).toFixed(0);
}

async function askStatus(answersMs: number[]): Promise<void> {
  const start = performance.now();
  try {
    await (await fetch(`http://127.0.0.1:${STATUS_PORT}/health`)).text();
    answersMs.push(performance.now() - start);
  } catch {
    // Counted as asked and not answered.
  }
}

/** Half the rate held, for long: how the memory goes. */
async function steady(protocol: Protocol): Promise<void> {
  const held = await heldRate(protocol);
  const rate = Math.round(held / 2);
  const load: Load = { protocol, rate, seconds: STEADY_SECONDS, senders: senders(1), options: [] };
  const times: number[] = [];
  const samples: NodeJS.MemoryUsage[] = [];
  const start = performance.now();
  const run = await runLive(flowrelay(receiverOptions, true), load, {
    ...watch,
    onStart: (receiver) =>
      receiver.on('message', (message) => {
        times.push((performance.now() - start) / 1000);
        samples.push(message as NodeJS.MemoryUsage);
      }),
  });
  console.log(`\n${protocol} at half of ${held} datagrams/s\n`);
  const settled = Math.floor(samples.length * SETTLING);
  const row = (name: string, pick: (sample: NodeJS.MemoryUsage) => number) => {
    const mebibytes = samples.map((sample) => pick(sample) / 2 ** 20);
    const at = (index: number) => (mebibytes[index] ?? 0).toFixed(1);
    const perMinute = slope(times.slice(settled), mebibytes.slice(settled)) * 60 * 1024;
    const last = samples.length - 1;
    return [name, at(0), at(settled), at(last >> 1), at(last), Math.max(...mebibytes).toFixed(1), perMinute.toFixed(1)];
  };
  printTable(
    ['MiB', 'at start', 'settled', 'middle', 'end', 'most', 'slope once settled, KiB a minute'],
    [
      row('resident', ({ rss }) => rss),
      row('heap used', ({ heapUsed }) => heapUsed),
      row('heap', ({ heapTotal }) => heapTotal),
      row('outside the heap', ({ external }) => external),
    ],
  );
  const cpu = ((run.cpu / run.sent) * 1e6).toFixed(2);
  console.log(
    `\n${Math.round(run.rate)} datagrams/s for ${run.seconds.toFixed(0)} s, ${run.drops} lost, ${cpu} µs CPU each; ` +
      `sent = decoded + dropped: ${sumText(run)}`,
  );
}
