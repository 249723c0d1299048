import { describe, expect, it } from 'vitest';
import { containerRecord } from '../../src/agent/container-record.ts';
import { AgentHarness, type AgentLine } from '../support/agent-harness.ts';
import { containerOf, eventOf, listenerOf, processOf, socketOf } from '../support/agent-parts.ts';
import { lineProblems } from '../support/json-line.ts';
import { ListeningHarness } from '../support/listening-harness.ts';
import { header0 } from '../support/ntopng-message.ts';

/** What tells by which way a line came: here by no feed. */
const WAY = ['EXPORTER_TRANSPORT_PORT', 'EXPORT_PROTOCOL', 'EXPORT_PROTOCOL_VERSION', 'EXPORT_TIME_MILLISECONDS'];

function withoutWay(line: AgentLine): AgentLine {
  return Object.fromEntries(Object.entries(line).filter(([key]) => !WAY.includes(key)));
}

/** The line that `listen` makes of a record as an agent prints it. */
function listened(printed: object): AgentLine {
  const [line] = new ListeningHarness().lines(header0(), JSON.stringify(printed));
  return withoutWay(line!);
}

const PROCESS = processOf(22_581, {
  fatherPid: 8562,
  path: '/usr/bin/ssh',
  userName: 'deri',
  groupName: 'deri',
  virtualKib: 53_704,
  virtualPeakKib: 53_876,
  packageName: 'openssh-client',
  cgroup: 'c',
});
const FATHER = processOf(8562, {
  path: '/bin/tcsh',
  userName: 'deri',
  groupName: 'deri',
  virtualKib: 21_468,
  virtualPeakKib: 21_468,
});

const PRINTED_PROCESSES = {
  LOCAL_PROCESS: {
    PID: 22_581,
    UID: 1000,
    UID_NAME: 'deri',
    GID: 1000,
    GID_NAME: 'deri',
    VM_SIZE: 53_704,
    VM_PEAK: 53_876,
    PROCESS_PATH: '/usr/bin/ssh',
    PKG_NAME: 'openssh-client',
  },
  LOCAL_FATHER_PROCESS: {
    PID: 8562,
    UID: 1000,
    UID_NAME: 'deri',
    GID: 1000,
    GID_NAME: 'deri',
    VM_SIZE: 21_468,
    VM_PEAK: 21_468,
    PROCESS_PATH: '/bin/tcsh',
  },
};

function harnessOf(dialect: 'default' | 'ntopng' = 'default'): AgentHarness {
  const harness = new AgentHarness({ records: new Set(['events']), dialect });
  harness.parts.nowMs = 1_556_532_163_971;
  harness.parts.table.set(22_581, PROCESS);
  harness.parts.table.set(8562, FATHER);
  harness.parts.byCgroup.set('c', containerOf('cf5485c07181', { name: 'docker_monitor' }));
  return harness;
}

describe("lines in the words of ntop's agents", () => {
  it("are for a look at a socket what listen makes of an agent's print", async () => {
    const harness = harnessOf();
    harness.parts.add(
      socketOf('[2a00:d40:1:3::8]:41234', '[2a00:d40:1:1::2]:22', {
        segmentsReceived: 3786,
        segmentsSent: 5426,
        octetsReceived: 378_173,
        octetsAcknowledged: 99,
        roundTripUs: 4144,
        roundTripVarianceUs: 5322,
        sendRate: 55_125_152,
        deliveryRate: 6_720_000,
        lostSegments: -1,
      }),
      22_581,
    );
    const [line, ...others] = await harness.look(5);
    expect(others).toEqual([]);
    expect(line).toMatchObject({ EXPORT_PROTOCOL: 'agent', EXPORT_TIME_MILLISECONDS: 1_556_532_168_971 });
    expect(withoutWay(line!)).toEqual(
      listened({
        timestamp: '1556532168.971000',
        PROTOCOL: 6,
        IP_PROTOCOL_VERSION: 6,
        USER_NAME: 'deri',
        IPV6_LOCAL_ADDR: '2a00:d40:1:3::8',
        IPV6_REMOTE_ADDR: '2a00:d40:1:1::2',
        L4_LOCAL_PORT: 41_234,
        L4_REMOTE_PORT: 22,
        TCP: {
          CONN_STATE: 'ESTABLISHED',
          RETRAN_PKTS: 0,
          UNACK_SEGMENTS: 0,
          SEGS_IN: 3786,
          SEGS_OUT: 5426,
          BYTES_RCVD: 378_173,
          BYTES_ACKED: 99,
          RTT: 4.144,
          RTT_VARIANCE: 5.322,
          CURRENT_RATE: 55_125_152,
          DELIVERY_RATE: 6_720_000,
        },
        ...PRINTED_PROCESSES,
        LOCAL_CONTAINER: { DOCKER: { ID: 'cf5485c07181', NAME: 'docker_monitor' } },
        EXPORTER_IPV4_ADDRESS: '192.0.2.7',
      }),
    );
    expect(lineProblems(harness.lastText, 'ntop')).toEqual([]);
  });

  it('are for an event what listen makes of a print', () => {
    const harness = harnessOf();
    const event = { protocol: 17, pid: 22_581, octetsSent: 40 } as const;
    harness.agent.takeEvents([eventOf('SEND', '192.0.2.8:57756', '192.0.2.6:53', 1_556_532_359_110.896, event)]);
    const [line] = harness.lines();
    expect(withoutWay(line!)).toEqual(
      listened({
        timestamp: '1556532359.110896',
        EVENT_TYPE: 'SEND',
        IP_PROTOCOL_VERSION: 4,
        PROTOCOL: 17,
        L4_LOCAL_PORT: 57_756,
        L4_REMOTE_PORT: 53,
        IPV4_LOCAL_ADDR: '192.0.2.8',
        IPV4_REMOTE_ADDR: '192.0.2.6',
        USER_NAME: 'deri',
        ...PRINTED_PROCESSES,
        LOCAL_CONTAINER: { DOCKER: { ID: 'cf5485c07181', NAME: 'docker_monitor' } },
        EXPORTER_IPV4_ADDRESS: '192.0.2.7',
      }),
    );
    expect(lineProblems(harness.lastText, 'ntop')).toEqual([]);
  });

  it('tell of sockets that listen and of users whose process is not known', async () => {
    const harness = harnessOf();
    harness.parts.add(listenerOf('127.0.0.1:8088', { userId: 135 }));
    const [line] = await harness.look();
    expect(withoutWay(line!)).toEqual({
      ...listened({
        timestamp: '1556532168.971000',
        PROTOCOL: 6,
        IP_PROTOCOL_VERSION: 4,
        USER_NAME: '135',
        IPV4_LOCAL_ADDR: '127.0.0.1',
        IPV4_REMOTE_ADDR: '0.0.0.0',
        L4_LOCAL_PORT: 8088,
        L4_REMOTE_PORT: 0,
        TCP: { CONN_STATE: 'LISTEN' },
        EXPORTER_IPV4_ADDRESS: '192.0.2.7',
      }),
      SRC_PROC_UID: 135,
    });
  });

  it('are none for sockets that wait out their time', async () => {
    const harness = harnessOf();
    harness.parts.add(socketOf('192.0.2.1:41234', '192.0.2.2:22', 'none', { state: 'TIME-WAIT', inode: 0 }));
    expect((await harness.look()).filter((line) => line['RECORD_TYPE'] === 'event')).toEqual([]);
  });

  it('are one for a close that is told by an event and by its last figures, whichever comes first', () => {
    const at = 1_556_532_359_110.5;
    const told = (harness: AgentHarness): void =>
      harness.agent.takeEvents([eventOf('CLOSE', '192.0.2.8:50000', '192.0.2.6:443', at, { pid: 22_581 })]);
    const closed = socketOf('192.0.2.8:50000', '192.0.2.6:443', { octetsReceived: 77 }, { state: 'CLOSE' });
    for (const isEventFirst of [true, false]) {
      const harness = harnessOf();
      harness.parts.closes = { follow: () => {} };
      if (isEventFirst) told(harness);
      harness.agent.takeClose(closed, at + 3);
      if (!isEventFirst) told(harness);
      const lines = harness.lines();
      expect(lines).toHaveLength(1);
      expect(lines[0]).toMatchObject({ EVENT_TYPE: 'CLOSE', TCP: { CONN_STATE: 'CLOSE', BYTES_RCVD: 77 } });
      if (isEventFirst) expect(lines[0]).toMatchObject({ timestamp: '1556532359.110500', SRC_PROC_PID: 22_581 });
    }
  });

  it('do not tell a close again whose figures come too late', async () => {
    const harness = harnessOf();
    harness.parts.closes = { follow: () => {} };
    harness.agent.takeEvents([eventOf('CLOSE', '192.0.2.8:50000', '192.0.2.6:443', 1_556_532_359_110)]);
    await harness.agent.finish();
    harness.agent.takeClose(socketOf('192.0.2.8:50000', '192.0.2.6:443', {}, { state: 'CLOSE' }), 1_556_532_359_111);
    expect(harness.lines()).toHaveLength(1);
  });

  it('tell a close without figures where none come', async () => {
    const harness = harnessOf();
    harness.parts.closes = { follow: () => {} };
    harness.agent.takeEvents([
      eventOf('CLOSE', '192.0.2.8:50000', '192.0.2.6:443', 1_556_532_359_110, { pid: 22_581 }),
    ]);
    expect(harness.lines()).toEqual([]);
    await harness.agent.finish();
    const lines = harness.lines();
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatchObject({ EVENT_TYPE: 'CLOSE', SRC_PROC_PID: 22_581 });
    expect(lines[0]).not.toHaveProperty('TCP');
  });

  it('have in the dialect of ntopng what it looks for', () => {
    const pod = containerOf('89b0acbdba4b', { name: 'heapster', pod: 'heapster-1', podNamespace: 'kube-system' });
    expect(containerRecord(pod, 'default')).toEqual({
      KUBE: { ID: '89b0acbdba4b', NAME: 'heapster', POD: 'heapster-1', NS: 'kube-system' },
    });
    expect(containerRecord(pod, 'ntopng')).toEqual({
      ID: '89b0acbdba4b',
      K8S: { NAME: 'heapster', POD: 'heapster-1', NS: 'kube-system' },
    });
    const harness = harnessOf('ntopng');
    const at = 1_556_532_359_110;
    harness.agent.takeEvents([
      eventOf('CONNECT', '192.0.2.8:50000', '192.0.2.6:443', at, { pid: 22_581 }),
      eventOf('RECV', '192.0.2.8:50000', '192.0.2.6:443', at, { protocol: 17 }),
    ]);
    const [connect, receive] = harness.lines();
    expect(connect).toMatchObject({
      TCP_EVENT_TYPE: 'CONNECT',
      LOCAL_CONTAINER: { ID: 'cf5485c07181', DOCKER: { NAME: 'docker_monitor' } },
    });
    expect(receive).toMatchObject({ UDP_EVENT_TYPE: 'RECV' });
    expect(connect).not.toHaveProperty('EVENT_TYPE');
  });

  it('keep what outsiders name as data, and bounded', async () => {
    const harness = harnessOf();
    const evil = '"},"RECORD_TYPE":"flow"\n{\\\u0000\u{1f600}';
    harness.parts.table.set(
      5,
      processOf(5, { path: evil + 'x'.repeat(9000), userName: evil, cgroup: 'e', fatherPid: 5 }),
    );
    harness.parts.byCgroup.set('e', containerOf('0123456789ab', { name: evil, pod: evil, podNamespace: evil }));
    harness.parts.add(socketOf('192.0.2.7:40000', '198.51.100.1:443'), 5);
    const lines = await harness.look();
    expect(lines).toHaveLength(1);
    const [line] = lines;
    expect(line).toMatchObject({ RECORD_TYPE: 'event', USER_NAME: evil, LOCAL_CONTAINER: { KUBE: { NAME: evil } } });
    expect(line!['SRC_PROC_NAME']).toHaveLength(4096);
    expect(line!['LOCAL_PROCESS'].PROCESS_PATH).toBe(line!['SRC_PROC_NAME']);
    expect(lineProblems(harness.lastText, 'ntop')).toEqual([]);
  });
});

describe('counters of interfaces', () => {
  it('are what listen makes of a print, with errors and drops both ways', async () => {
    const harness = new AgentHarness({ records: new Set(['counters']) });
    harness.parts.nowMs = 1_555_983_406_568;
    const pod = containerOf('0f0f0f0f0f0f', {
      name: 'dnsmasq',
      pod: 'kube-dns-6bfbdd666c-2wflq',
      podNamespace: 'kube-system',
    });
    harness.parts.interfaces_ = [
      {
        name: 'veth70b1674b',
        index: 12,
        isUp: true,
        speed: 10_000_000_000,
        octetsReceived: 17_973_342,
        packetsReceived: 75_520,
        errorsReceived: 1,
        dropsReceived: 2,
        octetsSent: 17_525_175,
        packetsSent: 77_059,
        errorsSent: 3,
        dropsSent: 4,
        containers: [pod],
      },
    ];
    const [line, ...others] = await harness.look();
    expect(others).toEqual([]);
    expect(withoutWay(line!)).toEqual(
      listened({
        timestamp: '1555983411.568000',
        ifName: 'veth70b1674b',
        ifIndex: 12,
        LOCAL_CONTAINER: {
          KUBE: { ID: '0f0f0f0f0f0f', NAME: 'dnsmasq', POD: 'kube-dns-6bfbdd666c-2wflq', NS: 'kube-system' },
        },
        ifInOctets: 17_973_342,
        ifInPackets: 75_520,
        ifInErrors: 1,
        ifInDrops: 2,
        ifOutOctets: 17_525_175,
        ifOutPackets: 77_059,
        ifOutErrors: 3,
        ifOutDrops: 4,
        ifOperStatus: 'Up',
        ifSpeed: 10_000_000_000,
        EXPORTER_IPV4_ADDRESS: '192.0.2.7',
      }),
    );
    expect(lineProblems(harness.lastText, 'ntop')).toEqual([]);
  });
});

describe('ports that listen', () => {
  it('are told by process, each once', async () => {
    const harness = new AgentHarness();
    harness.parts.table.set(22, processOf(22, { name: 'sshd', packageName: 'openssh-server' }));
    harness.parts.table.set(53, processOf(53, { name: 'dnsmasq' }));
    harness.parts.add(listenerOf('0.0.0.0:22'), 22);
    harness.parts.add(listenerOf('127.0.0.1:22'), 22);
    harness.parts.add(listenerOf('[::]:22'), 22);
    harness.parts.add(listenerOf('0.0.0.0:9'));
    harness.parts.add(listenerOf('0.0.0.0:80', { namespace: 5 }), 22);
    harness.parts.add(listenerOf('0.0.0.0:53', { protocol: 17, state: 'CLOSE' }), 53);
    await harness.look();
    expect(harness.ports).toEqual([
      {
        'instance-name': 'here',
        'ip-addresses': ['192.0.2.7'],
        'listening-ports': {
          tcp4: [{ port: 22, proc: 'sshd', pkg: 'openssh-server' }],
          tcp6: [{ port: 22, proc: 'sshd', pkg: 'openssh-server' }],
          udp4: [{ port: 53, proc: 'dnsmasq' }],
          udp6: [],
        },
      },
    ]);
  });
});
