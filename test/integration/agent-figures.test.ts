/** Round-trip times, retransmissions and octets of the agent, against what `ss -ti` says of the same sockets, on a line that loses and delays. */

import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AgentLine, AgentRun, total } from '../support/agent-run.ts';
import { Lab, type LabProgram, obstacle } from '../support/lab.ts';
import { buildProgram } from '../support/program.ts';

/** Four connections that send to the echo and read what it sends back, a little slower than the line; then all is quiet. */
const SENDERS = `
const { connect } = require('node:net');
let open = 4;
for (let i = 0; i < 4; i++) {
  let left = 150_000, awaited = 150_000;
  const socket = connect(8, '10.77.0.2', () => {
    const send = () => {
      const size = Math.min(left, 3000);
      left -= size;
      socket.write(Buffer.alloc(size));
      if (left > 0) setTimeout(send, 20);
    };
    send();
  });
  socket.on('data', (octets) => {
    awaited -= octets.length;
    if (awaited === 0 && --open === 0) console.log('done');
  });
}
`;
const SENT = 150_000;

/** What ss says of a connection, in its own units. */
interface SsFigures {
  readonly localPort: number;
  readonly remotePort: number;
  readonly rtt: number;
  readonly rttVariance: number;
  readonly retransmitted: number;
  readonly octetsRetransmitted: number;
  readonly octetsSent: number;
  readonly octetsAcknowledged: number;
  readonly octetsReceived: number;
  readonly segmentsSent: number;
  readonly segmentsReceived: number;
}

/** Reads `ss -tinHO`: a line for each socket, with words like `rtt:4.1/5.3`; what is 0 has no word. */
function readSs(text: string): SsFigures[] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('ESTAB'))
    .map((line) => {
      const [local = '', remote = ''] = line.split(/ +/).slice(3);
      const figure = (pattern: RegExp) => Number(pattern.exec(line)?.[1] ?? 0);
      return {
        localPort: Number(local.split(':').at(-1)),
        remotePort: Number(remote.split(':').at(-1)),
        rtt: figure(/ rtt:([\d.]+)\//),
        rttVariance: figure(/ rtt:[\d.]+\/([\d.]+)/),
        retransmitted: figure(/ retrans:\d+\/(\d+)/),
        octetsRetransmitted: figure(/ bytes_retrans:(\d+)/),
        octetsSent: figure(/ bytes_sent:(\d+)/),
        octetsAcknowledged: figure(/ bytes_acked:(\d+)/),
        octetsReceived: figure(/ bytes_received:(\d+)/),
        segmentsSent: figure(/ segs_out:(\d+)/),
        segmentsReceived: figure(/ segs_in:(\d+)/),
      };
    });
}

type TcpFigures = Readonly<Record<string, number>>;

describe.skipIf(obstacle('ss', 'tc', 'iptables') !== undefined)('figures of the agent', () => {
  let lab: Lab;
  let agent: AgentRun;
  let senders: LabProgram;
  /** Of the client's end, taken while it sends: what ss said, and when before and after it was asked. */
  const samples: { readonly beforeMs: number; readonly afterMs: number; readonly sockets: readonly SsFigures[] }[] = [];

  beforeAll(async () => {
    buildProgram();
    lab = new Lab();
    await lab.addNeighbour();
    lab.run('tc', 'qdisc', 'add', 'dev', 'v0', 'root', 'tbf', 'rate', '8mbit', 'burst', '16k', 'latency', '100ms');
    // On arrival: what a firewall of the sender's own drops is counted as sent, and not as sent again.
    const drop = ['-A', 'INPUT', '-p', 'tcp', '-m', 'statistic'];
    lab.runBeside('iptables', ...drop, '--mode', 'nth', '--every', '10', '--packet', '0', '-j', 'DROP');
    lab.run('iptables', ...drop, '--mode', 'random', '--probability', '0.05', '-j', 'DROP');
    agent = await AgentRun.start(['--interval', '1', '--agent-mode', 'netlink'], {
      keep: (text) => text.includes('"10.77.0.1"') || text.includes('"ifName":"lo"'),
    });
    senders = lab.start(process.execPath, ['-e', SENDERS]);
    while (!senders.stdout.includes('done')) {
      const beforeMs = Date.now();
      const sockets = readSs(lab.run('ss', '-tinHO', 'dst', '10.77.0.2'));
      samples.push({ beforeMs, afterMs: Date.now(), sockets });
      await sleep(50);
      if (samples.length > 500) throw new Error('the echo does not answer');
    }
    // Until the last acknowledgement came and was seen.
    for (let before = ''; ; ) {
      const now = lab.run('ss', '-tinHO', 'dst', '10.77.0.2') + lab.runBeside('ss', '-tinHO', 'src', '10.77.0.2');
      const [was, is] = [readSs(before), readSs(now)];
      if (is.length === 8 && isDeepStrictEqual(was, is)) break;
      before = now;
      const count = countersOf().length;
      await agent.until(() => countersOf()[count + 2], 'another two looks');
    }
  });
  afterAll(async () => {
    await agent?.stop();
    await lab?.close();
  });

  /** Sockets in which nothing changes have no more lines; interfaces have one at each look. */
  const countersOf = () => agent.lines.filter((line) => line['RECORD_TYPE'] === 'counters' && line['ifName'] === 'lo');

  /** Records of looks at the client's or the server's end of connections. */
  const looks = (key: 'L4_DST_PORT' | 'L4_SRC_PORT' = 'L4_DST_PORT') =>
    agent.lines.filter(
      (line): line is AgentLine & { TCP: TcpFigures; timestamp: string } =>
        line['RECORD_TYPE'] === 'event' &&
        line['EVENT_TYPE'] === undefined &&
        line['IPV4_SRC_ADDR'] === (key === 'L4_DST_PORT' ? '10.77.0.1' : '10.77.0.2') &&
        line[key] === 8,
    );

  it('are those of ss to the last digit once nothing is sent any more', async () => {
    const before = lab.run('ss', '-tinHO', 'dst', '10.77.0.2');
    const count = countersOf().length;
    await agent.until(() => countersOf()[count + 1], 'another look');
    const sockets = readSs(lab.run('ss', '-tinHO', 'dst', '10.77.0.2'));
    // Else nothing is shown by the rest.
    expect(sockets).toEqual(readSs(before));
    expect(sockets).toHaveLength(4);
    expect(sockets.some(({ retransmitted }) => retransmitted > 2)).toBe(true);
    expect(new Set(sockets.map(({ rtt }) => rtt)).size).toBeGreaterThan(1);
    for (const socket of sockets) {
      const last = looks().findLast((line) => line['L4_SRC_PORT'] === socket.localPort)!;
      expect(last.TCP).toMatchObject({
        CONN_STATE: 'ESTABLISHED',
        RTT: socket.rtt,
        RTT_VARIANCE: socket.rttVariance,
        RETRAN_PKTS: socket.retransmitted,
        BYTES_RCVD: socket.octetsReceived,
        BYTES_ACKED: socket.octetsAcknowledged,
        SEGS_IN: socket.segmentsReceived,
        SEGS_OUT: socket.segmentsSent,
        UNACK_SEGMENTS: 0,
        LOST_PKTS: 0,
      });
    }
  });

  it('lie between what ss says before and after each look while connections are at work', () => {
    let compared = 0;
    for (const line of looks()) {
      const timeMs = Number(line.timestamp) * 1000;
      const of = (sample: (typeof samples)[number] | undefined) =>
        sample?.sockets.find(({ localPort }) => localPort === line['L4_SRC_PORT']);
      // The look is named by when it began: with what ss needs in a busy machine it has ended at the third sample later.
      const before = of(samples.findLast(({ afterMs }) => afterMs < timeMs));
      const later = samples.findIndex(({ beforeMs }) => beforeMs > timeMs + 500);
      const after = later < 0 ? undefined : of(samples[later]);
      if (before === undefined || after === undefined) continue;
      compared++;
      for (const [told, least, most] of [
        [line.TCP['RETRAN_PKTS'], before.retransmitted, after.retransmitted],
        [line.TCP['BYTES_RCVD'], before.octetsReceived, after.octetsReceived],
        [line.TCP['BYTES_ACKED'], before.octetsAcknowledged, after.octetsAcknowledged],
        [line.TCP['SEGS_OUT'], before.segmentsSent, after.segmentsSent],
        [line.TCP['SEGS_IN'], before.segmentsReceived, after.segmentsReceived],
      ] as const) {
        expect(told).toBeGreaterThanOrEqual(least);
        expect(told).toBeLessThanOrEqual(most);
      }
    }
    expect(compared).toBeGreaterThan(0);
  });

  it('are in the flows too, with the times of both ends and what was sent once only', async () => {
    const clients = readSs(lab.run('ss', '-tinHO', 'dst', '10.77.0.2'));
    const servers = readSs(lab.runBeside('ss', '-tinHO', 'src', '10.77.0.2'));
    await senders.stop();
    const ofPort = (lines: readonly AgentLine[], port: number) =>
      lines.filter(
        (line) => line['RECORD_TYPE'] === 'flow' && line['L4_SRC_PORT'] === port && line['L4_DST_PORT'] === 8,
      );
    for (const { localPort, ...client } of clients) {
      const records = await agent.until(() => {
        const found = ofPort(agent.lines, localPort);
        return found.some((line) => line['FLOW_END_REASON'] === 3) ? found : undefined;
      }, 'the last record');
      const server = servers.find(({ remotePort }) => remotePort === localPort)!;
      expect([total(records, 'IN_BYTES'), total(records, 'OUT_BYTES')]).toEqual([SENT, SENT]);
      // Its end, which may have to be sent again, came after ss was asked.
      const before = records.filter((record) => record['FLOW_END_REASON'] !== 3);
      const sum = (key: string) => total(before, key);
      expect(client.octetsSent).toBe(SENT + client.octetsRetransmitted);
      expect({
        inPackets: sum('RETRANSMITTED_IN_PKTS'),
        inOctets: sum('RETRANSMITTED_IN_BYTES'),
        outPackets: sum('RETRANSMITTED_OUT_PKTS'),
        outOctets: sum('RETRANSMITTED_OUT_BYTES'),
      }).toEqual({
        inPackets: client.retransmitted,
        inOctets: client.octetsRetransmitted,
        outPackets: server.retransmitted,
        outOctets: server.octetsRetransmitted,
      });
      // What the client measured is how far the server is, and the other way round. A look between the last octets and their acknowledgement
      // tells what was measured till then; those after it make no record of the flow, for no octet moved.
      const flow = before.at(-1)!;
      for (const [ends, figures, side] of [
        [looks('L4_DST_PORT').filter((line) => line['L4_SRC_PORT'] === localPort), client, 'SERVER'],
        [looks('L4_SRC_PORT').filter((line) => line['L4_DST_PORT'] === localPort), server, 'CLIENT'],
      ] as const) {
        const told = ends.map(({ TCP }) => [TCP['RTT'], TCP['RTT_VARIANCE']]);
        expect(told.filter(([roundTrip]) => roundTrip !== 0)).toContainEqual([figures.rtt, figures.rttVariance]);
        expect(told).toContainEqual([flow[`${side}_RTT_MS`], flow[`${side}_RTT_VARIANCE_MS`]]);
      }
    }
    expect(agent.faults).toEqual([]);
  });
});
