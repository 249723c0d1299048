/** The collectors that are sent datagrams live, flowrelay among them. */

import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isInstalled } from './machine.ts';
import type { Protocol } from './traffic.ts';

/** Port that every receiver listens on, at 127.0.0.1. */
export const RECEIVER_PORT = 29_950;
/** Port of flowrelay's status page. */
export const STATUS_PORT = 29_951;

/** A collector that can be started. */
export interface Receiver {
  readonly name: string;
  /** It has flowrelay's status page, to be asked what it decoded. */
  readonly isOurs: boolean;
  /** Starts it; the caller ends it. */
  start(protocol: Protocol): ChildProcess;
}

/** How receivers are started. */
export interface ReceiverOptions {
  /** Path of flowrelay's main file. */
  readonly main: string;
  /** Further options of `flowrelay collect`. */
  readonly options: readonly string[];
  /** Where flowrelay's lines go. */
  readonly output: string;
  /** Octets of receive buffer to ask for. */
  readonly receiveBuffer: number;
  /** Folder of nfdump, or `''`. */
  readonly nfdump: string;
  /** A folder for their files. */
  readonly work: string;
}

const REPORT_MEMORY = new URL('./report-memory.js', import.meta.url).href;
const QUIET: SpawnOptions = { stdio: 'ignore' };

/** flowrelay; with an IPC channel on which it tells of its memory if `reportsMemory`. */
export function flowrelay(options: ReceiverOptions, reportsMemory = false): Receiver {
  const { main, output, receiveBuffer } = options;
  const collect = [
    main,
    'collect',
    ...['--listen', `udp://127.0.0.1:${RECEIVER_PORT}`, '--status', `127.0.0.1:${STATUS_PORT}`],
    ...['--json', output, '--receive-buffer', String(receiveBuffer), ...options.options],
  ];
  return {
    name: output === '/dev/null' ? 'flowrelay' : 'flowrelay to a file',
    isOurs: true,
    start: () =>
      reportsMemory
        ? spawn('node', ['--import', REPORT_MEMORY, ...collect], { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] })
        : spawn('node', collect, QUIET),
  };
}

/** nfcapd or sfcapd, which store flows and print none. */
export function nfcapd({ nfdump, work, receiveBuffer }: ReceiverOptions): Receiver {
  return {
    name: 'nfcapd to its binary file',
    isOurs: false,
    start: (protocol) => {
      const store = join(work, 'live-store');
      rmSync(store, { recursive: true, force: true });
      mkdirSync(store);
      const program = join(nfdump, protocol === 'sflow' ? 'sfcapd' : 'nfcapd');
      const address = ['-b', '127.0.0.1', '-p', String(RECEIVER_PORT)];
      return spawn(program, [...address, '-w', store, '-t', '3600', '-B', String(receiveBuffer)], QUIET);
    },
  };
}

/** pmacct's collector with its print plugin; undefined where it is not installed. */
export function pmacct({ work, receiveBuffer }: ReceiverOptions): Receiver | undefined {
  if (!isInstalled('nfacctd')) return undefined;
  return {
    name: 'pmacct to JSON',
    isOurs: false,
    start: (protocol) => {
      const program = protocol === 'sflow' ? 'sfacctd' : 'nfacctd';
      const configuration = join(work, 'live-pmacct.conf');
      const settings = [
        `${program}_ip: 127.0.0.1`,
        `${program}_port: ${RECEIVER_PORT}`,
        `${program}_pipe_size: ${receiveBuffer}`,
        'plugins: print',
        'aggregate: src_host,dst_host,src_port,dst_port,proto,tos,tcpflags,in_iface,out_iface,src_as,dst_as',
        'print_output: json',
        'print_refresh_time: 10',
        'print_output_file: /dev/null',
        'plugin_buffer_size: 1024000',
        'plugin_pipe_size: 102400000',
        '',
      ];
      writeFileSync(configuration, settings.join('\n'));
      return spawn(program, ['-f', configuration], QUIET);
    },
  };
}

/** Path of the compiled sender. */
export const SENDER = fileURLToPath(new URL('./send.js', import.meta.url));
