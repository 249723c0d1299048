/** What a subscriber that shares no code with the program reads of every capture, against the lines of the same flows. */

import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { curveKeyPair } from 'zeromq';
import { CORPORA, cataloguedCaptures, decodeCapture, hasCorpora, skipVisibly } from '../support/conformance-capture.ts';
import { freePorts } from '../support/free-port.ts';
import { dataSet, type Field, message, templateSet } from '../support/ipfix-message.ts';
import { pythonObstacle } from '../support/ntopng.ts';
import { isSent, NtopngKeys, partsOf, type RecordItem, recordProblems } from '../support/ntopng-record-model.ts';
import { NtopngSubscriber } from '../support/ntopng-subscriber.ts';
import { buildProgram, RunningProgram, runProgram } from '../support/program.ts';
import { UdpExporter } from '../support/udp-exporter.ts';
import { joined, type Octets, u8, u16, u32 } from '../support/wire-octets.ts';

const obstacle = hasCorpora ? pythonObstacle() : 'the captures are not on this machine';

/** Octets that every ntopng takes a message of. */
const SAFE_PAYLOAD = 32_768;

/** How flows are sent, and what their messages look like then. */
interface Form {
  readonly words: readonly string[];
  readonly headerSize: number;
  readonly version: number;
  readonly flags: number;
}

const DEFAULT_FORM: Form = { words: [], headerSize: 24, version: 3, flags: 0 };

const OTHER_FORMS: readonly Form[] = [
  { words: ['--zmq-header', '2'], headerSize: 28, version: 3, flags: 0 },
  { words: ['--zmq-header', '3'], headerSize: 36, version: 4, flags: 2 },
  { words: ['--zmq-header', '3', '--zmq-compress'], headerSize: 36, version: 4, flags: 6 },
  { words: ['--zmq-format', 'json'], headerSize: 24, version: 2, flags: 0 },
  { words: ['--zmq-format', 'json', '--zmq-keys', 'named'], headerSize: 24, version: 2, flags: 0 },
  { words: ['--zmq-format', 'json', '--zmq-compress'], headerSize: 24, version: 2, flags: 0 },
  { words: ['--zmq-format', 'json', '--zmq-header', '3', '--zmq-compress'], headerSize: 36, version: 4, flags: 4 },
  { words: ['--no-code-generation'], headerSize: 24, version: 3, flags: 0 },
];

/** Captures whose flows have most kinds of elements among them. */
const FORM_CAPTURES = [
  'export/generated/softflowd-ipfix-biflow-ms.pcap',
  'export/derived/logstash/Netflow-9-nprobe-DPI-L7.pcap',
  'export/generated/ovs-sflow.pcap',
];

/** Flows of a payload in either form. */
function recordsOf(subscriber: NtopngSubscriber, sourceId: number): (readonly RecordItem[])[] {
  return subscriber.messages('flow', sourceId).flatMap(({ records, json }) => {
    if (records !== undefined) return records;
    const objects = Array.isArray(json) ? (json as Record<string, string | number>[]) : [];
    return objects.map((object) => Object.entries(object).map(([key, value]) => [key, typeof value, value] as const));
  });
}

/** Converts a capture to a subscriber and gives what is wrong with the records that arrive; nothing where all is right. */
async function problemsOf(
  subscriber: NtopngSubscriber,
  endpoint: string,
  capture: string,
  sourceId: number,
  form = DEFAULT_FORM,
): Promise<string[]> {
  const keys = new NtopngKeys();
  const sent = decodeCapture(capture).lines.filter(isSent);
  const count = sent.reduce((sum, line) => sum + partsOf(line), 0);
  const words = ['--zmq', endpoint, '--zmq-source-id', String(sourceId), '--json', '/dev/null', ...form.words];
  const run = await runProgram(['convert', join(CORPORA, capture), ...words]);
  await subscriber.until(() => recordsOf(subscriber, sourceId).length >= count);
  const records = recordsOf(subscriber, sourceId);
  const problems: string[] = [];
  if (run.signal !== null || run.code === null || run.code > 1) problems.push(`convert: ${run.stderr}`);
  if (records.length !== count) problems.push(`${records.length} records arrived of ${count}: ${run.stderr}`);
  let at = 0;
  for (const [i, line] of sent.entries()) {
    const next = at + partsOf(line);
    problems.push(...recordProblems(line, records.slice(at, next), keys).map((problem) => `flow ${i}: ${problem}`));
    at = next;
  }
  const messages = subscriber.messages('flow', sourceId);
  for (const { octets, headerSize, version, flags, fault, records, json } of messages) {
    if (fault !== undefined) problems.push(fault);
    else if (octets > SAFE_PAYLOAD) problems.push(`a message of ${octets} octets`);
    else if ((records ?? (json as unknown[]))?.length === 0)
      continue; // An end may be found out with empty ones.
    else if (headerSize !== form.headerSize || version !== form.version || flags !== form.flags) {
      problems.push(`a header of ${headerSize} octets, version ${version}, flags ${flags}`);
    }
  }
  return problems;
}

const FIELDS: readonly Field[] = [
  [8, 4],
  [12, 4],
  [7, 2],
  [11, 2],
  [4, 1],
  [1, 4],
  [2, 4],
];

function flowOctets(port: number): Octets {
  return joined(Uint8Array.of(10, 0, 0, 1, 10, 0, 0, 2), u16(port), u16(443), u8(6), u32(1000), u32(10));
}

/** A `collect` that feeds `endpoint`, and what exports to it. */
class FedCollector {
  readonly #program: RunningProgram;
  readonly #exporter: UdpExporter;

  private constructor(program: RunningProgram, exporter: UdpExporter) {
    this.#program = program;
    this.#exporter = exporter;
  }

  static async start(endpoint: string, ...words: readonly string[]): Promise<FedCollector> {
    const program = await RunningProgram.collect(['--json', '/dev/null', '--zmq', endpoint, ...words]);
    const collector = new FedCollector(program, await UdpExporter.open(program.port));
    await collector.#exporter.send(message([templateSet(300, FIELDS)], { exportTime: Math.floor(Date.now() / 1000) }));
    return collector;
  }

  /** Exports one flow, told from others by its source port. */
  send(port: number): Promise<void> {
    const exportTime = Math.floor(Date.now() / 1000);
    return this.#exporter.send(message([dataSet(300, flowOctets(port))], { exportTime }));
  }

  /** Waits until somebody has subscribed to its flows for the `count`th time. */
  async subscribed(count = 1): Promise<void> {
    await this.#program.logged('zmq_subscriber_present', count);
  }

  /** Waits until nobody is subscribed any more. */
  async left(): Promise<void> {
    await this.#program.logged('zmq_subscriber_gone');
  }

  /** Waits until `count` flows have been made, and waited for a subscriber or been dropped. */
  async made(count: number): Promise<void> {
    for (const endMs = Date.now() + 30_000; ; await sleep(100)) {
      const text = await (await fetch(`http://${this.#program.status}/metrics`)).text();
      const made = Number(/^flowrelay_zmq_flows_offered_total\{.*\} (\d+)$/m.exec(text)?.[1]);
      if (made >= count) return;
      if (Date.now() > endMs) throw new Error(`${made} flows made of ${count}`);
    }
  }

  async stop(): Promise<string> {
    await this.#exporter.close();
    const { code, stderr } = await this.#program.stop();
    expect(code).toBe(0);
    return stderr;
  }
}

/** Source ports of the flows that came, in order. */
function portsOf(subscriber: NtopngSubscriber): number[] {
  return subscriber.records().map((record) => Number(record.find(([key]) => key === '7')?.[2]));
}

/** Sends a flow once somebody has subscribed for the `count`th time, waits until one arrives, and gives its port. */
async function sendAndReceive(
  collector: FedCollector,
  subscriber: NtopngSubscriber,
  port: number,
  count = 1,
): Promise<number> {
  await collector.subscribed(count);
  await collector.send(port);
  if (await subscriber.until(() => portsOf(subscriber).includes(port))) return portsOf(subscriber)[0]!;
  throw new Error(`no flow came: ${subscriber.faults.join()}`);
}

/** Types of an event's fields, by path; none of them must be there. */
const EVENT_TYPES: Readonly<Record<string, 'number' | 'string'>> = {
  ...typed('string', 'iface.name iface.ip mode probe.ip probe.public_ip probe.version probe.osname probe.license'),
  ...typed('string', 'probe.edition probe.maintenance probe.uuid'),
  ...typed(
    'number',
    'iface.speed probe.uuid_num probe.unique_source_id time bytes packets packet_drops avg.bps avg.pps',
  ),
  ...typed('number', 'timeout.lifetime timeout.idle timeout.collected_lifetime drops.export_queue_full'),
  ...typed(
    'number',
    'drops.too_many_flows drops.elk_flow_drops drops.sflow_pkt_sample_drops drops.flow_collection_drops',
  ),
  ...typed(
    'number',
    'drops.flow_collection_udp_socket_drops flow_collection.nf_ipfix_flows flow_collection.sflow_samples',
  ),
  ...typed('number', 'flow_collection.collection_port zmq.num_flow_exports zmq.num_zmq_exporters zmq.num_exporters'),
  ...typed(
    'number',
    ['time_last_flow', 'num_sflow_flows', 'num_netflow_ipfix_flows', 'num_drops', 'unique_source_id']
      .map((name) => `flow_collection.exporters.*.${name}`)
      .join(' '),
  ),
};

/** Without these ntopng shows nothing, forgets flows after 10 s, or reads memory it never wrote. */
const EVENT_NEEDS = ['packet_drops', 'timeout.collected_lifetime', 'timeout.lifetime', 'probe.version', 'time'];

function typed<Type extends string>(type: Type, names: string): Record<string, Type> {
  return Object.fromEntries(names.split(' ').map((name) => [name, type]));
}

/** Values by path; addresses in a path are `*`. */
function leaves(value: unknown, path = ''): [path: string, value: unknown][] {
  if (typeof value !== 'object' || value === null) return [[path, value]];
  return Object.entries(value).flatMap(([key, each]) => {
    const step = /^[0-9.]+$|:/.test(key) ? '*' : key;
    return leaves(each, path === '' ? step : `${path}.${step}`);
  });
}

if (obstacle !== undefined) skipVisibly(obstacle);
else
  describe('a subscriber in Python', () => {
    let shared: NtopngSubscriber;
    let sharedEndpoint = '';

    beforeAll(async () => {
      buildProgram();
      const [port] = await freePorts(1);
      sharedEndpoint = `tcp://127.0.0.1:${port}c`;
      shared = await NtopngSubscriber.start(sharedEndpoint);
    });

    afterAll(async () => {
      await shared?.stop();
    });

    for (const [i, { path }] of cataloguedCaptures().entries()) {
      it.concurrent(`reads what the lines say: ${path}`, async () => {
        expect((await problemsOf(shared, sharedEndpoint, path, i + 1)).slice(0, 8)).toEqual([]);
      });
    }

    for (const [i, form] of OTHER_FORMS.entries()) {
      it.concurrent(`reads the same with ${form.words.join(' ')}`, async () => {
        const [port] = await freePorts(1);
        const endpoint = `tcp://127.0.0.1:${port}c`;
        const subscriber = await NtopngSubscriber.start(endpoint);
        for (const [j, capture] of FORM_CAPTURES.entries()) {
          const problems = await problemsOf(subscriber, endpoint, capture, 10 * (i + 1) + j, form);
          expect(problems.slice(0, 8)).toEqual([]);
        }
        await subscriber.stop();
      });
    }

    it.concurrent('that comes late to a bound feed, goes and comes again, misses nothing in between', async () => {
      const [port] = await freePorts(1);
      const endpoint = `tcp://127.0.0.1:${port}`;
      const collector = await FedCollector.start(endpoint);
      await collector.send(1);
      await collector.made(1);
      const first = await NtopngSubscriber.start(endpoint);
      expect(await sendAndReceive(collector, first, 100)).toBe(100);
      // The probe says who it is without being asked, so that late comers know.
      expect(await first.until(() => first.messages('event').length > 0)).toBe(true);
      await first.stop();
      await collector.left();
      await collector.send(200);
      await collector.made(3);
      const second = await NtopngSubscriber.start(endpoint);
      expect(await sendAndReceive(collector, second, 300, 2)).toBe(200);
      await collector.stop();
      expect([...first.faults, ...second.faults]).toEqual([]);
      const last = Math.max(...first.messages('flow').map(({ messageId }) => messageId));
      expect(second.messages('flow')[0]!.messageId).toBeGreaterThan(last);
      expect(second.messages('flow')[0]!.sourceId).toBe(first.messages('flow')[0]!.sourceId);
      await second.stop();
    });

    it.concurrent('that binds late and is restarted gets what was kept for it', async () => {
      const [port] = await freePorts(1);
      const endpoint = `tcp://127.0.0.1:${port}c`;
      const collector = await FedCollector.start(endpoint);
      await collector.send(1);
      await collector.made(1);
      const first = await NtopngSubscriber.start(endpoint);
      await sendAndReceive(collector, first, 100);
      await first.stop();
      await collector.left();
      for (let sent = 200; sent < 205; sent++) await collector.send(sent);
      await collector.made(7);
      const second = await NtopngSubscriber.start(endpoint);
      expect(await second.until(() => portsOf(second).includes(204))).toBe(true);
      expect(portsOf(second).filter((each) => each >= 200)).toEqual([200, 201, 202, 203, 204]);
      expect([...first.faults, ...second.faults]).toEqual([]);
      await collector.stop();
      await second.stop();
    });

    it.concurrent('that takes some topics only finds no gap in the numbers of messages, nor at the end', async () => {
      const [port] = await freePorts(1);
      const endpoint = `tcp://127.0.0.1:${port}`;
      const collector = await FedCollector.start(endpoint);
      const flows = await NtopngSubscriber.start(endpoint, '--topics', 'flow');
      const first = await sendAndReceive(collector, flows, 100);
      // Probes speak every five seconds.
      await sleep(6000);
      await collector.send(first + 50);
      expect(await flows.until(() => portsOf(flows).includes(first + 50))).toBe(true);
      await collector.stop();
      await flows.until(() => false, 300);
      const ids = flows.messages('flow').map(({ messageId }) => messageId);
      expect(ids.map((id) => id - ids[0]!)).toEqual(ids.map((_, i) => i));
      await flows.stop();
    });

    for (const side of ['binds', 'connects'] as const) {
      it.concurrent(`that ${side} reads what is encrypted for its key alone`, async () => {
        const [port] = await freePorts(1);
        const endpoint = `tcp://127.0.0.1:${port}${side === 'binds' ? 'c' : ''}`;
        const { publicKey, secretKey } = curveKeyPair();
        const subscriber = await NtopngSubscriber.start(endpoint, `--secret-key=${secretKey}`);
        // A key may begin with a dash.
        const collector = await FedCollector.start(endpoint, `--zmq-encryption-key=${publicKey}`);
        await sendAndReceive(collector, subscriber, 100);
        await collector.stop();
        await subscriber.stop();
        expect(subscriber.faults).toEqual([]);
      });
    }

    it.concurrent('reads events as ntopng wants them', async () => {
      const [port] = await freePorts(1);
      const endpoint = `tcp://127.0.0.1:${port}c`;
      const subscriber = await NtopngSubscriber.start(endpoint);
      const startSeconds = Math.floor(Date.now() / 1000);
      const collector = await FedCollector.start(endpoint);
      await sendAndReceive(collector, subscriber, 100);
      const isComplete = () =>
        subscriber.messages('event').some(({ json }) => leaves(json).some(([path]) => path.includes('exporters.*')));
      expect(await subscriber.until(isComplete)).toBe(true);
      const events = subscriber.messages('event');
      for (const { json, version } of events) {
        expect(version).toBe(2);
        const found = leaves(json);
        const wrong = found.filter(([path, value]) => typeof value !== EVENT_TYPES[path]);
        expect(wrong).toEqual([]);
        expect(EVENT_NEEDS.filter((name) => !found.some(([path]) => path === name))).toEqual([]);
      }
      const last = new Map(leaves(events.at(-1)?.json));
      expect(last.get('zmq.num_exporters')).toBe(last.get('zmq.num_zmq_exporters'));
      expect(last.get('time')).toBeGreaterThanOrEqual(startSeconds);
      expect(last.get('time')).toBeLessThanOrEqual(Date.now() / 1000);
      expect(subscriber.faults).toEqual([]);
      await collector.stop();
      await subscriber.stop();
    });
  });
