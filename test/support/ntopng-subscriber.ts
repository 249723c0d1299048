/** The subscriber in Python, which knows the messages from their description alone. */

import { type ChildProcess, spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { PYTHON } from './ntopng.ts';
import type { RecordItem } from './ntopng-record-model.ts';
import { repositoryPath } from './program.ts';

/** A message as it was read. */
export interface SubscribedMessage {
  readonly topic: string;
  /** What is wrong about it; all else is missing then. */
  readonly fault?: string;
  readonly headerSize: number;
  readonly version: number;
  readonly flags: number;
  readonly sourceId: number;
  readonly messageId: number;
  /** Octets of the payload. */
  readonly octets: number;
  /** Records of a TLV payload. */
  readonly records?: readonly (readonly RecordItem[])[];
  /** Any other payload. */
  readonly text?: string;
  readonly json?: unknown;
}

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** See the head of this file. */
export class NtopngSubscriber {
  readonly #child: ChildProcess;
  readonly #messages: SubscribedMessage[] = [];
  #rest = '';
  #errors = '';

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      const lines = (this.#rest + text).split('\n');
      this.#rest = lines.pop() ?? '';
      for (const line of lines) this.#messages.push(JSON.parse(line) as SubscribedMessage);
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#errors += text;
    });
  }

  /** Starts one on `endpoint`, a trailing `c` of which makes it bind, and waits until it receives. */
  static async start(endpoint: string, ...options: readonly string[]): Promise<NtopngSubscriber> {
    const script = repositoryPath('test/support/ntopng_subscriber.py');
    const child = spawn(PYTHON, [script, endpoint, ...options], { stdio: ['ignore', 'pipe', 'pipe'] });
    running.add(child);
    const subscriber = new NtopngSubscriber(child);
    for (const endMs = Date.now() + 60_000; !subscriber.#errors.includes('ready'); await sleep(20)) {
      if (child.exitCode !== null || Date.now() > endMs) throw new Error(`no subscriber: ${subscriber.#errors}`);
    }
    return subscriber;
  }

  /** What came so far, of one source or of all. */
  messages(topic: string, sourceId?: number): SubscribedMessage[] {
    return this.#messages.filter(
      (each) => each.topic === topic && (sourceId === undefined || each.sourceId === sourceId || 'fault' in each),
    );
  }

  /** Records of topic `flow` that came so far. */
  records(sourceId?: number): (readonly RecordItem[])[] {
    return this.messages('flow', sourceId).flatMap(({ records }) => records ?? []);
  }

  /** Complaints about messages. */
  get faults(): string[] {
    return this.#messages.flatMap(({ topic, fault }) => (fault === undefined ? [] : [`${topic}: ${fault}`]));
  }

  /** Waits until `isSo`, at most half a minute; false when it is not so by then. */
  async until(isSo: () => boolean, timeoutMs = 30_000): Promise<boolean> {
    for (const endMs = Date.now() + timeoutMs; !isSo(); await sleep(20)) if (Date.now() > endMs) return false;
    return true;
  }

  /** Ends it. */
  async stop(): Promise<void> {
    const hasEnded = new Promise((resolve) => this.#child.once('close', resolve));
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill('SIGTERM');
    await hasEnded;
    running.delete(this.#child);
  }
}
