/** Containers, pods and interfaces: from elements of flow records, and from nested records of agents as they are fed to us. */

import { describe, expect, it } from 'vitest';
import type { Flow, PlainRecord } from '../../src/flow/flow.ts';
import { Origin } from '../../src/flow/origin.ts';
import { Listening } from '../../src/pipeline/listening.ts';
import { DEFAULT_SERIES_OPTIONS } from '../../src/series/series-options.ts';
import { type MadeFlow, makeFlow } from '../support/flow-builder.ts';
import { agentExamples } from '../support/listening-harness.ts';
import { header0 } from '../support/ntopng-message.ts';
import { SeriesHarness, T0 } from './series-harness.ts';

const ENDPOINT = { url: 'tcp://192.0.2.9:5556', address: '192.0.2.9', port: 5556 };
const A = 0xc00cc10b;
const B = 0xc00cc006;

function made(fields: MadeFlow['fields'] = {}): MadeFlow {
  return {
    fields: {
      sourceIPv4: A,
      destinationIPv4: B,
      sourcePort: 41_234,
      destinationPort: 22,
      protocol: 6,
      startMs: T0,
      endMs: T0 + 10,
      ...fields,
    },
    origin: { exportTimeMs: T0 + 20 },
  };
}

function event(attachments: Readonly<Record<string, unknown>>, fields: MadeFlow['fields'] = {}): Flow {
  const flow = makeFlow({ ...made(fields), recordType: 'event' });
  for (const [key, value] of Object.entries(attachments)) {
    flow.attachments.push({ ntop: key, iana: key, value: value as never });
  }
  return flow;
}

const KUBE = { KUBE: { NAME: 'heapster', POD: 'heapster-v1.5.2-6b5d7b57f9-qx6kz', NS: 'kube-system' } };

describe('containers and pods', () => {
  it('counts distinct flows as client and as server, from elements', () => {
    const harness = new SeriesHarness();
    for (let port = 41_000; port < 41_003; port++) {
      harness.add(
        made({
          sourcePort: port,
          octets: 10,
          packets: 1,
          sourceContainerId: '1edb6c16e3d2',
          destinationContainerId: 'f427db2c87ac',
        }),
      );
    }
    // the same flow again, its answer, and one with padding where the other is the client
    harness.add(made({ sourcePort: 41_000, octets: 10, packets: 1, sourceContainerId: '1edb6c16e3d2\0\0\0' }));
    harness.add(
      made({
        sourceIPv4: B,
        destinationIPv4: A,
        sourcePort: 22,
        destinationPort: 41_000,
        octets: 5,
        packets: 1,
        sourceContainerId: 'f427db2c87ac',
      }),
    );
    harness.add(
      made({
        sourceIPv4: B,
        destinationIPv4: A,
        sourcePort: 50_000,
        destinationPort: 80,
        octets: 5,
        packets: 1,
        sourceContainerId: 'f427db2c87ac',
      }),
    );
    expect(harness.rows('container:num_flows')).toEqual([
      'container=1edb6c16e3d2 60s as_client=3 as_server=0',
      'container=f427db2c87ac 60s as_client=1 as_server=3',
    ]);
    expect(harness.rows('container:rtt')).toEqual([]);
    expect(harness.rows('pod:num_flows')).toEqual([]);
  });

  it('takes means over flows that tell a round-trip time, from nested records', () => {
    const harness = new SeriesHarness();
    const container = { DOCKER: { ID: 'cf5485c07181', NAME: 'docker_monitor' } };
    const tcp = (rtt: number, variance: number) => ({ CONN_STATE: 'ESTABLISHED', RTT: rtt, RTT_VARIANCE: variance });
    harness.add(event({ LOCAL_CONTAINER: container, TCP: tcp(4.144, 5.322) }));
    harness.add(event({ LOCAL_CONTAINER: container, TCP: tcp(2, 1) }, { sourcePort: 41_235 }));
    harness.add(event({ LOCAL_CONTAINER: container }, { sourcePort: 41_236 }));
    // accepted: the local end is the server, whatever the ports
    harness.add(
      event({ LOCAL_CONTAINER: container, EVENT_TYPE: 'ACCEPT' }, { sourcePort: 51_176, destinationPort: 8086 }),
    );
    expect(harness.rows('container:num_flows')).toEqual(['container=cf5485c07181 60s as_client=3 as_server=1']);
    expect(harness.rows('container:rtt')).toEqual(['container=cf5485c07181 60s as_client=3.072']);
    expect(harness.rows('container:rtt_variance')).toEqual(['container=cf5485c07181 60s as_client=3.161']);
  });

  it("takes pods' names and round-trip times from flows of both ends, each end what its own socket measured", () => {
    const harness = new SeriesHarness();
    harness.add(
      made({
        octets: 10,
        packets: 1,
        reverseOctets: 10,
        reversePackets: 1,
        sourceContainerId: '1edb6c16e3d2',
        sourcePodName: 'web-1',
        destinationContainerId: 'f427db2c87ac',
        destinationPodName: '',
        serverRoundTripTime: 4000,
        serverRoundTripVariance: 1500,
        clientRoundTripTime: 6000,
        clientRoundTripVariance: 500,
      }),
    );
    // Only the client's end is here.
    harness.add(
      made({
        sourcePort: 41_235,
        octets: 10,
        packets: 1,
        sourceContainerId: '1edb6c16e3d2',
        sourcePodName: 'web-1',
        serverRoundTripTime: 2000,
        serverRoundTripVariance: 500,
      }),
    );
    expect(harness.rows('pod:num_flows')).toEqual(['pod=web-1 60s as_client=2 as_server=0']);
    expect(harness.rows('pod:rtt')).toEqual(['pod=web-1 60s as_client=3']);
    expect(harness.rows('container:rtt')).toEqual([
      'container=1edb6c16e3d2 60s as_client=3',
      'container=f427db2c87ac 60s as_server=6',
    ]);
    expect(harness.rows('container:rtt_variance')).toEqual([
      'container=1edb6c16e3d2 60s as_client=1',
      'container=f427db2c87ac 60s as_server=0.5',
    ]);
  });

  it('knows pods, their containers, and containers without an id', () => {
    const harness = new SeriesHarness();
    harness.add(event({ LOCAL_CONTAINER: KUBE }));
    harness.add(event({ LOCAL_CONTAINER: { ...KUBE, ID: '89b0acbdba4b' } }, { sourcePort: 1 + 41_234 }));
    harness.add(
      event({ LOCAL_CONTAINER: KUBE, TCP: { CONN_STATE: 'LISTEN' } }, { sourcePort: 8088, destinationPort: 0 }),
    );
    expect(harness.rows('pod:num_flows')).toEqual([`pod=${KUBE.KUBE.POD} 60s as_client=2 as_server=0`]);
    expect(harness.rows('pod:num_containers')).toEqual([`pod=${KUBE.KUBE.POD} 60s num_containers=2`]);
    expect(harness.rows('container:num_flows')).toEqual([
      'container=heapster 60s as_client=1 as_server=0',
      'container=89b0acbdba4b 60s as_client=1 as_server=0',
    ]);
  });

  it('writes a gauge only in steps that have a flow, at the steps asked for', () => {
    const harness = new SeriesHarness({ stepSeconds: { ...DEFAULT_SERIES_OPTIONS.stepSeconds, container: 10 } });
    const add = (startMs: number, endMs: number) =>
      harness.add({
        ...made({ octets: 1, packets: 1, sourceContainerId: 'abc', startMs, endMs }),
        origin: { exportTimeMs: T0 + 41_000 },
      });
    add(T0, T0 + 15_000);
    add(T0 + 40_000, T0 + 41_000);
    expect(harness.rows('container:num_flows')).toEqual([
      'container=abc 10s as_client=1 as_server=0',
      'container=abc 20s as_client=1 as_server=0',
      'container=abc 50s as_client=1 as_server=0',
    ]);
  });

  it('is not led astray by records of any shape', () => {
    const harness = new SeriesHarness();
    for (const value of [
      null,
      3,
      'x',
      [],
      [1],
      {},
      { DOCKER: 'x' },
      { DOCKER: { ID: 7 } },
      { KUBE: { POD: '' } },
      [KUBE],
    ]) {
      harness.add(event({ LOCAL_CONTAINER: value, TCP: value, NW_LATENCY_MS: value, EVENT_TYPE: value }));
    }
    expect(harness.rows('pod:num_flows')).toEqual([`pod=${KUBE.KUBE.POD} 60s as_client=1 as_server=0`]);
  });
});

describe('what agents print', () => {
  const examples = agentExamples();
  if (examples === undefined) {
    it.skip('makes series of containers (skipped: ../shared is not here)', () => {});
    return;
  }

  it('makes series of containers, by their ids where any record tells them', () => {
    const harness = new SeriesHarness();
    const listening = new Listening([], harness.series);
    for (const { text, isCounters } of [...examples].reverse()) {
      // The event with the id before the status with the name, as they are in time.
      if (isCounters || text.includes('"RTT"')) continue;
      listening.take([header0({ topic: 'flow' }), Buffer.from(text)], ENDPOINT, T0);
    }
    for (const { text, isCounters } of examples) {
      if (!isCounters && !text.includes('"RTT"')) continue;
      listening.take([header0({ topic: isCounters ? 'counter' : 'flow' }), Buffer.from(text)], ENDPOINT, T0);
    }
    harness.series.finish();
    const last = (measurement: string) => harness.rows(measurement).map((row) => row.replace(/ -?\d+s /, ' '));
    expect(last('container:num_flows')).toEqual(['container=cf5485c07181 as_client=2 as_server=0']);
    expect(last('container:rtt')).toEqual(['container=cf5485c07181 as_client=4.144']);
    expect(last('container:rtt_variance')).toEqual(['container=cf5485c07181 as_client=5.322']);
    expect(last('evexporter_iface:traffic')).toContain(
      'exporter=192.0.2.9 ifname=veth973a1f7 bytes_sent=70740354 bytes_rcvd=220771',
    );
  });
});

describe('counters of interfaces', () => {
  const record = (values: PlainRecord['values'], origin: Partial<Origin> = {}): PlainRecord => ({
    recordType: 'counters',
    origin: Object.assign(new Origin(), { exporterAddress: '192.0.2.9', exportTimeMs: T0 + 1000 }, origin),
    values,
    ianaValues: values,
  });

  it('writes what an sFlow agent has counted, as it says it, without a zero before', () => {
    const harness = new SeriesHarness();
    const values = { ifIndex: 3, ifSpeed: 1_000_000, ifInOctets: 2n ** 60n, ifOutOctets: 17 };
    harness.series.writeRecord(record({ if_counters: values }, { agentAddress: '192.0.2.77' }));
    harness.series.writeRecord(record({ if_counters: { ...values, ifOutOctets: 0 } }, { agentAddress: '192.0.2.78' }));
    harness.series.writeRecord(record({ if_counters: { ifIndex: 'x', ifInOctets: {}, ifOutOctets: -1 } }));
    harness.series.writeRecord(record({ processor: { cpu: 5 } }));
    expect(harness.rows('sflowdev_port:traffic')).toEqual([
      'device=192.0.2.77 port=3 300s bytes_sent=17 bytes_rcvd=1152921504606847000',
      'device=192.0.2.78 port=3 300s bytes_sent=0 bytes_rcvd=1152921504606847000',
    ]);
  });

  it('makes percentages of a speed that an sFlow agent tells', () => {
    const harness = new SeriesHarness();
    const fields = { octets: 375_000, packets: 1, inputInterface: 3, outputInterface: 4 };
    harness.add({ ...made(fields), origin: { exportTimeMs: T0 + 20, exporterAddress: '192.0.2.9' } });
    // 3 Mbit in 300 s at 1 Mbit/s
    harness.series.writeRecord(
      record({ if_counters: { ifIndex: 3, ifSpeed: 1_000_000, ifInOctets: 1, ifOutOctets: 1 } }),
    );
    expect(harness.rows('flowdev_port:usage')).toEqual(['device=192.0.2.9 port=3 300s uplink=0 downlink=1']);
  });

  it('writes what an agent says of an interface by its name', () => {
    const harness = new SeriesHarness();
    harness.series.writeRecord(
      record({
        ifName: 'veth70b1674b',
        ifIndex: 12,
        ifInOctets: 17_973_342,
        ifOutOctets: 17_525_175,
        LOCAL_CONTAINER: KUBE,
      }),
    );
    expect(harness.rows('evexporter_iface:traffic')).toEqual([
      'exporter=192.0.2.9 ifname=veth70b1674b 300s bytes_sent=17525175 bytes_rcvd=17973342',
    ]);
  });

  it('writes interfaces of the own host by their index, at steps that have counters', () => {
    const harness = new SeriesHarness({ hasOwnInterfaces: true, ifid: '7' });
    const counters = (ifIndex: number, octets: number, seconds: number) =>
      record(
        { ifName: 'eth0', ifIndex, ifInOctets: octets, ifOutOctets: 5, ifInPackets: 2, ifOutPackets: 1 },
        { exportTimeMs: T0 + 1000 * seconds },
      );
    harness.series.writeRecord(counters(12, 100, 0.5));
    harness.series.writeRecord(counters(12, 140, 2.5));
    // The number of all flows together is not an interface's too.
    harness.series.writeRecord(counters(7, 1, 0.5));
    harness.series.writeRecord(record({ ifName: 'eth1', ifIndex: 13, ifInOctets: 1, ifOutOctets: 1 }));
    harness.series.finish();
    const pointsOf = (measurement: string) =>
      harness.points
        .filter((point) => point.measurement === measurement && point.tags['ifid'] !== '7')
        .map(({ tags, fields, time }) => [tags, Number(time / 1_000_000n - BigInt(T0)) / 1000, fields]);
    const tags = { ifid: '12' };
    expect(pointsOf('iface:traffic')).toEqual([
      [tags, 1, { bytes: 105 }],
      [tags, 3, { bytes: 145 }],
    ]);
    expect(pointsOf('iface:traffic_rxtx')).toEqual([
      [tags, 1, { bytes_sent: 5, bytes_rcvd: 100 }],
      [tags, 3, { bytes_sent: 5, bytes_rcvd: 140 }],
    ]);
    expect(pointsOf('iface:packets')).toEqual([
      [tags, 1, { packets: 3 }],
      [tags, 3, { packets: 3 }],
    ]);
  });

  it('writes losses of exporters, and drops of those with flows', () => {
    const harness = new SeriesHarness();
    harness.add(made({ octets: 1, packets: 1 }));
    harness.series.exporterLosses({ exporter: '192.0.2.1', received: 12, lost: 0, undecodable: 2 });
    harness.series.exporterLosses({ exporter: '192.0.2.5', received: 0, lost: 0, undecodable: 1 });
    expect(harness.rows('flowrelay:exporter')).toEqual([
      'device=192.0.2.1 60s received=12 lost=0 undecodable=2',
      'device=192.0.2.5 60s received=0 lost=0 undecodable=1',
    ]);
    expect(harness.rows('flowdev:drops')).toEqual(['device=192.0.2.1 300s drops=0']);
  });
});
