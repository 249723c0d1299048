import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ContainerInfo } from '../../src/agent/container-info.ts';
import { InterfaceSource, type InterfaceSourceOptions } from '../../src/agent/interfaces.ts';
import { readLinks, readNetDev } from '../../src/agent/link-list.ts';
import { Random } from '../support/random.ts';

/** In the form that `ip -j -s link` of iproute2 6.1.0 prints in a namespace with a container of Docker; errors and drops are made up. */
const LO =
  '{"ifindex":1,"ifname":"lo","flags":["LOOPBACK","UP","LOWER_UP"],"mtu":65536,"qdisc":"noqueue","operstate":"UNKNOWN","linkmode":"DEFAULT","group":"default","txqlen":1000,"link_type":"loopback","address":"00:00:00:00:00:00","broadcast":"00:00:00:00:00:00","stats64":{"rx":{"bytes":840,"packets":10,"errors":0,"dropped":0,"over_errors":0,"multicast":0},"tx":{"bytes":840,"packets":10,"errors":0,"dropped":0,"carrier_errors":0,"collisions":0}}}';
const VETH =
  '{"ifindex":7,"link_index":6,"ifname":"veth1137dff","flags":["BROADCAST","MULTICAST","UP","LOWER_UP"],"mtu":1500,"qdisc":"noqueue","master":"docker0","operstate":"UP","linkmode":"DEFAULT","group":"default","link_type":"ether","address":"5e:a8:8c:5b:b1:d6","broadcast":"ff:ff:ff:ff:ff:ff","link_netnsid":2,"stats64":{"rx":{"bytes":92968,"packets":1128,"errors":1,"dropped":2,"over_errors":0,"multicast":0},"tx":{"bytes":135802,"packets":1135,"errors":3,"dropped":4,"carrier_errors":0,"collisions":0}}}';
const DOCKER0 =
  '{"ifindex":3,"ifname":"docker0","flags":["NO-CARRIER","BROADCAST","MULTICAST","UP"],"mtu":1500,"qdisc":"noqueue","operstate":"DOWN","linkmode":"DEFAULT","group":"default","link_type":"ether","address":"02:42:5f:1d:3b:6a","broadcast":"ff:ff:ff:ff:ff:ff","stats64":{"rx":{"bytes":0,"packets":0,"errors":0,"dropped":0,"over_errors":0,"multicast":0},"tx":{"bytes":0,"packets":0,"errors":0,"dropped":0,"carrier_errors":0,"collisions":0}}}';
/** The same inside the container. */
const ETH0 =
  '{"ifindex":6,"link_index":7,"ifname":"eth0","flags":["BROADCAST","MULTICAST","UP","LOWER_UP"],"mtu":1500,"qdisc":"noqueue","operstate":"UP","linkmode":"DEFAULT","group":"default","link_type":"ether","address":"02:42:ac:11:00:02","broadcast":"ff:ff:ff:ff:ff:ff","link_netnsid":0}';
const LIST = `[${LO},${VETH},${DOCKER0}]`;

const WEB: ContainerInfo = {
  id: '1a'.repeat(32),
  shortId: '1a1a1a1a1a1a',
  engine: 'docker',
  name: 'web',
  pod: '',
  podNamespace: '',
};
const LIAR: ContainerInfo = { ...WEB, id: '2b'.repeat(32), shortId: '2b2b2b2b2b2b', name: 'liar' };

/** In the form that Linux 6.18 shows: /proc/net/dev, igmp and if_inet6; an interface with a colon in its name is added. */
const DEV = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:  140322    1266    0    0    0     0          0         0   140322    1266    0    0    0     0       0          0
  eth0: 1048576    2000    1    2    0     0          0         0  2097152    1500    3    4    0     0       0          0
eth0:1:       1       2    3    4    0     0          0         0        5       6    7    8    0     0       0          0
`;
const IGMP = `Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter
1\tlo        :     1      V3
\t\t\t\t010000E0     1 0:00000000\t\t0
4\teth0      :     1      V3
\t\t\t\t010000E0     1 0:00000000\t\t0
`;
const INET6 = `00000000000000000000000000000001 01 80 10 80       lo
fe800000000000005ca88cfffe5bb1d6 0b 40 20 80   eth0:1
`;

describe('readLinks', () => {
  it('takes names, peers, states and counters', () => {
    expect(readLinks(LIST)).toMatchObject([
      { name: 'lo', index: 1, isUp: true, peerIndex: 0, isPeerElsewhere: false },
      {
        name: 'veth1137dff',
        index: 7,
        isUp: true,
        address: '5e:a8:8c:5b:b1:d6',
        peerIndex: 6,
        isPeerElsewhere: true,
        octetsReceived: 92968,
        packetsReceived: 1128,
        errorsReceived: 1,
        dropsReceived: 2,
        octetsSent: 135802,
        packetsSent: 1135,
        errorsSent: 3,
        dropsSent: 4,
      },
      { name: 'docker0', isUp: false },
    ]);
    expect(readLinks(`[${ETH0}]`)).toMatchObject([
      { name: 'eth0', peerIndex: 7, isPeerElsewhere: true, octetsSent: 0 },
    ]);
  });

  it('takes a link upon another of its own namespace for no pair', () => {
    expect(readLinks('[{"ifindex":9,"ifname":"v","link_index":2}]')).toMatchObject([
      { peerIndex: 2, isPeerElsewhere: false },
    ]);
  });

  it('passes over what is no link, and refuses what is no list', () => {
    expect(readLinks('[null,1,{},{"ifindex":-1},{"ifindex":"1"},{"ifindex":2,"stats64":[],"flags":1}]')).toMatchObject([
      { index: 2, name: '' },
    ]);
    expect(readLinks('')).toEqual([]);
    for (const text of ['{', '{}', 'null', 'Usage: ip']) expect(readLinks(text)).toBeUndefined();
  });

  it('whatever is changed in it, is read or refused', () => {
    const random = new Random(17);
    for (let i = 0; i < 5_000; i++) {
      const octets = Buffer.from(LIST);
      for (let changes = 1 + random.below(3); changes > 0; changes--)
        octets[random.below(octets.length)] = random.below(128);
      for (const link of readLinks(octets.toString()) ?? []) {
        expect(link.index).toBeGreaterThan(0);
        expect(link.octetsReceived).toBeGreaterThanOrEqual(0);
      }
    }
  });
});

describe('readNetDev', () => {
  it('takes counters, and indices from where they are', () => {
    expect(readNetDev(DEV, IGMP, INET6)).toEqual([
      expect.objectContaining({ name: 'lo', index: 1, octetsReceived: 140322, packetsSent: 1266 }),
      {
        name: 'eth0',
        index: 4,
        octetsReceived: 1048576,
        packetsReceived: 2000,
        errorsReceived: 1,
        dropsReceived: 2,
        octetsSent: 2097152,
        packetsSent: 1500,
        errorsSent: 3,
        dropsSent: 4,
      },
      expect.objectContaining({ name: 'eth0:1', index: 11, octetsReceived: 1, octetsSent: 5 }),
    ]);
    expect(readNetDev(DEV, '', '')[1]).toMatchObject({ name: 'eth0', index: 0 });
  });

  it('passes over lines cut short', () => {
    expect(readNetDev(DEV.slice(0, DEV.indexOf('2097152')), '', '').map(({ name }) => name)).toEqual(['lo']);
    expect(readNetDev('', '', '')).toEqual([]);
  });
});

describe('InterfaceSource', () => {
  let root: string;

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'fr-i-'));
    namespace('self', 'net:[1]');
    program('ip', `echo '${LIST}'`);
    program('lsns', `echo '{"namespaces":[]}'`);
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  /** A program that does what this script says. */
  function program(name: string, script: string): void {
    writeFileSync(join(root, name), `#!/bin/sh\n${script}\n`);
    chmodSync(join(root, name), 0o755);
  }

  function namespace(pid: number | string, name: string): void {
    mkdirSync(join(root, `proc/${pid}/ns`), { recursive: true });
    rmSync(join(root, `proc/${pid}/ns/net`), { force: true });
    symlinkSync(name, join(root, `proc/${pid}/ns/net`));
  }

  function source(options: InterfaceSourceOptions = {}): InterfaceSource {
    const programs = { ip: join(root, 'ip'), nsenter: join(root, 'nsenter'), lsns: join(root, 'lsns') };
    return new InterfaceSource({
      ...programs,
      procRoot: join(root, 'proc'),
      sysRoot: join(root, 'sys'),
      timeoutMs: 500,
      ...options,
    });
  }

  it('gives each veth its container, and looks into a namespace once', async () => {
    namespace(42, 'net:[2]');
    namespace(43, 'net:[2]');
    program('nsenter', `echo "$@" >> ${root}/runs; echo '[${ETH0}]'`);
    const interfaces = source();
    const processes = [
      { pid: 42, container: WEB },
      { pid: 43, container: WEB },
    ];
    const entries = await interfaces.counters(processes);
    expect(entries).toMatchObject([
      { name: 'lo', index: 1, isUp: true, speed: 0, containers: [] },
      { name: 'veth1137dff', index: 7, octetsReceived: 92968, dropsSent: 4, containers: [WEB] },
      { name: 'docker0', index: 3, isUp: false, containers: [] },
    ]);
    await interfaces.counters(processes);
    expect(interfaces.figures).toEqual({ toolsRun: 4, toolsFailed: 0, fallbacks: 0, peersAmbiguous: 0 });
    // Another link: everything may be different.
    program('ip', `echo '${LIST.replace('"ifindex":3', '"ifindex":9')}'`);
    await interfaces.counters(processes);
    expect(interfaces.figures.toolsRun).toBe(7);
  });

  it('asks ip again where names change, a counter went back, or time is over', async () => {
    mkdirSync(join(root, 'proc/net'));
    const say = (...rows: string[]) => writeFileSync(join(root, 'proc/net/dev'), `${rows.join('\n')}\n`);
    const row = (name: string, octets: number, packets: number) =>
      `${name}: ${octets} ${packets} 1 2 0 0 0 0 ${octets + 1} ${packets + 1} 3 4 0 0 0 0`;
    const interfaces = source();
    say(row('lo', 10, 1), row('docker0', 20, 2));
    const first = { octetsReceived: 10, packetsReceived: 1, octetsSent: 11, packetsSent: 2 };
    const rest = { errorsReceived: 1, dropsReceived: 2, errorsSent: 3, dropsSent: 4 };
    expect((await interfaces.counters())[0]).toMatchObject({ name: 'lo', index: 1, ...first, ...rest });
    say(row('lo', 100, 5), row('docker0', 20, 2));
    expect((await interfaces.counters())[0]).toMatchObject({ name: 'lo', index: 1, octetsReceived: 100 });
    expect(interfaces.figures.toolsRun).toBe(1);
    say(row('lo', 100, 5), row('docker0', 7, 1));
    await interfaces.counters();
    expect(interfaces.figures.toolsRun).toBe(2);
    say(row('lo', 100, 5), row('docker1', 20, 2));
    await interfaces.counters();
    expect(interfaces.figures.toolsRun).toBe(3);

    const hasty = source({ listEveryMs: 0 });
    await hasty.counters();
    await hasty.counters();
    expect(hasty.figures.toolsRun).toBe(2);
  });

  it('gives the containers that share a network, all of them', async () => {
    namespace(42, 'net:[2]');
    program('nsenter', `echo '[${ETH0}]'`);
    const pause = { ...WEB, name: 'POD' };
    const sharing = () => [WEB, LIAR];
    const entries = await source({ sharing }).counters([{ pid: 42, container: pause }]);
    expect(entries[1]?.containers).toEqual([WEB, LIAR]);
  });

  it('does not look into its own namespace, nor where no process is', async () => {
    namespace(42, 'net:[1]');
    const interfaces = source();
    const entries = await interfaces.counters([
      { pid: 42, container: WEB },
      { pid: 99, container: LIAR },
    ]);
    expect(entries.every(({ containers }) => containers.length === 0)).toBe(true);
    expect(interfaces.figures).toMatchObject({ toolsRun: 1, toolsFailed: 0 });
  });

  it('believes neither of two namespaces that claim an interface', async () => {
    namespace(42, 'net:[2]');
    namespace(43, 'net:[3]');
    program('nsenter', `echo '[${ETH0}]'`);
    const interfaces = source();
    const entries = await interfaces.counters([
      { pid: 42, container: WEB },
      { pid: 43, container: LIAR },
    ]);
    expect(entries[1]?.containers).toEqual([]);
    expect(interfaces.figures.peersAmbiguous).toBe(1);
  });

  it('believes the one of them that the kernel means', async () => {
    namespace(42, 'net:[2]');
    namespace(43, 'net:[3]');
    program('nsenter', `echo '[${ETH0}]'`);
    // As lsns of util-linux 2.38.1 prints it, and as numbers.
    for (const numbers of [
      '{"ns":2,"netnsid":"unassigned"},{"ns":3,"netnsid":"2"}',
      '{"ns":2,"netnsid":7},{"ns":3,"netnsid":2}',
    ]) {
      program('lsns', `echo '{"namespaces":[${numbers}]}'`);
      const interfaces = source();
      const processes = [
        { pid: 42, container: LIAR },
        { pid: 43, container: WEB },
      ];
      expect((await interfaces.counters(processes))[1]?.containers).toEqual([WEB]);
      expect(interfaces.figures.peersAmbiguous).toBe(0);
    }
  });

  it('does not believe one that the kernel does not mean, and asks again where it could not tell', async () => {
    namespace(42, 'net:[2]');
    program('nsenter', `echo '[${ETH0}]'`);
    const containers = async (interfaces: InterfaceSource) =>
      (await interfaces.counters([{ pid: 42, container: LIAR }]))[1]?.containers;
    program('lsns', `echo '{"namespaces":[{"ns":2,"netnsid":"5"}]}'`);
    expect(await containers(source())).toEqual([]);
    program('lsns', `echo '{"namespaces":[{"ns":2,"netnsid":"unassigned"},{"ns":9,"netnsid":"5"}]}'`);
    const interfaces = source();
    expect(await containers(interfaces)).toEqual([LIAR]);
    program('lsns', `echo '{"namespaces":[{"ns":2,"netnsid":"5"}]}'`);
    expect(await containers(interfaces)).toEqual([]);
  });

  it.each(['exit 1', 'echo nonsense', "echo '{}'", `echo '{"namespaces":[7,{"ns":[]},{"ns":"x","netnsid":{}}]}'`])(
    'does without numbers of namespaces: %s',
    async (script) => {
      namespace(42, 'net:[2]');
      program('nsenter', `echo '[${ETH0}]'`);
      program('lsns', script);
      expect((await source().counters([{ pid: 42, container: WEB }]))[1]?.containers).toEqual([WEB]);
    },
  );

  it('believes no end that the other does not name', async () => {
    namespace(42, 'net:[2]');
    program('nsenter', `echo '[${ETH0.replace('"ifindex":6', '"ifindex":8')}]'`);
    expect((await source().counters([{ pid: 42, container: WEB }]))[1]?.containers).toEqual([]);
  });

  it('drops what a process showed that went away meanwhile', async () => {
    namespace(42, 'net:[2]');
    program('nsenter', `ln -sfn 'net:[7]' ${root}/proc/42/ns/net; echo '[${ETH0}]'`);
    expect((await source().counters([{ pid: 42, container: WEB }]))[1]?.containers).toEqual([]);
  });

  it.each([
    ['fails', 'exit 1'],
    ['prints no list', 'echo Usage'],
    ['hangs', 'exec sleep 30'],
    ['prints without end', 'exec cat /dev/zero'],
  ])('does without an nsenter that %s', async (_, script) => {
    namespace(42, 'net:[2]');
    program('nsenter', script);
    const interfaces = source();
    const processes = [{ pid: 42, container: WEB }];
    expect(await interfaces.counters(processes)).toMatchObject([
      { name: 'lo' },
      { name: 'veth1137dff', containers: [] },
      {},
    ]);
    await interfaces.counters(processes);
    // What failed is not tried again and again.
    expect(interfaces.figures).toMatchObject({ toolsRun: 4, toolsFailed: 1 });
  });

  it.each([
    ['is missing', undefined],
    ['fails', 'exit 255'],
    ['is of another kind', 'echo "ip: unknown option -j"'],
    ['hangs', 'exec sleep 30'],
  ])('reads /proc where ip %s', async (_, script) => {
    if (script === undefined) rmSync(join(root, 'ip'));
    else program('ip', script);
    mkdirSync(join(root, 'proc/net'));
    for (const [name, text] of [
      ['dev', DEV],
      ['igmp', IGMP],
      ['if_inet6', INET6],
    ] as const)
      writeFileSync(join(root, 'proc/net', name), text);
    const interfaces = source();
    expect(await interfaces.counters([{ pid: 42, container: WEB }])).toMatchObject([
      { name: 'lo', index: 1, containers: [] },
      { name: 'eth0', index: 4, octetsSent: 2097152, speed: 0 },
      { name: 'eth0:1' },
    ]);
    expect(interfaces.figures).toMatchObject({ toolsRun: 1, toolsFailed: 1, fallbacks: 1 });
  });

  it('gives nothing where there is nothing', async () => {
    rmSync(join(root, 'ip'));
    expect(await source().counters()).toEqual([]);
  });

  it('takes the speed from /sys where that shows the same interface', async () => {
    const write = (name: string, ifindex: string, address: string, speed: string) => {
      mkdirSync(join(root, 'sys/class/net', name), { recursive: true });
      for (const [file, text] of Object.entries({ ifindex, address, speed }))
        writeFileSync(join(root, 'sys/class/net', name, file), `${text}\n`);
    };
    write('veth1137dff', '7', '5e:a8:8c:5b:b1:d6', '10000');
    write('docker0', '3', '02:42:00:00:00:00', '10000');
    write('lo', '1', '00:00:00:00:00:00', '-1');
    expect((await source().counters()).map(({ speed }) => speed)).toEqual([0, 10_000_000_000, 0]);
  });
});
