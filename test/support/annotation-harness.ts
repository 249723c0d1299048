/** Records through an annotation whose directory a test fills: their lines before, with owners, and after. */

import type { FlowOwner } from '../../src/agent/flow-owner.ts';
import { NamespaceAddresses } from '../../src/agent/namespace-addresses.ts';
import { SocketDirectory } from '../../src/agent/socket-directory.ts';
import type { Flow, PlainRecord } from '../../src/flow/flow.ts';
import type { RecordOutput } from '../../src/flow/record-output.ts';
import { ProcessAnnotation, type ProcessAnnotationOptions } from '../../src/pipeline/process-annotation.ts';
import { FlowJson } from '../../src/sink/formats/flow-json.ts';
import { containerOf, OWN, processOf } from './agent-parts.ts';
import { ARRIVAL_MS, type Line } from './decoding-harness.ts';

const SEED = Uint32Array.of(3, 4);

/** An owner with a process of this number, its father of the next, and a container. */
export function ownerOf(pid: number, rest: Partial<FlowOwner> = {}): FlowOwner {
  return {
    process: processOf(pid, { packageName: `package${pid}`, commandLine: `program${pid} --secret` }),
    father: processOf(pid + 1, { userId: 0, userName: 'root', path: '/sbin/init' }),
    container: containerOf(`c0ffee00${pid}`, { name: `box${pid}`, pod: `pod${pid}`, podNamespace: 'default' }),
    userId: 1000,
    userName: 'alice',
    usage: undefined,
    ...rest,
  };
}

/** A directory in which every address is the host's and every socket the same owner's. */
class EveryonesDirectory extends SocketDirectory {
  override find(): FlowOwner {
    return ownerOf(77);
  }
}

class EveryAddress extends NamespaceAddresses {
  override isLocal(): boolean {
    return true;
  }
}

/** See the head of this file. */
export class AnnotationHarness implements RecordOutput {
  readonly directory: SocketDirectory;
  readonly annotation: ProcessAnnotation;
  private readonly texts = { before: '', with: '', after: '' };
  private readonly writers: Readonly<Record<'before' | 'with' | 'after', FlowJson>>;

  /** `ofEveryone` answers each question alike. The host has `addresses`. */
  constructor(
    { isOfEveryone = false, addresses = ['192.0.2.7', '2001:db8::7'] } = {},
    options: Partial<ProcessAnnotationOptions> = {},
  ) {
    const known = new (isOfEveryone ? EveryAddress : NamespaceAddresses)({
      keepMs: 120_000,
      seed: SEED,
      ownAddresses: () => addresses,
    });
    known.startLook(ARRIVAL_MS);
    known.read({ id: OWN, pid: 0 });
    known.endLook();
    const limits = { maxSockets: 1000, keepMs: 120_000, slackMs: 10_000, seed: SEED };
    this.directory = new (isOfEveryone ? EveryonesDirectory : SocketDirectory)(limits, known);
    const writer = (name: 'before' | 'with' | 'after') =>
      new FlowJson(
        {
          names: 'ntop',
          fields: undefined,
          upscale: false,
          recordTypes: new Set(['flow', 'event', 'discard', 'counters', 'options']),
          codeGeneration: true,
        },
        (octets) => {
          this.texts[name] += new TextDecoder('utf-8', { fatal: true }).decode(octets);
        },
      );
    this.writers = { before: writer('before'), with: writer('with'), after: writer('after') };
    this.annotation = new ProcessAnnotation(
      { withCommandLines: false, complete: (owner) => owner, now: () => ARRIVAL_MS, ...options },
      this.directory,
      this.writers.with,
    );
  }

  write(flow: Flow): void {
    this.writers.before.write(flow);
    this.annotation.write(flow);
    this.writers.after.write(flow);
  }

  writeRecord(record: PlainRecord): void {
    for (const writer of [this.writers.before, this.annotation, this.writers.after]) writer.writeRecord(record);
  }

  /** Text of the lines before, with owners and after, since the last call. */
  take(): Readonly<Record<'before' | 'with' | 'after', string>> {
    for (const writer of Object.values(this.writers)) writer.flush();
    const taken = { ...this.texts };
    for (const name of ['before', 'with', 'after'] as const) this.texts[name] = '';
    return taken;
  }

  /** Lines with owners since the last call. */
  lines(): Line[] {
    return this.take()
      .with.split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Line);
  }
}
