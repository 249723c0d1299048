/** Real servers on 127.0.0.1, each with a directory and ports of its own, and what is read back from them. */

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from './free-port.ts';

/** A server process that can be stopped and started again with what it holds. */
abstract class ServerProcess {
  readonly folder: string;
  readonly port: number;
  #child: ChildProcess | undefined;

  protected constructor(port: number) {
    this.port = port;
    this.folder = mkdtempSync(join(tmpdir(), 'flowrelay-server-'));
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  protected abstract command(): readonly [string, readonly string[]];

  async start(): Promise<void> {
    const [program, words] = this.command();
    const child = spawn(program, words, { stdio: 'ignore' });
    this.#child = child;
    for (const endMs = Date.now() + 60_000; Date.now() < endMs && child.exitCode === null; ) {
      const isUp = await fetch(`${this.url}/ping`).then(
        () => true,
        () => false,
      );
      if (isUp) return;
      await sleep(50);
    }
    throw new Error(`${program} does not answer`);
  }

  async stop(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
  }

  async close(): Promise<void> {
    await this.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Debian's InfluxDB 1.6. */
export class InfluxServer extends ServerProcess {
  readonly #rpcPort: number;
  readonly #isAuthenticated: boolean;

  private constructor(port: number, rpcPort: number, isAuthenticated: boolean) {
    super(port);
    this.#rpcPort = rpcPort;
    this.#isAuthenticated = isAuthenticated;
  }

  static async start(isAuthenticated = false): Promise<InfluxServer> {
    const server = new InfluxServer(await freePort(), await freePort(), isAuthenticated);
    await server.start();
    return server;
  }

  protected override command(): readonly [string, readonly string[]] {
    const { folder } = this;
    const path = join(folder, 'influxdb.conf');
    const configuration = `reporting-disabled = true
bind-address = "127.0.0.1:${this.#rpcPort}"
[meta]
  dir = "${folder}/meta"
[data]
  dir = "${folder}/data"
  wal-dir = "${folder}/wal"
  index-version = "tsi1"
  query-log-enabled = false
[monitor]
  store-enabled = false
[continuous_queries]
  log-enabled = false
[http]
  bind-address = "127.0.0.1:${this.port}"
  log-enabled = false
  auth-enabled = ${this.#isAuthenticated}
`;
    writeFileSync(path, configuration);
    return ['influxd', ['-config', path]];
  }

  /** Rows of the first statement's series, all together. Throws what the server says is wrong. */
  async query(statement: string, authorization = ''): Promise<unknown[][]> {
    const series = await this.series(statement, authorization);
    return series.flatMap(({ values }) => values);
  }

  /** Series of the first statement. */
  async series(statement: string, authorization = ''): Promise<InfluxSeries[]> {
    const body = new URLSearchParams({ q: statement, db: 'ntopng', epoch: 'ns' });
    const answer = await fetch(`${this.url}/query`, {
      method: 'POST',
      body,
      headers: authorization === '' ? {} : { authorization },
    });
    const { results = [], error } = (await answer.json()) as InfluxAnswer;
    const problem = error ?? results[0]?.error;
    if (problem !== undefined) throw new Error(problem);
    return results[0]?.series ?? [];
  }

  /** The only number of a statement's answer; 0 for none. */
  async number(statement: string): Promise<number> {
    return Number((await this.query(statement).catch(() => []))[0]?.[1] ?? 0);
  }
}

interface InfluxSeries {
  readonly name: string;
  readonly columns: readonly string[];
  readonly values: unknown[][];
  readonly tags?: Readonly<Record<string, string>>;
}

interface InfluxAnswer {
  readonly error?: string;
  readonly results?: readonly { readonly error?: string; readonly series?: InfluxSeries[] }[];
}

/** VictoriaMetrics. */
export class VictoriaMetricsServer extends ServerProcess {
  static async start(): Promise<VictoriaMetricsServer> {
    const server = new VictoriaMetricsServer(await freePort());
    await server.start();
    return server;
  }

  protected override command(): readonly [string, readonly string[]] {
    return [
      'victoria-metrics',
      [
        '-storageDataPath',
        join(this.folder, 'data'),
        '-httpListenAddr',
        `127.0.0.1:${this.port}`,
        '-memory.allowedPercent',
        '5',
        '-retentionPeriod',
        '100y',
      ],
    ];
  }
}
