import { readFileSync, readlinkSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ContainerDirectory } from '../../src/agent/container-directory.ts';
import { InterfaceSource } from '../../src/agent/interfaces.ts';
import { ContainerLab, containerObstacle, type LabContainer } from '../support/container-lab.ts';

const NAMES = ['web1', 'client1', 'ubuntu_test', 'heapster', 'dnsmasq', 'sidecar'];

/** The machine may withhold CAP_SYS_RESOURCE. */
const LIMITS = ['--ulimit', 'nofile=1024:1024', '--ulimit', 'nproc=1000:1000', '--network', 'none'];

let lab: ContainerLab;

function cgroupOf(pid: number): string {
  return readFileSync(`/proc/${pid}/cgroup`, 'utf8');
}

/** Where there are both versions, the second is below `unified`. */
function unifiedDirectory(pid: number): string {
  const path = /^0::(.*)$/m.exec(cgroupOf(pid))?.[1] ?? '/';
  const root = readFileSync('/proc/mounts', 'utf8').includes(' /sys/fs/cgroup/unified ') ? '/unified' : '';
  return `/sys/fs/cgroup${root}${path}`;
}

/** What the lab knows of a container, in the shape that the directory gives. */
function expected({ engine, id, name, pod, podNamespace }: LabContainer) {
  return { id, shortId: id.slice(0, 12), engine, name, pod, podNamespace };
}

async function until<T>(get: () => T, isSo: (value: T) => boolean): Promise<T> {
  for (let i = 0; i < 600 && !isSo(get()); i++) await sleep(50);
  return get();
}

function sockets() {
  return {
    dockerSockets: [lab.dockerSocket, lab.podmanSocket],
    containerdSockets: [lab.containerdSocket],
    crioSockets: [],
  };
}

describe.skipIf(containerObstacle() !== undefined)('real containers', () => {
  beforeAll(async () => {
    lab = await ContainerLab.open();
  });
  afterAll(() => lab?.close());

  it('are named by their engines', async () => {
    const directory = await ContainerDirectory.open(sockets());
    expect(directory.missing).toEqual([]);
    for (const name of NAMES) {
      const container = lab.container(name);
      expect(directory.ofCgroup(cgroupOf(container.pid)), name).toEqual(expected(container));
    }
    expect(directory.ofCgroup(cgroupOf(process.pid))).toBeUndefined();
    expect(directory.counters).toMatchObject({ enginesFailed: 0, eventsInvalid: 0 });
    directory.close();
  });

  it('are known by the inodes of their cgroups', async () => {
    const directory = await ContainerDirectory.open(sockets());
    for (const name of NAMES) {
      const container = lab.container(name);
      const cgroupId = statSync(unifiedDirectory(container.pid)).ino;
      // The pod's names are Docker's labels: the cgroup bears them out at the same look.
      expect(directory.ofCgroupId(cgroupId), name).toEqual(expected(container));
    }
    expect(directory.ofCgroupId(0)).toBeUndefined();
    directory.close();
  });

  it('share the network of their pod, without the one that keeps it', async () => {
    const directory = await ContainerDirectory.open(sockets());
    for (const name of NAMES) directory.ofCgroup(cgroupOf(lab.container(name).pid));
    const sharing = (name: string) => directory.sharing(directory.ofCgroup(cgroupOf(lab.container(name).pid))!);
    const dns = [expected(lab.container('dnsmasq')), expected(lab.container('sidecar'))];
    expect(sharing('dnsmasq').toSorted((one, other) => one.name.localeCompare(other.name))).toEqual(dns);
    expect(sharing('heapster')).toEqual([expected(lab.container('heapster'))]);
    expect(sharing('web1')).toEqual([expected(lab.container('web1'))]);
    expect(directory.counters.podsUnproven).toBe(0);
    directory.close();
  });

  it("of Podman's images have their names in files, too", async () => {
    await lab.podman('import', join(lab.directory, 'root.tar'), 'bb:1');
    const id = await lab.podman('run', '-d', '--name', 'from-image', ...LIMITS, 'bb:1', '/bin/sleep', '1000');
    const pid = Number(await lab.podman('inspect', '-f', '{{.State.Pid}}', id));
    const directory = await ContainerDirectory.open({
      dockerSockets: [],
      containerdSockets: [],
      crioSockets: [],
      askGapMs: 10,
      files: { dockerRoot: '/nowhere', containerdRoots: [], storageRoots: [lab.storageRoot], logRoot: '/nowhere' },
    });
    const get = () => directory.ofCgroup(cgroupOf(pid));
    expect(await until(get, (info) => info?.name !== '')).toMatchObject({ id, engine: 'podman', name: 'from-image' });
    await lab.podman('rm', '-f', '-t', '0', id);
    directory.close();
  });

  it('have their names in files where no engine answers', async () => {
    const directory = await ContainerDirectory.open({
      dockerSockets: [],
      containerdSockets: [],
      crioSockets: [],
      askGapMs: 10,
      files: {
        dockerRoot: lab.dockerRoot,
        containerdRoots: [lab.containerdState],
        storageRoots: [],
        logRoot: '/nowhere',
      },
    });
    for (const name of ['ubuntu_test', 'heapster', 'dnsmasq', 'sidecar']) {
      const container = lab.container(name);
      const get = () => directory.ofCgroup(cgroupOf(container.pid));
      expect(get()).toMatchObject({ id: container.id, name: '' });
      expect(await until(get, (info) => info?.name !== '')).toEqual(expected(container));
    }
    directory.close();
  });

  it.each([
    ['docker', (...args: string[]) => lab.docker(...args), []],
    ['podman', (...args: string[]) => lab.podman(...args), LIMITS],
  ] as const)('of %s are followed as they come, are renamed and go', async (engine, run, limits) => {
    if (engine === 'podman') await run('import', join(lab.directory, 'root.tar'), 'bb:1');
    const directory = await ContainerDirectory.open({ ...sockets(), keepMs: 0, askGapMs: 10 });
    const id = await run('run', '-d', '--name', 'comes', ...limits, 'bb:1', '/bin/sleep', '1000');
    const pid = Number(await run('inspect', '-f', '{{.State.Pid}}', id));
    const cgroup = cgroupOf(pid);
    const get = () => directory.ofCgroup(cgroup);
    expect(await until(get, (info) => info?.name === 'comes')).toMatchObject({ id, engine, name: 'comes' });
    await run('rename', 'comes', 'renamed');
    expect((await until(get, (info) => info?.name === 'renamed'))?.name).toBe('renamed');
    // The first process of a container does not hear SIGTERM: removal would wait for it.
    await run('kill', '--signal', 'KILL', id);
    await run('rm', '-f', id);
    expect((await until(get, (info) => info?.name === ''))?.name).toBe('');
    expect(directory.counters.eventsTaken).toBeGreaterThanOrEqual(3);
    expect(directory.counters).toMatchObject({ enginesFailed: 0, eventsInvalid: 0 });
    directory.close();
  });

  it('cannot pass for a pod by labels of their image', async () => {
    const directory = await ContainerDirectory.open(sockets());
    const { pod, podNamespace } = lab.container('heapster');
    const labels = ['container.name=heapster', `pod.name=${pod}`, `pod.namespace=${podNamespace}`];
    const claims = [...labels, 'pod.uid=0c2b1c7a-9a5e-4f0e-8a55-6f1f0f6d2a11'];
    const args = claims.flatMap((label) => ['--label', `io.kubernetes.${label}`]);
    const id = await lab.docker('run', '-d', '--name', 'liar', ...args, 'bb:1', '/bin/sleep', '1000');
    const pid = Number(await lab.docker('inspect', '-f', '{{.State.Pid}}', id));
    await directory.refresh();
    expect(directory.ofCgroup(cgroupOf(pid))).toMatchObject({ name: 'liar', pod: '', podNamespace: '' });
    expect(directory.counters.podsUnproven).toBeGreaterThanOrEqual(1);
    await lab.docker('rm', '-f', id);
    directory.close();
  });

  it('are at the other ends of their veths', async () => {
    // The namespace of the lab stands for the program's own: `ip` is run in it, unless nsenter has gone elsewhere.
    const ip = join(lab.directory, 'ip');
    const [nsenter, args] = lab.inside('ip');
    const here = readlinkSync('/proc/self/ns/net');
    const enter = `[ "$(readlink /proc/self/ns/net)" = '${here}' ] && exec ${nsenter} ${args.join(' ')} "$@"`;
    writeFileSync(ip, `#!/bin/sh\n${enter}\nexec ip "$@"\n`, { mode: 0o755 });
    const processes = NAMES.map((name) => ({ pid: lab.container(name).pid, container: expected(lab.container(name)) }));
    const lsns = join(lab.directory, 'lsns');
    writeFileSync(lsns, `#!/bin/sh\n${lab.inside('lsns').flat().join(' ')} "$@"\n`, { mode: 0o755 });
    const source = new InterfaceSource({ ip, lsns });
    const entries = await source.counters(processes);
    const { toolsRun } = source.figures;
    for (const name of NAMES) {
      // The other side of the same pair, as the kernel tells it inside.
      const inside = await lab.run(
        'nsenter',
        '-t',
        String(lab.container(name).pid),
        '-n',
        'ip',
        '-o',
        'link',
        'show',
        'eth0',
      );
      const index = Number(/eth0@if(\d+)/.exec(inside)?.[1]);
      const entry = entries.find((each) => each.index === index);
      expect(
        entry?.containers.map((container) => container.name),
        name,
      ).toContain(name);
      expect(entry?.isUp).toBe(true);
    }
    const owned = entries.filter(({ containers }) => containers.length > 0);
    // Two of Podman, the server and a pod of Docker, a pod of two of containerd.
    expect(owned.map(({ containers }) => containers.length).toSorted()).toEqual([1, 1, 1, 1, 2]);
    expect(entries.map(({ name }) => name)).toEqual(expect.arrayContaining(['lo', 'docker0', 'cni0']));
    const printed = await lab.run('cat', '/proc/net/dev');
    const veth = owned[0]!;
    const octets = Number(new RegExp(`${veth.name}: *(\\d+)`).exec(printed)?.[1]);
    // It has grown since, by what the clients ask.
    expect(veth.octetsReceived).toBeGreaterThan(0);
    expect(octets).toBeGreaterThanOrEqual(veth.octetsReceived);
    // Nothing has changed: neither ip is asked nor the namespaces are looked into again.
    await source.counters(processes);
    expect(source.figures).toEqual({ toolsRun, toolsFailed: 0, fallbacks: 0, peersAmbiguous: 0 });
  });
});
