import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { FlowOwner } from '../../src/agent/flow-owner.ts';
import { CaptureReader } from '../../src/input/capture-file.ts';
import { CapturedIpfixStreams } from '../../src/input/captured-ipfix-streams.ts';
import { DatagramExtractor } from '../../src/input/datagram-extractor.ts';
import { PayloadDetector } from '../../src/meter/application/payload-detector.ts';
import { MeteringProcess } from '../../src/meter/metering-process.ts';
import { DEFAULT_DECODING_OPTIONS, Decoding } from '../../src/pipeline/decoding.ts';
import { listenerOf, socketOf } from '../support/agent-parts.ts';
import { AnnotationHarness, ownerOf } from '../support/annotation-harness.ts';
import { ARRIVAL_MS, type Line } from '../support/decoding-harness.ts';
import { fixtureCases } from '../support/fixtures.ts';
import { makeFlow } from '../support/flow-builder.ts';
import { dataSet, message, templateSet, VARIABLE } from '../support/ipfix-message.ts';
import { lineProblems } from '../support/json-line.ts';
import { METERING } from '../support/meter-harness.ts';
import { v9DataSet, v9Packet, v9TemplateSet } from '../support/netflow9-message.ts';
import { Random } from '../support/random.ts';
import { ipv4, ipv6, joined, type Octets, text, u8, u16, u32, variable } from '../support/wire-octets.ts';

const OWNER_KEY = /^(SRC|DST)_(FATHER_PROC|PROC|CONTAINER|POD)_/;
const NTOP = 35632;
const [HOST, OTHER] = ['192.0.2.7', '198.51.100.9'];

/** What the owner of {@link ownerOf} looks like at an end. */
function shown(end: 'SRC' | 'DST', pid: number): Line {
  return {
    [`${end}_PROC_PID`]: pid,
    [`${end}_PROC_NAME`]: `/usr/bin/program${pid}`,
    [`${end}_PROC_UID`]: 1000,
    [`${end}_PROC_USER_NAME`]: 'alice',
    [`${end}_PROC_PKG_NAME`]: `package${pid}`,
    [`${end}_FATHER_PROC_PID`]: pid + 1,
    [`${end}_FATHER_PROC_NAME`]: '/sbin/init',
    [`${end}_FATHER_PROC_UID`]: 0,
    [`${end}_FATHER_PROC_USER_NAME`]: 'root',
    [`${end}_PROC_CONTAINER_ID`]: `c0ffee00${pid}`,
    [`${end}_CONTAINER_NAME`]: `box${pid}`,
    [`${end}_POD_NAME`]: `pod${pid}`,
    [`${end}_POD_NAMESPACE`]: 'default',
  };
}

/** The keys of a line that tell of owners, or of one end's. */
function ownersOf(line: Line | undefined, end = ''): Line {
  return Object.fromEntries(Object.entries(line ?? {}).filter(([key]) => OWNER_KEY.test(key) && key.startsWith(end)));
}

function see(harness: AnnotationHarness, local: string, remote: string, owner: FlowOwner, rest = {}): void {
  const entry = socketOf(local, remote, undefined, rest);
  harness.directory.see(entry, entry, owner, ARRIVAL_MS);
}

function decodingOf(harness: AnnotationHarness): (octets: Octets, exporter?: string) => void {
  const decoding = new Decoding(DEFAULT_DECODING_OPTIONS, harness);
  return (octets, exporter = '192.0.2.250') => {
    const view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
    decoding.decode(octets, view, 0, octets.length, exporter, 2055, ARRIVAL_MS, false);
    expect(decoding.lastInternalError).toBe('');
  };
}

/** A flow as a decoder may leave it. */
function tcpFlow(source: string, destination: string, startMs = ARRIVAL_MS, endMs = startMs) {
  const [from, to] = [socketOf(source, destination), socketOf(destination, source)];
  const isIPv6 = from.localAddress.includes(':');
  const address = (entry: typeof from) =>
    isIPv6 ? [...ipv6(entry.localAddress)] : new DataView(ipv4(entry.localAddress).buffer).getUint32(0);
  return makeFlow({
    fields: {
      [isIPv6 ? 'sourceIPv6' : 'sourceIPv4']: address(from),
      [isIPv6 ? 'destinationIPv6' : 'destinationIPv4']: address(to),
      sourcePort: from.localPort,
      destinationPort: to.localPort,
      protocol: 6,
      startMs,
      endMs,
    },
    origin: { protocol: 'packets', exporterAddress: '', exporterPort: -1, version: -1 },
  });
}

describe('owners of flows', () => {
  it('are told of the end that is here, as source and as destination', () => {
    const harness = new AnnotationHarness();
    see(harness, `${HOST}:40000`, `${OTHER}:443`, ownerOf(11));
    harness.write(tcpFlow(`${HOST}:40000`, `${OTHER}:443`));
    harness.write(tcpFlow(`${OTHER}:443`, `${HOST}:40000`));
    harness.write(tcpFlow(`${HOST}:40001`, `${OTHER}:443`));
    harness.write(tcpFlow(`${OTHER}:40000`, `${OTHER}:443`));
    const lines = harness.lines();
    expect(lines.map((line) => ownersOf(line))).toEqual([shown('SRC', 11), shown('DST', 11), {}, {}]);
    expect(harness.annotation.counters).toEqual({ flowsLookedUp: 4, flowsAnnotated: 2, layoutsForgotten: 0 });
  });

  it('are told of both ends, IPv6 too', () => {
    const harness = new AnnotationHarness();
    see(harness, '[2001:db8::7]:40000', '[2001:db8::7]:443', ownerOf(11));
    const listener = listenerOf('[::]:443');
    harness.directory.see(listener, listener, ownerOf(22), ARRIVAL_MS);
    harness.write(tcpFlow('[2001:db8::7]:40000', '[2001:db8::7]:443'));
    const [line] = harness.lines();
    expect(ownersOf(line)).toEqual({ ...shown('SRC', 11), ...shown('DST', 22) });
    expect(line).toMatchObject({ IPV6_SRC_ADDR: '2001:db8::7', IPV6_DST_ADDR: '2001:db8::7', L4_SRC_PORT: 40_000 });
  });

  it('leave no name behind in the flow', () => {
    const harness = new AnnotationHarness();
    see(harness, `${HOST}:1`, `${HOST}:2`, ownerOf(11));
    see(harness, `${HOST}:2`, `${HOST}:1`, ownerOf(12));
    const flow = tcpFlow(`${HOST}:1`, `${HOST}:2`);
    harness.annotation.write(flow);
    expect(harness.lines()[0]).toMatchObject({ SRC_CONTAINER_NAME: 'box11', DST_POD_NAME: 'pod12' });
    expect(flow.names.every((name) => name === '')).toBe(true);
  });

  it('have what is known and no more', () => {
    const harness = new AnnotationHarness();
    const some = ownerOf(11, { father: undefined, container: undefined });
    see(harness, `${HOST}:1`, `${OTHER}:443`, some);
    see(harness, `${HOST}:2`, `${OTHER}:443`, { ...some, process: undefined, userId: 0, userName: 'root' });
    see(harness, `${HOST}:3`, `${OTHER}:443`, { ...some, process: undefined, userId: -1, userName: '' });
    for (const port of [1, 2, 3]) harness.write(tcpFlow(`${HOST}:${port}`, `${OTHER}:443`));
    const lines = harness.lines();
    expect(Object.keys(ownersOf(lines[0])).sort()).toEqual([
      'SRC_PROC_NAME',
      'SRC_PROC_PID',
      'SRC_PROC_PKG_NAME',
      'SRC_PROC_UID',
      'SRC_PROC_USER_NAME',
    ]);
    expect(ownersOf(lines[1])).toEqual({ SRC_PROC_UID: 0, SRC_PROC_USER_NAME: 'root' });
    expect(ownersOf(lines[2])).toEqual({});
    expect(harness.annotation.counters.flowsAnnotated).toBe(2);
  });

  it('have arguments where that is asked for, and names that came later', () => {
    const complete = (owner: FlowOwner): FlowOwner => ({ ...owner, container: ownerOf(99).container });
    const harness = new AnnotationHarness({}, { withCommandLines: true, complete });
    see(harness, `${HOST}:1`, `${OTHER}:443`, ownerOf(11));
    harness.write(tcpFlow(`${HOST}:1`, `${OTHER}:443`));
    expect(harness.lines()[0]).toMatchObject({ SRC_PROC_CMDLINE: 'program11 --secret', SRC_CONTAINER_NAME: 'box99' });
  });

  it('are of the flow’s time, whatever the time is now', () => {
    const harness = new AnnotationHarness();
    const old = socketOf(`${HOST}:1`, `${OTHER}:443`);
    harness.directory.see(old, old, ownerOf(11), ARRIVAL_MS - 100_000);
    harness.directory.end(old, '', ARRIVAL_MS - 90_000);
    see(harness, `${HOST}:1`, `${OTHER}:443`, ownerOf(12));
    const pidAt = (ms: number) => {
      harness.write(tcpFlow(`${HOST}:1`, `${OTHER}:443`, ARRIVAL_MS + ms));
      return harness.lines()[0]?.['SRC_PROC_PID'];
    };
    expect([-95_000, -50_000, 0].map(pidAt)).toEqual([11, undefined, 12]);
  });
});

describe('messages of Exporters', () => {
  const KEY = [
    [8, 4],
    [12, 4],
    [7, 2],
    [11, 2],
    [4, 1],
  ] as const;
  const key = (source: string, sourcePort: number, destination: string, destinationPort: number): Octets =>
    joined(ipv4(source), ipv4(destination), u16(sourcePort), u16(destinationPort), u8(6));

  it('keep their own texts beside those of owners (NetFlow v9)', () => {
    const harness = new AnnotationHarness();
    const decode = decodingOf(harness);
    see(harness, `${HOST}:443`, `${OTHER}:5000`, ownerOf(11));
    // interfaceName and applicationName, of IANA's registry.
    const fields = [...KEY, [82, 16], [96, 24]] as const;
    const record = joined(key(OTHER, 5000, HOST, 443), text('ge-0/0/1', 16), text('an application', 24));
    decode(v9Packet([v9TemplateSet(256, fields), v9DataSet(256, record, record)]));
    const lines = harness.lines();
    expect(lines).toHaveLength(2);
    for (const line of lines) {
      expect(ownersOf(line)).toEqual(shown('DST', 11));
      expect(line).toMatchObject({
        IPV4_SRC_ADDR: OTHER,
        INTERFACE_NAME: 'ge-0/0/1',
        APPLICATION_NAME: 'an application',
      });
    }
  });

  it('are believed in what they say of an end (IPFIX)', () => {
    const harness = new AnnotationHarness();
    const decode = decodingOf(harness);
    see(harness, `${HOST}:40000`, `${HOST}:443`, ownerOf(11));
    see(harness, `${HOST}:443`, `${HOST}:40000`, ownerOf(12));
    // SRC_PROC_PID and SRC_PROC_NAME of ntop.
    const fields = [...KEY, [168, 4, NTOP], [169, VARIABLE, NTOP]] as const;
    const record = joined(key(HOST, 40_000, HOST, 443), u32(4711), variable('their-name'));
    decode(message([templateSet(256, fields), dataSet(256, record)]));
    const [line] = harness.lines();
    expect(ownersOf(line)).toEqual({ SRC_PROC_PID: 4711, SRC_PROC_NAME: 'their-name', ...shown('DST', 12) });
  });

  it('have the address that is not zero where a Template has both', () => {
    const harness = new AnnotationHarness();
    const decode = decodingOf(harness);
    see(harness, '[2001:db8::7]:40000', '[2001:db8::1]:443', ownerOf(11));
    see(harness, `${HOST}:40000`, `${OTHER}:443`, ownerOf(12));
    const fields = [...KEY, [27, 16], [28, 16]] as const;
    const six = (source: string, destination: string) => joined(ipv6(source), ipv6(destination));
    decode(
      message([
        templateSet(256, fields),
        dataSet(
          256,
          joined(key('0.0.0.0', 40_000, '0.0.0.0', 443), six('2001:db8::7', '2001:db8::1')),
          joined(key(HOST, 40_000, OTHER, 443), six('::', '::')),
        ),
      ]),
    );
    expect(harness.lines().map((line) => line['SRC_PROC_PID'])).toEqual([11, 12]);
  });

  it('have times by the Exporter’s clock, which may be wrong', () => {
    const harness = new AnnotationHarness();
    const decode = decodingOf(harness);
    see(harness, `${HOST}:40000`, `${OTHER}:443`, ownerOf(11));
    const old = socketOf(`${HOST}:40000`, `${OTHER}:443`);
    harness.directory.see(old, old, ownerOf(12), ARRIVAL_MS - 3_600_000);
    harness.directory.end(old, '', ARRIVAL_MS - 3_600_000);
    // flowStartSeconds and flowEndSeconds.
    const fields = [...KEY, [150, 4], [151, 4]] as const;
    const hourAgo = ARRIVAL_MS / 1000 - 3600;
    const record = joined(key(HOST, 40_000, OTHER, 443), u32(hourAgo - 2), u32(hourAgo - 1));
    decode(message([templateSet(256, fields), dataSet(256, record)], { exportTime: hourAgo }));
    decode(message([dataSet(256, record)], { exportTime: ARRIVAL_MS / 1000, sequence: 1 }));
    expect(harness.lines().map((line) => line['SRC_PROC_PID'])).toEqual([11, 12]);
    // A few seconds are the way and the rounding: these times stay, at the edge of what a socket's are stretched by.
    const ended = socketOf(`${HOST}:40001`, `${OTHER}:443`);
    harness.directory.see(ended, ended, ownerOf(13), ARRIVAL_MS);
    harness.directory.end(ended, '', ARRIVAL_MS);
    const later = ARRIVAL_MS / 1000 + 10;
    const edge = joined(key(HOST, 40_001, OTHER, 443), u32(later), u32(later));
    decode(message([dataSet(256, edge)], { exportTime: ARRIVAL_MS / 1000 - 4, sequence: 2 }));
    expect(harness.lines().map((line) => line['SRC_PROC_PID'])).toEqual([13]);
  });

  it('without ports, or of other protocols, are not looked up', () => {
    const harness = new AnnotationHarness();
    const decode = decodingOf(harness);
    decode(
      message([
        templateSet(256, [
          [8, 4],
          [12, 4],
          [4, 1],
        ]),
        dataSet(256, joined(ipv4(HOST), ipv4(OTHER), u8(6))),
      ]),
    );
    decode(
      message([templateSet(257, KEY), dataSet(257, joined(ipv4(HOST), ipv4(OTHER), u16(1), u16(2), u8(132)))], {
        sequence: 1,
      }),
    );
    expect(harness.lines()).toHaveLength(2);
    expect(harness.annotation.counters.flowsLookedUp).toBe(0);
  });

  it('of Templates without end do not make layouts without end', () => {
    const harness = new AnnotationHarness({}, { maxLayouts: 40 });
    const decode = decodingOf(harness);
    see(harness, `${HOST}:40000`, `${OTHER}:443`, ownerOf(11));
    const record = key(HOST, 40_000, OTHER, 443);
    for (let id = 0; id < 100; id++) {
      // Different padding makes different Templates.
      const padding = [1 + (id % 48), 1 + Math.floor(id / 48)] as const;
      const fields = [...KEY, [210, padding[0]], [210, padding[1]]] as const;
      decode(
        message([
          templateSet(256 + id, fields),
          dataSet(256 + id, joined(record, new Uint8Array(padding[0] + padding[1]))),
        ]),
      );
    }
    const lines = harness.lines();
    expect(lines.filter((line) => line['SRC_PROC_PID'] === 11)).toHaveLength(100);
    expect(harness.annotation.counters.layoutsForgotten).toBe(2);
  });
});

describe('nothing but owners differs, and the decoder’s flow is as it was', () => {
  const isRest = (value: string): string =>
    value
      .split('\n')
      .map((line) =>
        line === ''
          ? ''
          : JSON.stringify(Object.entries(JSON.parse(line) as Line).filter(([name]) => !OWNER_KEY.test(name))),
      )
      .join('\n');

  function compare(harness: AnnotationHarness): number {
    const { before, with: annotated, after } = harness.take();
    expect(after).toBe(before);
    expect(isRest(annotated)).toBe(isRest(before));
    expect(lineProblems(annotated, 'ntop')).toEqual([]);
    return annotated.split('\n').filter((line) => line.includes('"SRC_PROC_PID":77,')).length;
  }

  for (const { name, input } of fixtureCases()) {
    it(`in ${name}`, () => {
      const harness = new AnnotationHarness({ isOfEveryone: true });
      const decoding = new Decoding(DEFAULT_DECODING_OPTIONS, harness);
      const streams = new CapturedIpfixStreams((stream, view, octets, start, end, timeMs) => {
        decoding.decode(octets, view, start, end, stream.sourceAddress, stream.sourcePort, timeMs, true);
      });
      const onDatagram = ({
        octets,
        view,
        start,
        end,
        sourceAddress,
        sourcePort,
        timeMs,
      }: Parameters<ConstructorParameters<typeof DatagramExtractor>[0]['onDatagram']>[0]) => {
        decoding.decode(octets, view, start, end, sourceAddress, sourcePort, timeMs, false);
      };
      const extractor = new DatagramExtractor({ onDatagram }, streams);
      const reader = new CaptureReader();
      const file = readFileSync(input);
      reader.feed(file[0] === 0x1f ? gunzipSync(file) : file);
      while (reader.next()) extractor.add(reader.packet);
      extractor.finish();
      expect(decoding.lastInternalError).toBe('');
      expect(compare(harness)).toBeGreaterThan(0);
      // And with packets metered here, in which fixtures are flows themselves.
      const meter = new MeteringProcess(METERING, harness, new PayloadDetector(METERING.maxFlows));
      const again = new CaptureReader();
      again.feed(file[0] === 0x1f ? gunzipSync(file) : file);
      while (again.next()) {
        const { view, start, end, originalLength, linkType, seconds, nanoseconds } = again.packet;
        const octets = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
        meter.add(octets, view, start, end, originalLength, linkType, seconds * 1e6 + nanoseconds / 1000, 0);
      }
      meter.finish();
      expect(compare(harness)).toBeGreaterThan(0);
    });
  }

  it('in records of lists, texts and unknown elements of random octets', () => {
    const random = new Random(77);
    const harness = new AnnotationHarness({ isOfEveryone: true });
    const decode = decodingOf(harness);
    const key = joined(u8(6), u16(1), u16(2), ipv6('2001:db8::7'), ipv6('2001:db8::8'));
    const fields = [
      [4, 1],
      [7, 2],
      [11, 2],
      [27, 16],
      [28, 16],
      [82, VARIABLE],
      [95, 4],
      [56, 6],
      [77, 9, 4242],
      [78, VARIABLE, 4242],
      [291, VARIABLE],
      // Twice: an array.
      [79, 8, 4242],
      [79, 8, 4242],
    ] as const;
    const list = (): Octets => variable(joined(u8(3), u16(82), u16(VARIABLE), variable('one'), variable('two')));
    for (let i = 0; i < 300; i++) {
      const record = () =>
        joined(
          key,
          variable(random.octets(random.below(300))),
          random.octets(4 + 6 + 9),
          variable(random.octets(random.below(40))),
          list(),
          random.octets(8 + 8),
        );
      decode(message([templateSet(256, fields), dataSet(256, record(), record(), record())], { sequence: 3 * i }));
    }
    expect(compare(harness)).toBe(900);
  });
});
