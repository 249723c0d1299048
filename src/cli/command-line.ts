/** The commands. Each loads its own parts only when it is chosen. */
import { createRequire } from 'node:module';
import type { Argv } from 'yargs';
import { hideDashes, showDash } from './dash.ts';
import { addOptions, configurationOf } from './options.ts';
import { usageMessage } from './usage-message.ts';
import { programVersion } from './version.ts';

// Its CommonJS form starts 15 ms faster than the other, and breaks lines of help between words.
const yargs = createRequire(import.meta.url)('yargs') as (args: readonly string[]) => Argv;

/** Words that are no command line: the message is one line that says why. */
export class UsageError extends Error {
  override name = 'UsageError';
}

let exitCode = 0;

/** Runs the command that `words` name and gives its exit code. Rejects with a {@link UsageError} where they name none. */
export async function runCommandLine(words: readonly string[]): Promise<number> {
  await commandsOf(words).parseAsync();
  return exitCode;
}

function commandsOf(words: readonly string[]) {
  return yargs(hideDashes(words))
    .scriptName('flowrelay')
    .usage(
      '$0 <command> [options]\n\nReceives NetFlow v1, v5, v7, v9, IPFIX and sFlow, and writes one JSON line per flow.',
    )
    .version(programVersion())
    .parserConfiguration({ 'parse-positional-numbers': false, 'parse-numbers': false })
    .command(
      'collect',
      'Receive flows and write them as JSON lines',
      (command) =>
        addOptions(command, 'collect')
          .example('$0 collect', 'Listen on UDP port 2055, print flows')
          .example(
            '$0 collect --listen udp://[::]:2055 --listen udp://[::]:6343 --json flows.json',
            'NetFlow and sFlow on their ports, append to a file',
          )
          .example(
            '$0 collect --listen tcp://[::]:4739 --state-dir /var/lib/flowrelay',
            'IPFIX over TCP, remember Templates across restarts',
          ),
      async (flags) => {
        const { runCollect } = await import('./collect.ts');
        exitCode = await runCollect(flags);
      },
    )
    .command(
      'convert <file..>',
      'Read captures and IPFIX files and write their flows as JSON lines',
      (command) =>
        addOptions(
          command
            .positional('file', {
              type: 'string',
              array: true,
              demandOption: true,
              description: 'pcap, pcapng or IPFIX file, gzipped or not; - for standard input',
            })
            .option('verbose', { alias: 'v', type: 'boolean', description: 'Say at the end what was read' }),
          'convert',
        )
          .example('$0 convert capture.pcap', 'Print the flows of a capture')
          .example(
            '$0 convert --port 2055,9995 *.pcap.gz --json flows.json',
            'Only datagrams to these ports, append to a file',
          )
          .example('tcpdump -w - udp port 2055 | $0 convert -', 'Read a live capture'),
      async (flags) => {
        const { configuration } = configurationOf(flags);
        const { runConvert } = await import('./convert.ts');
        exitCode = await runConvert(
          ([] as unknown[]).concat(flags['file']).map(showDash),
          configuration,
          flags.verbose === true,
        );
      },
    )
    .command(
      'probe',
      'Meter packets of interfaces or captures and write their flows as JSON lines',
      (command) =>
        addOptions(command, 'probe')
          .option('verbose', { alias: 'v', type: 'boolean', description: 'Say at the end what was read' })
          .example('$0 probe --interface eth0', 'Print the flows of an interface')
          .example('$0 probe --read capture.pcap --tunnels outer', 'Of a capture, without looking into tunnels')
          .example(
            '$0 probe --interface any --filter "not port 22" --zmq tcp://*:5556',
            'For ntopng, all interfaces, without ssh',
          ),
      async (flags) => {
        const { runProbe } = await import('./probe.ts');
        exitCode = await runProbe(flags, flags['verbose'] === true);
      },
    )
    .command(
      'agent',
      "Write the flows of this host's sockets with their processes, users and containers as JSON lines",
      (command) =>
        addOptions(command, 'agent')
          .example('$0 agent', 'Print flows, events and counters; as root of all processes and containers')
          .example('$0 agent --zmq tcp://*:5556 --interval 2', 'For ntopng, looking every two seconds')
          .example('$0 agent --agent-records flows --export udp://192.0.2.1:4739', 'As IPFIX to a collector'),
      async (flags) => {
        const { runAgent } = await import('./agent.ts');
        exitCode = await runAgent(flags);
      },
    )
    .command(
      'listen <endpoint..>',
      "Receive flows from ntop's ZeroMQ feeds and write them as JSON lines",
      (command) =>
        addOptions(
          command.positional('endpoint', {
            type: 'string',
            array: true,
            demandOption: true,
            description: 'tcp://HOST:PORT of a feed, or tcp://ADDRESS:PORTc to be called by feeds',
          }),
          'listen',
        )
          .example(
            '$0 listen tcp://192.0.2.1:5556',
            'Call a feed that waits to be called: nProbe, an agent, flowrelay --zmq',
          )
          .example('$0 listen tcp://*:5556c --json flows.json', 'Wait for the feeds of many hosts'),
      async (flags) => {
        const { runListen } = await import('./listen.ts');
        exitCode = await runListen(
          ([] as unknown[]).concat(flags['endpoint']).map((word) => showDash(word)),
          flags,
        );
      },
    )
    .command(
      'replay <file>',
      'Send the datagrams of a capture again',
      (command) =>
        addOptions(
          command.positional('file', {
            type: 'string',
            demandOption: true,
            description: 'pcap or pcapng file, gzipped or not; - for standard input',
          }),
          'replay',
        )
          .option('to', {
            type: 'string',
            requiresArg: true,
            demandOption: true,
            description: 'HOST:PORT  Send them here',
          })
          .option('speed', {
            type: 'string',
            requiresArg: true,
            description: 'X  X times as fast as captured',
            defaultDescription: '1',
          })
          .option('rate', { type: 'string', requiresArg: true, description: 'N  N datagrams a second' })
          .option('loop', {
            type: 'string',
            requiresArg: true,
            description: 'N  Send the capture N times',
            defaultDescription: '1',
          })
          .option('rewrite-time', {
            type: 'boolean',
            description: 'Set the export time in the headers to now; sFlow has none',
          })
          .example('$0 replay capture.pcap --to 127.0.0.1:2055', 'At the pace of the capture')
          .example(
            '$0 replay capture.pcap --to [::1]:2055 --rate 1000 --rewrite-time',
            '1000 datagrams a second, as if exported now',
          ),
      async (flags) => {
        const { configuration } = configurationOf(flags);
        const { runReplay } = await import('./replay.ts');
        const { to, speed, rate, loop } = flags;
        exitCode = await runReplay({
          file: showDash(flags['file']),
          to,
          speed,
          rate,
          loop,
          rewriteTime: flags['rewrite-time'],
          ports: configuration.port,
        });
      },
    )
    .command(
      'exporters',
      'Show the Exporters a running collector hears',
      (command) => askOptions(addOptions(command, 'ask')).example('$0 exporters --json', 'All counters, as JSON'),
      (flags) => ask('exporters', flags),
    )
    .command(
      'templates',
      'Show the Templates a running collector has learned',
      (command) =>
        askOptions(addOptions(command, 'ask')).example('$0 templates --status 192.0.2.1:9155', 'Ask another host'),
      (flags) => ask('templates', flags),
    )
    .command(
      'schema',
      'Print the JSON Schema of the lines',
      (command) =>
        command
          .option('names', {
            type: 'string',
            choices: ['ntop', 'iana'] as const,
            default: 'ntop' as const,
            description: 'Whose names the keys are',
          })
          .example('$0 schema --names iana', 'Of lines that --names iana writes'),
      async ({ names }) => {
        const { flowJsonSchema } = await import('../flow/json-schema.ts');
        process.stdout.write(`${JSON.stringify(flowJsonSchema(names), undefined, 2)}\n`);
      },
    )
    .completion('completion', 'Print a completion script: flowrelay completion >> ~/.bashrc')
    .demandCommand(1, 'which command? See flowrelay --help')
    .strict()
    .wrap(Math.min(120, process.stdout.columns ?? 100))
    .exitProcess(false)
    .fail((message, error) => {
      // yargs gives its own findings as errors too, at times.
      throw error === undefined || error.name === 'YError' ? new UsageError(usageMessage(message, words)) : error;
    });
}

function askOptions(command: Argv) {
  return command.option('json', { type: 'boolean', description: 'Print JSON, also on a terminal' });
}

async function ask(question: 'exporters' | 'templates', flags: Readonly<Record<string, unknown>>): Promise<void> {
  const { configuration } = configurationOf({ ...flags, json: undefined });
  const { runAsk } = await import('./ask.ts');
  exitCode = await runAsk(question, configuration.status, flags['json'] === true);
}
