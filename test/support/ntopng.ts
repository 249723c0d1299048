/** Runs a stock ntopng beside the tests and asks it what it has understood. */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { isIntegrationRequired, missingPrograms } from './lab.ts';

const START = fileURLToPath(new URL('../../../shared/ntopng/start', import.meta.url));

/** The system's own interpreter: packages of the distribution are there, whatever else is in PATH. */
export const PYTHON = '/usr/bin/python3';

/** Why no ntopng can run here, said aloud; undefined where it can. */
export function ntopngObstacle(): string | undefined {
  if (!existsSync(START)) return said('there is no ntopng to test against');
  const missing = missingPrograms('redis-server', 'redis-cli', 'curl', 'xz');
  if (missing.length === 0) return pythonObstacle();
  return refused(`not installed: ${missing.join(', ')}`);
}

/** Why no ZeroMQ subscriber in Python can run here, said aloud; undefined where it can. */
export function pythonObstacle(): string | undefined {
  try {
    execFileSync(PYTHON, ['-c', 'import zmq'], { stdio: 'ignore' });
    return undefined;
  } catch {
    return refused('not installed: python3-zmq');
  }
}

function said(reason: string): string {
  console.log(`skipped: ${reason}`);
  return reason;
}

function refused(reason: string): string {
  if (isIntegrationRequired) throw new Error(`integration tests cannot run: ${reason}`);
  return said(reason);
}

/** A process as ntopng lists it with a flow. */
export interface NtopngProcess {
  readonly pid: number;
  readonly name: string;
}

/** One end of a flow. */
export interface NtopngPeer {
  readonly ip: string;
  readonly port: number;
  readonly vlan?: number;
  readonly process?: NtopngProcess;
  readonly container?: { readonly id: string };
}

/** A flow as ntopng's REST lists it. */
export interface NtopngFlow {
  readonly key: string;
  readonly hash_id: string;
  readonly client: NtopngPeer;
  readonly server: NtopngPeer;
  /** Octets; `cli_bytes` from client to server. */
  readonly bytes: { readonly total: number; readonly cli_bytes: number; readonly srv_bytes: number };
  /** Seconds since 1970. */
  readonly first_seen: number;
  readonly last_seen: number;
  readonly l4_proto: { readonly id: number };
  readonly vlan?: number | { readonly id: number };
  readonly application: { readonly app_id: number; readonly master_id: number; readonly name: string };
  readonly flow_exporter?: {
    readonly device: { readonly ip: string };
    readonly in_port: { readonly index: number };
    readonly out_port: { readonly index: number };
  };
}

/** Octets and packets of a flow by direction, as its page is refreshed with. */
export interface NtopngFlowCounters {
  readonly 'cli2srv.packets': number;
  readonly 'srv2cli.packets': number;
  readonly 'cli2srv.bytes': number;
  readonly 'srv2cli.bytes': number;
}

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) endGroup(child, 'SIGKILL');
});

/** `start` leads a group of its own: its redis and its ntopng go with it. */
function endGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, signal);
  } catch {}
}

/** See the head of this file. */
export class Ntopng {
  readonly #directory: string;
  readonly #child: ChildProcess;
  readonly #url: string;
  #questions = 0;

  private constructor(directory: string, child: ChildProcess, url: string) {
    this.#directory = directory;
    this.#child = child;
    this.#url = url;
  }

  /** Starts one that receives from `endpoint`, a trailing `c` of which makes it bind, and waits until it does. */
  static async start(endpoint: string, ...options: readonly string[]): Promise<Ntopng> {
    const directory = mkdtempSync(join(tmpdir(), 'flowrelay-ntopng-'));
    const child = spawn(START, [directory, endpoint, ...options], {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    running.add(child);
    let output = '';
    child.stdout.on('data', (text) => {
      output += text;
    });
    child.stderr.on('data', (text) => {
      output += text;
    });
    for (const endMs = Date.now() + 90_000; ; await sleep(50)) {
      const url = /^http:\S+$/m.exec(output)?.[0];
      const ntopng = new Ntopng(directory, child, url ?? '');
      if (url !== undefined && ntopng.log.includes('Collecting flows on')) return ntopng;
      if (child.exitCode !== null || Date.now() > endMs) {
        await ntopng.stop();
        throw new Error(`ntopng does not run: ${output}`);
      }
    }
  }

  /** What it has logged. */
  get log(): string {
    const path = join(this.#directory, 'log');
    return existsSync(path) ? readFileSync(path, 'latin1') : '';
  }

  /** Lines of the log by the parts that take messages in: complaints about what they were sent. */
  get complaints(): string[] {
    const parts =
      /\[(ZMQ\w*|Parse\w*|Flow|eBPF\w*|ParsedeBPF|ProtoParser|ListeningPorts|nProbeStats|SyslogParser\w*)\.cpp:/;
    return this.log.split('\n').filter((line) => parts.test(line) && !/Collecting flows on|Started |ended/i.test(line));
  }

  /** Its public CURVE key (Z85), made when it runs with `--zmq-encryption`. */
  get publicKey(): string {
    return readFileSync(join(this.#directory, 'data/zmq-key.pub'), 'latin1').trim();
  }

  /** A page as it is. */
  async page(path: string): Promise<string> {
    const answer = await fetch(`${this.#url}/lua/${path}`);
    return answer.text();
  }

  /** The content of an answer of its REST. */
  async rest<Content>(path: string): Promise<Content> {
    const { rsp } = JSON.parse(await this.page(`rest/v2/get/${path}`)) as { rsp: Content };
    return rsp;
  }

  /** Every flow it holds. */
  async flows(): Promise<NtopngFlow[]> {
    const flows: NtopngFlow[] = [];
    for (let start = 0; ; start += 500) {
      const part = await this.rest<NtopngFlow[]>(`flow/active_list.lua?start=${start}&length=500`);
      flows.push(...part);
      if (part.length < 500) return flows;
    }
  }

  /** Exact counters of a flow. */
  async counters({ key, hash_id }: NtopngFlow): Promise<NtopngFlowCounters> {
    const text = await this.page(`flow_stats.lua?ifid=0&flow_key=${key}&flow_hash_id=${hash_id}`);
    return JSON.parse(text) as NtopngFlowCounters;
  }

  /** The page of a flow: the texts of its cells, in order. */
  async flowPage({ key, hash_id }: NtopngFlow): Promise<string[]> {
    const html = await this.page(`flow_details.lua?ifid=0&flow_key=${key}&flow_hash_id=${hash_id}`);
    const table = html.slice(html.indexOf('<table')).replace(/<script.*?<\/script>/gs, '');
    return table
      .split(/<[^>]*>/)
      .map((text) => text.replace(/&nbsp;|\s+/g, ' ').trim())
      .filter((text) => text !== '');
  }

  /** What a Lua expression is inside it: not all it knows is on a page of its own. */
  async lua<Content>(expression: string): Promise<Content> {
    const name = `asked-${++this.#questions}.lua`;
    const script = `
      package.path = ntop.getDirs().installdir .. "/scripts/lua/modules/?.lua;" .. package.path
      require "lua_utils"
      interface.select("0")
      require("rest_utils").answer(require("rest_utils").consts.success.ok, ${expression})`;
    writeFileSync(join(this.#directory, 'ntopng/scripts/lua/rest/v2/get/interface', name), script);
    return this.rest(`interface/${name}?ifid=0`);
  }

  /** Asks its redis. */
  redis(...words: readonly string[]): string[] {
    const port = readFileSync(join(this.#directory, 'redis-port'), 'latin1').trim();
    const text = execFileSync('redis-cli', ['-p', port, ...words], { encoding: 'utf8' });
    return text.split('\n').filter((line) => line !== '');
  }

  /** Waits until `find` gives something; longer than the minute after which a feed tells names again that were missed. */
  async until<Found>(find: () => Promise<Found | undefined | false>, what: string, timeoutMs = 90_000): Promise<Found> {
    for (const endMs = Date.now() + timeoutMs; ; await sleep(150)) {
      const found = await find();
      if (found !== undefined && found !== false) return found;
      if (Date.now() > endMs) throw new Error(`ntopng has no ${what}: ${this.complaints.slice(-5).join('\n')}`);
    }
  }

  /** Ends it and takes its files away. */
  async stop(): Promise<void> {
    const isOver = (): boolean => this.#child.exitCode !== null || this.#child.signalCode !== null;
    endGroup(this.#child, 'SIGTERM');
    for (let i = 0; i < 40 && !isOver(); i++) await sleep(50);
    endGroup(this.#child, 'SIGKILL');
    running.delete(this.#child);
    rmSync(this.#directory, { recursive: true, force: true, maxRetries: 3 });
  }
}
