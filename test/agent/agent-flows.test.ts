import { describe, expect, it } from 'vitest';
import type { ContainerInfo } from '../../src/agent/container-info.ts';
import { AgentHarness, type AgentLine } from '../support/agent-harness.ts';
import { containerOf, eventOf, listenerOf, OWN, processOf, socketOf } from '../support/agent-parts.ts';
import { lineProblems } from '../support/json-line.ts';

const INSIDE = 4_026_532_001;

/** Source, destination and counters of a line, short. */
function show(line: AgentLine): string {
  const counts = ['IN_BYTES', 'IN_PKTS', 'OUT_BYTES', 'OUT_PKTS'].map((key) => line[key] ?? '-').join(' ');
  const source = `${line['IPV4_SRC_ADDR'] ?? line['IPV6_SRC_ADDR']}:${line['L4_SRC_PORT']}`;
  const destination = `${line['IPV4_DST_ADDR'] ?? line['IPV6_DST_ADDR']}:${line['L4_DST_PORT']}`;
  return `${source} > ${destination} ${counts} end ${line['FLOW_END_REASON']}`;
}

async function started(): Promise<AgentHarness> {
  const harness = new AgentHarness();
  expect(await harness.look()).toEqual([]);
  return harness;
}

describe('flows of sockets', () => {
  it('have a record when they are new, for each interval in which they count, and at their end', async () => {
    const harness = await started();
    const { parts } = harness;
    parts.table.set(7, processOf(7));
    let client = parts.add(
      socketOf('192.0.2.7:40000', '198.51.100.1:443', {
        octetsSent: 100,
        segmentsSent: 3,
        octetsReceived: 10,
        segmentsReceived: 2,
      }),
      7,
    );
    const [first, ...none] = await harness.look();
    expect(none).toEqual([]);
    expect(show(first!)).toBe('192.0.2.7:40000 > 198.51.100.1:443 100 3 10 2 end 2');
    expect(first).toMatchObject({ SRC_PROC_PID: 7, SRC_PROC_USER_NAME: 'alice', SRC_PROC_NAME: '/usr/bin/program7' });
    expect(first).not.toHaveProperty('DST_PROC_PID');
    expect(lineProblems(harness.lastText, 'ntop')).toEqual([]);
    expect(await harness.look()).toEqual([]);
    client = parts.replace(client, { octetsSent: 1100, segmentsSent: 5, segmentsReceived: 4 });
    const [second] = await harness.look();
    expect(show(second!)).toBe('192.0.2.7:40000 > 198.51.100.1:443 1000 2 0 2 end 2');
    // From where the last record left off.
    expect(second!['FLOW_START_MILLISECONDS']).toBe(first!['FLOW_END_MILLISECONDS']);
    parts.remove(client);
    await harness.look();
    const [last] = await harness.look();
    expect(show(last!)).toBe('192.0.2.7:40000 > 198.51.100.1:443 0 0 0 0 end 3');
    expect(last!['SRC_PROC_PID']).toBe(7);
    expect(harness.agent.table.size).toBe(0);
  });

  it('that are older than the program count from its first look on', async () => {
    const harness = new AgentHarness();
    const client = harness.parts.add(
      socketOf('192.0.2.7:40000', '198.51.100.1:443', { octetsSent: 5_000_000, segmentsSent: 9000 }),
    );
    expect((await harness.look()).map(show)).toEqual(['192.0.2.7:40000 > 198.51.100.1:443 0 0 0 0 end 2']);
    harness.parts.replace(client, { octetsSent: 5_000_077, segmentsSent: 9001 });
    expect((await harness.look()).map(show)).toEqual(['192.0.2.7:40000 > 198.51.100.1:443 77 1 0 0 end 2']);
  });

  it('take the last figures from the close, and wait for it where closes are heard', async () => {
    const harness = await started();
    const { parts } = harness;
    parts.isHearingCloses = true;
    const client = parts.add(
      socketOf(
        '192.0.2.7:40000',
        '198.51.100.1:443',
        { octetsSent: 10, segmentsSent: 2 },
        { cookie: '000000000000000a' },
      ),
    );
    expect(await harness.look()).toHaveLength(1);
    parts.remove(client);
    expect(await harness.look()).toEqual([]);
    // The FIN of the other end counts as an octet received.
    const last = socketOf(
      '192.0.2.7:40000',
      '198.51.100.1:443',
      {
        octetsSent: 60,
        octetsRetransmitted: 20,
        retransmittedSegments: 1,
        segmentsSent: 7,
        octetsReceived: 501,
        segmentsReceived: 5,
      },
      { cookie: '000000000000000a', state: 'CLOSE', inode: 0 },
    );
    harness.agent.takeClose(last, parts.nowMs + 1000);
    const [line] = await harness.look();
    expect(show(line!)).toBe('192.0.2.7:40000 > 198.51.100.1:443 30 5 500 5 end 3');
    expect(line).toMatchObject({
      RETRANSMITTED_IN_BYTES: 20,
      RETRANSMITTED_IN_PKTS: 1,
      FLOW_END_MILLISECONDS: parts.nowMs - 4000,
    });
    // Told once more, by whoever: the flow has been reported.
    harness.agent.takeClose(last, parts.nowMs - 3000);
    harness.agent.takeEvents([
      eventOf('CLOSE', '192.0.2.7:40000', '198.51.100.1:443', parts.nowMs - 3000, { octetsSent: 60 }),
    ]);
    expect(await harness.look()).toEqual([]);
  });

  it('that lived between two looks are known by their close', async () => {
    const harness = await started();
    harness.parts.isHearingCloses = true;
    const closed = socketOf(
      '192.0.2.7:40001',
      '198.51.100.1:80',
      { octetsSent: 5, segmentsSent: 4, octetsReceived: 9, segmentsReceived: 4 },
      { cookie: '000000000000000b', state: 'CLOSE' },
    );
    harness.agent.takeClose(closed, harness.parts.nowMs + 1000);
    // Refused: it never was a connection.
    harness.agent.takeClose(
      socketOf('192.0.2.7:40002', '198.51.100.1:81', { segmentsSent: 1, segmentsReceived: 1 }, { state: 'CLOSE' }),
      harness.parts.nowMs + 1000,
    );
    expect((await harness.look()).map(show)).toEqual(['192.0.2.7:40001 > 198.51.100.1:80 5 4 8 4 end 3']);
  });

  it('that end during the very first look count whole', async () => {
    const harness = new AgentHarness();
    harness.parts.isHearingCloses = true;
    const { parts } = harness;
    const closed = socketOf('192.0.2.7:40001', '198.51.100.1:80', {
      octetsSent: 5,
      segmentsSent: 4,
      segmentsReceived: 4,
    });
    for (let port = 1000; port < 1600; port++) parts.add(socketOf(`192.0.2.7:${port}`, '198.51.100.1:443'));
    const look = harness.look();
    // The look lets others have their turn.
    setImmediate(() => harness.agent.takeClose({ ...closed, state: 'CLOSE' }, parts.nowMs));
    await look;
    const lines = await harness.look();
    expect(lines.map(show)).toEqual(['192.0.2.7:40001 > 198.51.100.1:80 5 4 0 4 end 3']);
  });

  it('that ended while a look went on are not told again by what it saw', async () => {
    const harness = await started();
    const { parts } = harness;
    parts.isHearingCloses = true;
    const seen = parts.add(socketOf('192.0.2.7:40001', '198.51.100.1:80', { octetsSent: 5, segmentsSent: 4 }));
    await harness.look();
    const snapshot = await parts.sockets.snapshot();
    parts.remove(seen);
    harness.agent.takeClose({ ...seen, state: 'CLOSE' }, parts.nowMs + 100);
    expect((await harness.look()).map(show)).toEqual(['192.0.2.7:40001 > 198.51.100.1:80 0 0 0 0 end 3']);
    parts.sockets.snapshot = () => Promise.resolve(snapshot);
    expect(await harness.look()).toEqual([]);
  });

  it('that only TIME-WAIT tells of are told once, where closes are not heard', async () => {
    const harness = new AgentHarness();
    const { parts } = harness;
    const rest = { state: 'TIME-WAIT', inode: 0 } as const;
    const before = parts.add(socketOf('192.0.2.7:40000', '198.51.100.1:443', 'none', rest));
    expect(await harness.look()).toEqual([]);
    parts.add(socketOf('192.0.2.7:40001', '198.51.100.1:443', 'none', rest));
    const lines = [...(await harness.look()), ...(await harness.look())];
    expect(lines.map(show)).toEqual(['192.0.2.7:40001 > 198.51.100.1:443 - - - - end 3']);
    parts.remove(before);
    expect(await harness.look()).toEqual([]);
  });

  it('are others when a port is used again', async () => {
    const harness = await started();
    const { parts } = harness;
    const first = parts.add(
      socketOf('192.0.2.7:40000', '198.51.100.1:443', { octetsSent: 900, segmentsSent: 9 }, { cookie: '01' }),
    );
    await harness.look();
    parts.remove(first);
    parts.add(socketOf('192.0.2.7:40000', '198.51.100.1:443', { octetsSent: 30, segmentsSent: 2 }, { cookie: '02' }));
    const lines = [...(await harness.look()), ...(await harness.look())].map(show);
    expect(lines.sort()).toEqual([
      '192.0.2.7:40000 > 198.51.100.1:443 0 0 0 0 end 3',
      '192.0.2.7:40000 > 198.51.100.1:443 30 2 0 0 end 2',
    ]);
  });

  it('never shrink, and survive clocks that are set', async () => {
    const harness = await started();
    const { parts } = harness;
    let client = parts.add(socketOf('192.0.2.7:40000', '198.51.100.1:443', { octetsSent: 100, segmentsSent: 2 }));
    await harness.look();
    client = parts.replace(client, { octetsSent: 90, segmentsSent: 3 });
    const [line] = await harness.look(-3600);
    expect(line).toMatchObject({ IN_BYTES: 0, IN_PKTS: 1 });
    expect(line!['FLOW_END_MILLISECONDS']).toBeGreaterThanOrEqual(line!['FLOW_START_MILLISECONDS']);
    parts.remove(client);
    const ends = [...(await harness.look(7200)), ...(await harness.look())];
    expect(ends.map(show)).toEqual(['192.0.2.7:40000 > 198.51.100.1:443 0 0 0 0 end 3']);
  });

  it('end by force with the program, the last look included', async () => {
    const harness = await started();
    harness.parts.add(socketOf('192.0.2.7:40000', '198.51.100.1:443', { octetsSent: 100, segmentsSent: 2 }));
    await harness.agent.finish();
    expect(harness.lines().map(show)).toEqual([
      '192.0.2.7:40000 > 198.51.100.1:443 100 2 0 0 end 2',
      '192.0.2.7:40000 > 198.51.100.1:443 0 0 0 0 end 4',
    ]);
  });

  it('are not followed beyond the limit, which is counted', async () => {
    const harness = new AgentHarness({ maxFlows: 2 });
    await harness.look();
    for (let port = 40_000; port < 40_005; port++) harness.parts.add(socketOf(`192.0.2.7:${port}`, '198.51.100.1:443'));
    expect(await harness.look()).toHaveLength(2);
    expect(harness.agent.table.counters.flowsRefused).toBe(3);
  });
});

describe('client and server', () => {
  it('are told apart by who listens, whatever the ports', async () => {
    const harness = await started();
    harness.parts.add(listenerOf('0.0.0.0:50000'));
    harness.parts.add(socketOf('192.0.2.7:50000', '198.51.100.1:600', { octetsSent: 7, segmentsSent: 1 }));
    expect((await harness.look()).map(show)).toEqual(['198.51.100.1:600 > 192.0.2.7:50000 0 0 7 1 end 2']);
  });

  it('are told apart by who connected or accepted', async () => {
    const harness = await started();
    const { parts } = harness;
    harness.agent.takeEvents([
      eventOf('CONNECT', '192.0.2.7:700', '198.51.100.1:900', parts.nowMs + 1),
      eventOf('ACCEPT', '192.0.2.7:901', '198.51.100.1:700', parts.nowMs + 1),
    ]);
    parts.add(socketOf('192.0.2.7:700', '198.51.100.1:900'));
    parts.add(socketOf('192.0.2.7:901', '198.51.100.1:700'));
    expect((await harness.look()).map(show)).toEqual([
      '192.0.2.7:700 > 198.51.100.1:900 0 0 0 0 end 2',
      '198.51.100.1:700 > 192.0.2.7:901 0 0 0 0 end 2',
    ]);
  });

  it('are told apart by the ports where nothing else tells', async () => {
    const harness = await started();
    harness.parts.add(socketOf('192.0.2.7:22', '198.51.100.1:20000'));
    harness.parts.add(socketOf('192.0.2.7:20000', '198.51.100.1:3000'));
    harness.parts.add(socketOf('[2001:db8::7]:45000', '[2001:db8::1]:46000'));
    expect((await harness.look()).map(show)).toEqual([
      '198.51.100.1:20000 > 192.0.2.7:22 0 0 0 0 end 2',
      '192.0.2.7:20000 > 198.51.100.1:3000 0 0 0 0 end 2',
      '2001:db8::7:45000 > 2001:db8::1:46000 0 0 0 0 end 2',
    ]);
  });

  it("measure each other: a server's socket knows the way to the client", async () => {
    const harness = await started();
    harness.parts.add(listenerOf('0.0.0.0:80'));
    harness.parts.add(
      socketOf('192.0.2.7:80', '198.51.100.1:50000', {
        roundTripUs: 4144,
        roundTripVarianceUs: 5322,
        retransmittedSegments: 2,
      }),
    );
    const [line] = await harness.look();
    expect(line).toMatchObject({ CLIENT_RTT_MS: 4.144, CLIENT_RTT_VARIANCE_MS: 5.322, RETRANSMITTED_OUT_PKTS: 2 });
    expect(line).not.toHaveProperty('SERVER_RTT_MS');
    expect(line).not.toHaveProperty('RETRANSMITTED_IN_PKTS');
  });
});

describe('both ends on this host', () => {
  /** A client in a container and a server in another, each with its container. */
  async function joined(clientRemote: string, serverLocal = clientRemote, serverRemote = '172.17.0.2:41000') {
    const harness = await started();
    const { parts } = harness;
    parts.namespaces.push({ id: INSIDE, pid: 20 }, { id: INSIDE + 1, pid: 30 });
    parts.table.set(1, processOf(1, { userName: 'root', userId: 0 }));
    parts.table.set(20, processOf(20, { cgroup: 'a' }));
    parts.table.set(30, processOf(30, { cgroup: 'b' }));
    parts.byCgroup.set('a', containerOf('1edb6c16e3d2', { name: 'web', pod: 'web-1', podNamespace: 'default' }));
    parts.byCgroup.set('b', containerOf('f427db2c87ac', { name: 'db' }));
    const client = parts.add(
      socketOf(
        '172.17.0.2:41000',
        clientRemote,
        { octetsSent: 10, segmentsSent: 2, octetsReceived: 90, roundTripUs: 50 },
        { namespace: INSIDE },
      ),
      20,
    );
    const listener = parts.add(listenerOf(`0.0.0.0:${serverLocal.split(':')[1]}`, { namespace: INSIDE + 1 }), 30);
    const server = parts.add(
      socketOf(
        serverLocal,
        serverRemote,
        { octetsSent: 100, segmentsSent: 3, octetsReceived: 9, roundTripUs: 70 },
        { namespace: INSIDE + 1 },
      ),
      30,
    );
    return { harness, parts, client, listener, server };
  }

  it('make one flow with both processes and containers, each telling what it sent', async () => {
    const { harness, parts, client, server } = await joined('172.17.0.3:5432');
    const lines = await harness.look();
    expect(lines.map(show)).toEqual(['172.17.0.2:41000 > 172.17.0.3:5432 10 2 100 3 end 2']);
    expect(lines[0]).toMatchObject({
      SRC_PROC_PID: 20,
      SRC_PROC_CONTAINER_ID: '1edb6c16e3d2',
      SRC_CONTAINER_NAME: 'web',
      SRC_POD_NAME: 'web-1',
      SRC_POD_NAMESPACE: 'default',
      SRC_FATHER_PROC_PID: 1,
      SRC_FATHER_PROC_USER_NAME: 'root',
      SERVER_RTT_MS: 0.05,
      DST_PROC_PID: 30,
      DST_PROC_CONTAINER_ID: 'f427db2c87ac',
      DST_CONTAINER_NAME: 'db',
      CLIENT_RTT_MS: 0.07,
    });
    expect(lines[0]).not.toHaveProperty('DST_POD_NAME');
    expect(lineProblems(harness.lastText, 'ntop')).toEqual([]);
    expect(harness.agent.table.counters).toMatchObject({ flowsSeen: 1, flowsJoined: 1 });
    // One end closes: the flow ends with the other.
    parts.remove(client);
    expect(await harness.look()).toEqual([]);
    parts.replace(server, { octetsSent: 150 }, { state: 'CLOSE-WAIT' });
    expect((await harness.look()).map(show)).toEqual(['172.17.0.2:41000 > 172.17.0.3:5432 0 0 50 0 end 2']);
    parts.sockets_.pop();
    const last = [...(await harness.look()), ...(await harness.look())];
    expect(last.map(show)).toEqual(['172.17.0.2:41000 > 172.17.0.3:5432 0 0 0 0 end 3']);
  });

  it('are one flow even if the last word of an end comes when it has been told', async () => {
    const harness = await started();
    const { parts } = harness;
    parts.isHearingCloses = true;
    const at = parts.nowMs + 3500;
    const closed = (local: string, remote: string) =>
      socketOf(local, remote, { octetsSent: 5, octetsReceived: 5, segmentsReceived: 4 }, { state: 'CLOSE' });
    harness.agent.takeClose(closed('172.17.0.2:41000', '172.17.0.3:80'), at);
    expect(await harness.look()).toHaveLength(1);
    harness.agent.takeClose({ ...closed('172.17.0.3:80', '172.17.0.2:41000'), namespace: INSIDE }, at + 1700);
    expect(await harness.look()).toEqual([]);
    // The same ports again.
    harness.agent.takeClose(closed('172.17.0.2:41000', '172.17.0.3:80'), at + 2500);
    expect(await harness.look()).toHaveLength(1);
  });

  it('are joined where the destination was translated, as published ports are', async () => {
    const { harness } = await joined('192.0.2.7:8080', '172.17.0.3:80');
    const lines = await harness.look();
    expect(lines.map(show)).toEqual(['172.17.0.2:41000 > 192.0.2.7:8080 10 2 100 3 end 2']);
    expect(lines[0]).toMatchObject({
      SRC_PROC_PID: 20,
      DST_PROC_PID: 30,
      POST_NAT_DST_IPV4_ADDR: '172.17.0.3',
      POST_NAPT_DST_TRANSPORT_PORT: 80,
    });
    expect(lineProblems(harness.lastText, 'ntop')).toEqual([]);
    expect(await harness.look()).toEqual([]);
  });

  it('are joined where the source was translated, as between networks of two engines', async () => {
    const { harness } = await joined('10.88.0.2:80', '10.88.0.2:80', '10.88.0.1:41000');
    const lines = await harness.look();
    expect(lines.map(show)).toEqual(['172.17.0.2:41000 > 10.88.0.2:80 10 2 100 3 end 2']);
    expect(lines[0]).toMatchObject({
      SRC_PROC_PID: 20,
      DST_PROC_PID: 30,
      POST_NAT_SRC_IPV4_ADDR: '10.88.0.1',
      POST_NAPT_SRC_TRANSPORT_PORT: 41_000,
    });
    expect(lines[0]).not.toHaveProperty('POST_NAT_DST_IPV4_ADDR');
    expect(lineProblems(harness.lastText, 'ntop')).toEqual([]);
    expect(await harness.look()).toEqual([]);
  });

  it('are joined where both were translated, as the kernel tells', async () => {
    const { harness, parts } = await joined('192.0.2.7:8080', '172.17.0.3:80', '172.17.0.1:20000');
    const asked: string[][] = [];
    let answers = true;
    parts.tracking = {
      pairs: (ends) => {
        asked.push(ends.map(({ localAddress }) => localAddress));
        const [client, server, other] = ends;
        if (!answers || client === undefined || server === undefined || other === undefined) return Promise.resolve([]);
        const [pair, wrong] = [client, other].map((each) => ({ client: each, server }));
        return Promise.resolve([pair!, wrong!, pair!]);
      },
    };
    parts.add(socketOf('172.17.0.9:41000', '198.51.100.1:443', {}, { namespace: INSIDE + 2 }));
    const lines = await harness.look();
    expect(lines.map(show)).toEqual([
      '172.17.0.2:41000 > 192.0.2.7:8080 10 2 100 3 end 2',
      '172.17.0.9:41000 > 198.51.100.1:443 0 0 0 0 end 2',
    ]);
    expect(lines[0]).toMatchObject({
      SRC_PROC_PID: 20,
      DST_PROC_PID: 30,
      POST_NAT_SRC_IPV4_ADDR: '172.17.0.1',
      POST_NAPT_SRC_TRANSPORT_PORT: 20_000,
      POST_NAT_DST_IPV4_ADDR: '172.17.0.3',
      POST_NAPT_DST_TRANSPORT_PORT: 80,
    });
    expect(lineProblems(harness.lastText, 'ntop')).toEqual([]);
    expect(harness.agent.table.counters).toMatchObject({ flowsSeen: 3, flowsJoined: 1 });
    // Asked once a look, and of nothing that was told.
    answers = false;
    parts.add(socketOf('172.17.0.2:41001', '192.0.2.7:8080', {}, { namespace: INSIDE }));
    expect(await harness.look()).toHaveLength(1);
    expect(await harness.look()).toHaveLength(0);
    expect(asked).toEqual([['172.17.0.2', '172.17.0.3', '172.17.0.9'], ['172.17.0.2'], []]);
  });

  it.each([
    ['of another port', '10.88.0.2:80', '10.88.0.1:41001'],
    ['to another server', '10.88.0.3:80', '10.88.0.1:41000'],
    ['to another port of the server', '10.88.0.2:81', '10.88.0.1:41000'],
  ])('are not joined with a source %s', async (_what, serverLocal, serverRemote) => {
    const { harness } = await joined('10.88.0.2:80', serverLocal, serverRemote);
    expect(await harness.look()).toHaveLength(2);
  });

  it('are not joined with a translated source that two could have', async () => {
    const { harness, parts } = await joined('10.88.0.2:80', '10.88.0.2:80', '10.88.0.1:41000');
    parts.add(socketOf('172.17.0.9:41000', '10.88.0.2:80', {}, { namespace: INSIDE + 2 }));
    expect(await harness.look()).toHaveLength(3);
  });

  it('are not joined by a translation that two could have had', async () => {
    const { harness, parts } = await joined('192.0.2.7:8080', '172.17.0.3:80');
    parts.add(socketOf('172.17.0.2:41000', '203.0.113.9:443', {}, { namespace: INSIDE }));
    expect(await harness.look()).toHaveLength(3);
  });

  it('have the container of their network where no process is known, or its pod where that has several', async () => {
    const harness = await started();
    const { parts } = harness;
    const pod = { pod: 'web-1', podNamespace: 'default' };
    const [pause, one, two] = ['aaaaaaaaaaaa', 'bbbbbbbbbbbb', 'cccccccccccc'].map((id) =>
      containerOf(id, { ...pod, name: id }),
    );
    parts.namespaces.push({ id: INSIDE, pid: 20 });
    parts.table.set(20, processOf(20, { cgroup: 'pause' }));
    parts.byCgroup.set('pause', pause!);
    parts.sharing.set(pause!.id, [one!]);
    parts.add(socketOf('172.17.0.2:41000', '198.51.100.1:443', {}, { namespace: INSIDE }));
    const [line] = await harness.look();
    expect(line).toMatchObject({ SRC_PROC_CONTAINER_ID: 'bbbbbbbbbbbb', SRC_POD_NAME: 'web-1' });
    parts.sharing.set(pause!.id, [one!, two!]);
    parts.add(socketOf('172.17.0.2:41001', '198.51.100.1:443', {}, { namespace: INSIDE }));
    const [ofPod] = await harness.look();
    expect(ofPod).toMatchObject({ SRC_POD_NAME: 'web-1', SRC_POD_NAMESPACE: 'default' });
    expect(ofPod).not.toHaveProperty('SRC_PROC_CONTAINER_ID');
    expect(ofPod).not.toHaveProperty('SRC_CONTAINER_NAME');
    expect(lineProblems(harness.lastText, 'ntop')).toEqual([]);
  });

  it('are joined on loopback within a namespace only', async () => {
    const harness = await started();
    const { parts } = harness;
    parts.namespaces.push({ id: INSIDE, pid: 20 });
    for (const namespace of [OWN, INSIDE]) {
      parts.add(listenerOf('127.0.0.1:8000', { namespace }));
      parts.add(socketOf('127.0.0.1:41000', '127.0.0.1:8000', { octetsSent: 5 }, { namespace }));
      parts.add(socketOf('127.0.0.1:8000', '127.0.0.1:41000', { octetsSent: 6 }, { namespace }));
    }
    expect((await harness.look()).map(show)).toEqual([
      '127.0.0.1:41000 > 127.0.0.1:8000 5 0 6 0 end 2',
      '127.0.0.1:41000 > 127.0.0.1:8000 5 0 6 0 end 2',
    ]);
  });

  it('are one flow when only events and closes told of it', async () => {
    const harness = await started();
    const { parts } = harness;
    parts.isHearingCloses = true;
    parts.table.set(8, processOf(8));
    parts.table.set(9, processOf(9));
    const at = parts.nowMs + 1000;
    harness.agent.takeEvents([
      eventOf('CONNECT', '127.0.0.1:40000', '127.0.0.1:80', at, { pid: 8 }),
      eventOf('ACCEPT', '127.0.0.1:80', '127.0.0.1:40000', at + 0.2, { pid: 9 }),
      eventOf('CLOSE', '127.0.0.1:40000', '127.0.0.1:80', at + 1, { pid: 8, octetsSent: 11, octetsReceived: 22 }),
      eventOf('CLOSE', '127.0.0.1:80', '127.0.0.1:40000', at + 2, { octetsSent: 22, octetsReceived: 11 }),
    ]);
    const [line, ...others] = await harness.look();
    expect(others).toEqual([]);
    expect(show(line!)).toBe('127.0.0.1:40000 > 127.0.0.1:80 11 - 22 - end 3');
    expect(line).toMatchObject({
      SRC_PROC_PID: 8,
      DST_PROC_PID: 9,
      FLOW_START_MILLISECONDS: at,
      FLOW_END_MILLISECONDS: at + 2,
    });
  });
});

describe('events that come after the close they were before', () => {
  const closed = socketOf(
    '192.0.2.7:40001',
    '198.51.100.1:80',
    { octetsSent: 5, segmentsSent: 4, segmentsReceived: 4 },
    { state: 'CLOSE' },
  );

  it('tell the process and the start of the same flow', async () => {
    const harness = await started();
    const { parts } = harness;
    parts.isHearingCloses = true;
    parts.table.set(8, processOf(8));
    const at = parts.nowMs + 1000;
    harness.agent.takeClose(closed, at);
    harness.agent.takeEvents([
      eventOf('CONNECT', '192.0.2.7:40001', '198.51.100.1:80', at - 3, { pid: 8 }),
      eventOf('CLOSE', '192.0.2.7:40001', '198.51.100.1:80', at + 20, { pid: 8, octetsSent: 5 }),
    ]);
    const [line, ...others] = await harness.look();
    expect(others).toEqual([]);
    expect(show(line!)).toBe('192.0.2.7:40001 > 198.51.100.1:80 5 4 0 4 end 3');
    expect(line).toMatchObject({ SRC_PROC_PID: 8, FLOW_START_MILLISECONDS: at - 3, FLOW_END_MILLISECONDS: at });
    // Too late for that: it is no other flow either.
    harness.agent.takeEvents([eventOf('CONNECT', '192.0.2.7:40001', '198.51.100.1:80', at - 3, { pid: 8 })]);
    expect(await harness.look()).toEqual([]);
  });

  it('are of another flow when they are younger', async () => {
    const harness = await started();
    const { parts } = harness;
    parts.isHearingCloses = true;
    harness.agent.takeClose(closed, parts.nowMs + 1000);
    harness.agent.takeEvents([
      eventOf('CONNECT', '192.0.2.7:40001', '198.51.100.1:80', parts.nowMs + 2000),
      eventOf('CLOSE', '192.0.2.7:40001', '198.51.100.1:80', parts.nowMs + 2001, { octetsSent: 7 }),
    ]);
    expect((await harness.look()).map(show)).toEqual([
      '192.0.2.7:40001 > 198.51.100.1:80 5 4 0 4 end 3',
      '192.0.2.7:40001 > 198.51.100.1:80 7 - 0 - end 3',
    ]);
  });
});

describe('UDP', () => {
  it('is told by its sockets where they are connected, without counters', async () => {
    const harness = await started();
    const rest = { protocol: 17 } as const;
    const socket = harness.parts.add(socketOf('192.0.2.7:40000', '198.51.100.1:53', 'none', rest), 0);
    expect((await harness.look()).map(show)).toEqual(['192.0.2.7:40000 > 198.51.100.1:53 - - - - end 2']);
    harness.parts.remove(socket);
    await harness.look();
    expect((await harness.look()).map(show)).toEqual(['192.0.2.7:40000 > 198.51.100.1:53 - - - - end 3']);
  });

  it('is told by events, and ends when it is silent', async () => {
    const harness = await started();
    const { parts } = harness;
    const rest = { protocol: 17, pid: 5 } as const;
    parts.table.set(5, processOf(5));
    harness.agent.takeEvents([
      eventOf('RECV', '192.0.2.7:5353', '198.51.100.1:40000', parts.nowMs + 1, { ...rest, octetsReceived: 30 }),
      eventOf('SEND', '192.0.2.7:5353', '198.51.100.1:40000', parts.nowMs + 2, { ...rest, octetsSent: 200 }),
      eventOf('SEND', '192.0.2.7:40001', '198.51.100.1:53', parts.nowMs + 2, { ...rest, octetsSent: 20 }),
    ]);
    expect((await harness.look()).map(show)).toEqual([
      '198.51.100.1:40000 > 192.0.2.7:5353 30 - 200 - end 2',
      '192.0.2.7:40001 > 198.51.100.1:53 20 - 0 - end 2',
    ]);
    harness.agent.takeEvents([
      eventOf('RECV', '192.0.2.7:5353', '198.51.100.1:40000', parts.nowMs + 1, { ...rest, octetsReceived: 5 }),
    ]);
    expect((await harness.look()).map(show)).toEqual(['198.51.100.1:40000 > 192.0.2.7:5353 5 - 0 - end 2']);
    const ended = [];
    for (let i = 0; i < 6; i++) ended.push(...(await harness.look()));
    expect(ended.map(show)).toEqual([
      '192.0.2.7:40001 > 198.51.100.1:53 0 - 0 - end 1',
      '198.51.100.1:40000 > 192.0.2.7:5353 0 - 0 - end 1',
    ]);
  });
});

describe('UDP sockets without an address of their own', () => {
  const rest = { protocol: 17 } as const;

  it('are the other end on loopback and on the host itself', async () => {
    const harness = await started();
    const at = harness.parts.nowMs + 1;
    harness.agent.takeEvents([
      eventOf('SEND', '0.0.0.0:38832', '127.0.0.1:44280', at, { ...rest, octetsSent: 500 }),
      eventOf('RECV', '127.0.0.1:44280', '127.0.0.1:38832', at, { ...rest, octetsReceived: 500 }),
      eventOf('SEND', '0.0.0.0:38833', '192.0.2.7:53', at, { ...rest, octetsSent: 20 }),
      eventOf('RECV', '0.0.0.0:53', '192.0.2.7:38833', at, { ...rest, octetsReceived: 20 }),
    ]);
    expect((await harness.look()).map(show)).toEqual([
      '127.0.0.1:38832 > 127.0.0.1:44280 500 - 0 - end 2',
      '192.0.2.7:38833 > 192.0.2.7:53 20 - 0 - end 2',
    ]);
  });

  it('are the other end in another namespace, by the addresses of its other sockets or by the source alone', async () => {
    const harness = await started();
    const { parts } = harness;
    parts.namespaces.push({ id: INSIDE, pid: 20 });
    const inside = { ...rest, namespace: INSIDE } as const;
    const events = (port: number) => [
      eventOf('SEND', `192.0.2.7:${port}`, '172.17.0.3:53', parts.nowMs + 1, { ...rest, octetsSent: 30 }),
      eventOf('RECV', '0.0.0.0:53', `192.0.2.7:${port}`, parts.nowMs + 1, { ...inside, octetsReceived: 30 }),
    ];
    harness.agent.takeEvents(events(40_000));
    expect((await harness.look()).map(show)).toEqual(['192.0.2.7:40000 > 172.17.0.3:53 30 - 0 - end 2']);
    parts.add(socketOf('172.17.0.3:50000', '198.51.100.1:443', {}, { namespace: INSIDE }));
    await harness.look();
    harness.agent.takeEvents(events(40_001));
    const [line, ...others] = await harness.look();
    expect(others).toEqual([]);
    expect(show(line!)).toBe('192.0.2.7:40001 > 172.17.0.3:53 30 - 0 - end 2');
    expect(line).not.toHaveProperty('POST_NAT_DST_IPV4_ADDR');
  });
});

describe('what processes used', () => {
  it('is a difference since the flow began', async () => {
    const harness = await started();
    const { parts } = harness;
    parts.table.set(7, processOf(7));
    parts.cpu = 500;
    const client = parts.add(socketOf('192.0.2.7:40000', '198.51.100.1:443', { octetsSent: 1 }), 7);
    await harness.look();
    parts.cpu = 2600;
    parts.replace(client, { octetsSent: 2 });
    const [line] = await harness.look();
    expect(line).toMatchObject({
      SRC_PROC_AVERAGE_CPU_LOAD: 2100,
      SRC_PROC_ACTUAL_MEMORY: 4096,
      SRC_PROC_PEAK_MEMORY: 8192,
      SRC_PROC_NUM_PAGE_FAULTS: 3,
      SRC_PROC_PCTG_IOWAIT: 0,
    });
  });

  it('and arguments are told on request only', async () => {
    for (const withCommandLines of [false, true]) {
      const harness = new AgentHarness({ withCommandLines, records: new Set(['flows', 'events']) });
      harness.parts.table.set(7, processOf(7, { commandLine: 'curl -u me:secret', packageName: 'curl' }));
      harness.parts.add(socketOf('192.0.2.7:40000', '198.51.100.1:443'), 7);
      await harness.look();
      expect(harness.lastText.includes('secret')).toBe(withCommandLines);
      expect(harness.lastText).toContain('"SRC_PROC_PKG_NAME":"curl"');
    }
  });
});

describe('a socket whose process is not known', () => {
  const dns = containerOf('1c25409cc488', { name: 'dnsmasq', pod: 'dns', podNamespace: 'kube-system' });
  const sidecar = containerOf('2527bde41fa7', { name: 'sidecar', pod: 'dns', podNamespace: 'kube-system' });
  const pause = containerOf('00db68b5c5ef', { name: 'POD', pod: 'dns', podNamespace: 'kube-system' });

  /** A flow in a namespace whose first process is that of `keeper`. */
  async function inNamespaceOf(keeper: ContainerInfo, sharing: readonly ContainerInfo[]) {
    const harness = await started();
    const { parts } = harness;
    parts.namespaces.push({ id: INSIDE, pid: 20 });
    parts.table.set(20, processOf(20, { cgroup: 'a' }));
    parts.byCgroup.set('a', keeper);
    parts.sharing.set(keeper.id, sharing);
    parts.add(socketOf('10.244.0.2:41000', '10.1.0.1:53', {}, { namespace: INSIDE }));
    const [line] = await harness.look();
    expect(lineProblems(harness.lastText, 'ntop')).toEqual([]);
    return line!;
  }

  it('has the one container of its pod', async () => {
    const line = await inNamespaceOf(pause, [dns]);
    expect(line).toMatchObject({
      SRC_PROC_CONTAINER_ID: '1c25409cc488',
      SRC_CONTAINER_NAME: 'dnsmasq',
      SRC_POD_NAME: 'dns',
    });
  });

  it('has the pod alone where several are in it', async () => {
    const line = await inNamespaceOf(pause, [dns, sidecar]);
    expect(line).toMatchObject({ SRC_POD_NAME: 'dns', SRC_POD_NAMESPACE: 'kube-system' });
    expect(line).not.toHaveProperty('SRC_PROC_CONTAINER_ID');
    expect(line).not.toHaveProperty('SRC_CONTAINER_NAME');
  });

  it('has none of several that are in no pod', async () => {
    const web = containerOf('1edb6c16e3d2', { name: 'web' });
    const line = await inNamespaceOf(web, [web, containerOf('f427db2c87ac', { name: 'db' })]);
    expect(Object.keys(line).filter((key) => /CONTAINER|POD/.test(key))).toEqual([]);
  });

  it('has the container of its father while its own cgroup is new', async () => {
    const harness = await started();
    const { parts } = harness;
    parts.table.set(20, processOf(20, { fatherPid: 19 }));
    parts.table.set(19, processOf(19, { cgroup: 'a' }));
    parts.byCgroup.set('a', dns);
    const at = parts.nowMs + 1000;
    harness.agent.takeEvents([
      eventOf('CONNECT', '192.0.2.7:40000', '203.0.113.1:80', at, { pid: 20, cgroupId: 77 }),
      eventOf('CLOSE', '192.0.2.7:40000', '203.0.113.1:80', at + 1, { pid: 20, cgroupId: 77, octetsSent: 1 }),
    ]);
    const [line] = await harness.look();
    expect(line).toMatchObject({ SRC_PROC_PID: 20, SRC_PROC_CONTAINER_ID: '1c25409cc488' });
  });
});
