import { mkdirSync, rmdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ContainerDirectory, type ContainerDirectoryOptions } from '../../src/agent/container-directory.ts';
import { FakeDocker, FakeGrpc, SocketDirectory } from '../support/fake-engine.ts';
import { field, message } from '../support/protobuf-message.ts';

const ONE = '1a'.repeat(32);
const TWO = '2b'.repeat(32);
const THREE = '3c'.repeat(32);
const UID = '0c2b1c7a-9a5e-4f0e-8a55-6f1f0f6d2a11';

function cgroup(id: string): string {
  return `0::/system.slice/docker-${id}.scope\n`;
}

function podCgroup(id: string): string {
  return `0::/kubepods/burstable/pod${UID}/${id}\n`;
}

function podLabels(name: string, type = 'container'): Record<string, string> {
  return {
    'io.kubernetes.container.name': name,
    'io.kubernetes.docker.type': type,
    'io.kubernetes.pod.name': 'pod-1',
    'io.kubernetes.pod.namespace': 'default',
    'io.kubernetes.pod.uid': UID,
  };
}

function event(action: string, id: string, name = ''): string {
  return `${JSON.stringify({ Type: 'container', Action: action, Actor: { ID: id, Attributes: { name } } })}\n`;
}

let sockets: SocketDirectory;
let docker: FakeDocker;
let nowMs: number;
const opened: ContainerDirectory[] = [];

/** A directory that asks the fake engine, and looks for files and cgroups where a test may put them. */
async function open(options: Partial<ContainerDirectoryOptions> = {}): Promise<ContainerDirectory> {
  const root = sockets.path;
  const directory = await ContainerDirectory.open({
    dockerSockets: [sockets.socket('docker.sock')],
    containerdSockets: [],
    crioSockets: [],
    cgroupRoot: join(root, 'cgroup'),
    files: {
      dockerRoot: join(root, 'docker'),
      containerdRoots: [join(root, 'containerd')],
      storageRoots: [join(root, 'storage')],
      logRoot: join(root, 'log'),
    },
    timeoutMs: 200,
    askGapMs: 1,
    keepMs: 0,
    now: () => nowMs,
    ...options,
  });
  opened.push(directory);
  return directory;
}

function write(path: string, content: unknown): void {
  const file = join(sockets.path, path);
  mkdirSync(join(file, '..'), { recursive: true });
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
}

beforeEach(async () => {
  nowMs = 1_000;
  sockets = new SocketDirectory();
  docker = await new FakeDocker().listen(sockets.socket('docker.sock'));
});
afterEach(async () => {
  for (const directory of opened.splice(0)) directory.close();
  await docker.close();
  sockets.remove();
});

describe('names', () => {
  it('are there once the directory is open', async () => {
    docker.containers = [{ Id: ONE, Names: ['/web'] }];
    const directory = await open();
    const info = directory.ofCgroup(cgroup(ONE));
    expect(info).toEqual({
      id: ONE,
      shortId: '1a1a1a1a1a1a',
      engine: 'docker',
      name: 'web',
      pod: '',
      podNamespace: '',
    });
    // The same object: callers may compare.
    expect(directory.ofCgroup(cgroup(ONE))).toBe(info);
    expect(directory.ofCgroup('0::/system.slice/ssh.service\n')).toBeUndefined();
    expect(directory.missing).toEqual([]);
  });

  it('of unknown ids come later, and the id and the engine of its path at once', async () => {
    const directory = await open();
    let changes = 0;
    directory.onChange = () => changes++;
    expect(directory.ofCgroup(cgroup(ONE))).toMatchObject({ id: ONE, engine: 'docker', name: '' });
    docker.containers = [{ Id: ONE, Names: ['/late'] }];
    nowMs += 10_000;
    await expect.poll(() => directory.ofCgroup(cgroup(ONE))?.name).toBe('late');
    expect(changes).toBe(1);
  });

  it('that nobody knows are asked for less and less often', async () => {
    const directory = await open({ askGapMs: 1_000 });
    for (let i = 0; i < 50; i++) {
      nowMs += 1_000;
      directory.ofCgroup(cgroup(ONE));
      await directory.refresh();
    }
    expect(directory.counters.namesNotFound).toBeGreaterThan(2);
    expect(directory.counters.namesNotFound).toBeLessThan(8);
  });

  it('come by events, change by them and go by them', async () => {
    const directory = await open();
    await expect.poll(() => docker.followers).toBe(1);
    docker.containers = [{ Id: ONE, Names: ['/new'] }];
    docker.send(event('start', ONE, 'new'));
    await expect.poll(() => directory.counters.eventsTaken).toBe(1);
    expect(directory.ofCgroup(cgroup(ONE))?.name).toBe('new');
    docker.containers = [{ Id: ONE, Names: ['/newer'] }];
    docker.send(event('rename', ONE, 'newer'));
    await expect.poll(() => directory.ofCgroup(cgroup(ONE))?.name).toBe('newer');
    docker.containers = [];
    docker.send(event('destroy', ONE));
    await expect.poll(() => directory.ofCgroup(cgroup(ONE))?.name).toBe('');
  });

  it('are kept for a while after a container is gone, but not for another of its id', async () => {
    docker.containers = [{ Id: ONE, Names: ['/old'] }];
    const directory = await open({ keepMs: 10_000 });
    docker.containers = [];
    await directory.refresh();
    nowMs += 9_999;
    expect(directory.ofCgroup(cgroup(ONE))?.name).toBe('old');
    docker.containers = [{ Id: ONE, Names: ['/reused'] }];
    await directory.refresh();
    expect(directory.ofCgroup(cgroup(ONE))?.name).toBe('reused');
    docker.containers = [];
    await directory.refresh();
    nowMs += 10_000;
    expect(directory.ofCgroup(cgroup(ONE))?.name).toBe('');
    await directory.refresh();
    expect(directory.counters.containers).toBe(0);
  });

  it('are what the last word says when a list and an event cross', async () => {
    docker.containers = [{ Id: ONE, Names: ['/old'] }];
    const directory = await open();
    await expect.poll(() => docker.followers).toBe(1);
    // The engine makes its list, then tells of a removal and a start, and only then sends the list.
    let send = () => {};
    docker.answer = (_, response) => {
      send = () => response.end(JSON.stringify([{ Id: ONE, Names: ['/old'] }]));
    };
    docker.asked.length = 0;
    const refreshed = directory.refresh();
    await expect.poll(() => docker.asked.length).toBe(1);
    docker.send(event('destroy', ONE) + event('start', TWO, 'two'));
    await expect.poll(() => directory.counters.eventsTaken).toBe(2);
    send();
    await refreshed;
    expect(directory.ofCgroup(cgroup(ONE))?.name).toBe('');
    expect(directory.ofCgroup(cgroup(TWO))?.name).toBe('two');
  });

  it('are not those of a list that an event has overtaken', async () => {
    docker.containers = [{ Id: ONE, Names: ['/old'] }];
    const directory = await open();
    await expect.poll(() => docker.followers).toBe(1);
    let send = () => {};
    docker.answer = (_, response) => {
      send = () =>
        response.end(JSON.stringify([{ Id: ONE, Names: ['/old'], HostConfig: { NetworkMode: `container:${TWO}` } }]));
    };
    docker.asked.length = 0;
    const refreshed = directory.refresh();
    await expect.poll(() => docker.asked.length).toBe(1);
    docker.send(event('rename', ONE, 'new'));
    await expect.poll(() => directory.counters.eventsTaken).toBe(1);
    send();
    await refreshed;
    expect(directory.ofCgroup(cgroup(ONE))?.name).toBe('new');
  });

  it('are only as many as the limit, the rest is counted', async () => {
    docker.containers = Array.from({ length: 20 }, (_, i) => ({
      Id: i.toString(16).padStart(64, '0'),
      Names: [`/${i}`],
    }));
    const directory = await open({ maxContainers: 10 });
    expect(directory.counters).toMatchObject({ containers: 10, containersDropped: 10 });
    expect(directory.ofCgroup(cgroup('0'.repeat(64)))?.name).toBe('0');
    expect(directory.ofCgroup(cgroup('13'.padStart(64, '0')))?.name).toBe('');
  });

  it('of a million unknown ids leave memory as it is', async () => {
    const directory = await open({ maxContainers: 100 });
    for (let i = 0; i < 50_000; i++) directory.ofCgroup(cgroup(i.toString(16).padStart(64, '0')));
    expect(directory.counters.containers).toBe(0);
    expect(directory.ofCgroup(cgroup(ONE))).toMatchObject({ name: '' });
  });
});

describe('an engine', () => {
  it('cannot name the containers of another', async () => {
    const other = await new FakeDocker().listen(sockets.socket('other.sock'));
    docker.containers = [{ Id: ONE, Names: ['/mine'] }];
    const directory = await open({ dockerSockets: [sockets.socket('docker.sock'), sockets.socket('other.sock')] });
    other.containers = [
      { Id: ONE, Names: ['/yours'] },
      { Id: TWO, Names: ['/own'] },
    ];
    await directory.refresh();
    other.send(event('rename', ONE, 'yours') + event('destroy', ONE));
    await directory.refresh();
    expect(directory.ofCgroup(cgroup(ONE))?.name).toBe('mine');
    expect(directory.ofCgroup(cgroup(TWO))?.name).toBe('own');
    await other.close();
  });

  it('that fails is told of, left alone for longer and longer, and used again', async () => {
    docker.answer = (_, response) => void response.writeHead(500).end();
    const directory = await open();
    const { path } = sockets;
    const line = `${path}/docker.sock cannot be used (HTTP status 500 for /version): names of its containers come from files, if at all`;
    expect(directory.missing).toEqual([line]);
    for (let i = 0; i < 100; i++) {
      nowMs += 1_000;
      await directory.refresh();
    }
    // At 1, 2, 4, 8, 16, 32 and 60 s.
    expect(directory.counters.enginesFailed).toBe(7);
    docker.answer = undefined;
    docker.containers = [{ Id: ONE, Names: ['/web'] }];
    nowMs += 60_000;
    await directory.refresh();
    expect(directory.missing).toEqual([]);
    expect(directory.ofCgroup(cgroup(ONE))?.name).toBe('web');
  });

  it('that fails takes no names away', async () => {
    docker.containers = [{ Id: ONE, Names: ['/web'] }];
    const directory = await open();
    docker.answer = (_, response) => void response.end('garbage');
    await directory.refresh();
    expect(directory.counters.enginesFailed).toBe(1);
    expect(directory.ofCgroup(cgroup(ONE))?.name).toBe('web');
  });

  it('that comes later is found, and that ends its events is followed again', async () => {
    const directory = await open({ dockerSockets: [sockets.socket('later.sock')] });
    expect(directory.missing).toEqual([]);
    const later = await new FakeDocker().listen(sockets.socket('later.sock'));
    later.containers = [{ Id: ONE, Names: ['/web'] }];
    await directory.refresh();
    expect(directory.ofCgroup(cgroup(ONE))?.name).toBe('web');
    await expect.poll(() => later.followers).toBe(1);
    later.endEvents();
    await expect
      .poll(async () => {
        await directory.refresh();
        return later.followers;
      })
      .toBe(1);
    await later.close();
  });

  it('that hangs does not hold the others for longer than its time', async () => {
    docker.answer = () => {};
    const other = await new FakeDocker().listen(sockets.socket('other.sock'));
    other.containers = [{ Id: ONE, Names: ['/web'] }];
    const directory = await open({ dockerSockets: [sockets.socket('docker.sock'), sockets.socket('other.sock')] });
    expect(directory.ofCgroup(cgroup(ONE))?.name).toBe('web');
    expect(directory.missing).toHaveLength(1);
    await other.close();
  });
});

describe('pods', () => {
  it('of labels count where the cgroup is in them', async () => {
    docker.containers = [
      { Id: ONE, Names: ['/k8s_app'], Labels: podLabels('app') },
      { Id: TWO, Names: ['/liar'], Labels: podLabels('app') },
    ];
    const directory = await open();
    expect(directory.ofCgroup(podCgroup(ONE))).toMatchObject({ name: 'app', pod: 'pod-1', podNamespace: 'default' });
    expect(directory.ofCgroup(cgroup(TWO))).toMatchObject({ name: 'liar', pod: '', podNamespace: '' });
    // In a pod, but not in this one.
    const elsewhere = podCgroup(TWO).replace(UID, UID.replace('0', '1'));
    expect(directory.ofCgroup(elsewhere)).toMatchObject({ name: 'liar', pod: '' });
    expect(directory.counters.podsUnproven).toBe(1);
  });

  it('share a network, the container that keeps it left out', async () => {
    const HostConfig = { NetworkMode: `container:${ONE}` };
    docker.containers = [
      { Id: ONE, Names: ['/k8s_POD'], Labels: podLabels('POD', 'podsandbox') },
      { Id: TWO, Names: ['/k8s_app'], Labels: podLabels('app'), HostConfig },
      { Id: THREE, Names: ['/other'] },
    ];
    const directory = await open();
    const names = (text: string) => directory.sharing(directory.ofCgroup(text)!).map(({ name, pod }) => [name, pod]);
    expect(names(podCgroup(ONE))).toEqual([['app', 'pod-1']]);
    expect(names(podCgroup(TWO))).toEqual([['app', 'pod-1']]);
    expect(names(cgroup(THREE))).toEqual([['other', '']]);
  });

  it('of an engine of Kubernetes count as they are', async () => {
    const cri = await new FakeGrpc().listen(sockets.socket('cri.sock'));
    const metadata = message(field(1, 'pod-2'), field(2, UID), field(3, 'ns-2'));
    cri.answers.set('/runtime.v1.RuntimeService/ListPodSandbox', field(1, message(field(1, ONE), field(2, metadata))));
    const container = message(field(1, TWO), field(2, ONE), field(3, field(1, 'app')));
    cri.answers.set('/runtime.v1.RuntimeService/ListContainers', field(1, container));
    const directory = await open({ dockerSockets: [], crioSockets: [sockets.socket('cri.sock')] });
    const info = directory.ofCgroup(`0::/kubepods.slice/crio-${TWO}.scope\n`);
    expect(info).toMatchObject({ engine: 'cri-o', name: 'app', pod: 'pod-2', podNamespace: 'ns-2' });
    expect(directory.sharing(directory.ofCgroup(cgroup(ONE))!)).toEqual([info]);
    await cri.close();
  });
});

describe('files', () => {
  /** Asks until there is a name. */
  async function named(text = cgroup(ONE)) {
    const directory = await open({ dockerSockets: [], now: () => performance.now() });
    await expect.poll(() => directory.ofCgroup(text)?.name).not.toBe('');
    return directory.ofCgroup(text);
  }

  it("Docker's", async () => {
    write(`docker/containers/${ONE}/config.v2.json`, { ID: ONE, Name: '/web', Config: { Labels: podLabels('app') } });
    expect(await named()).toMatchObject({ engine: 'docker', name: 'web', pod: '' });
    expect(await named(podCgroup(ONE))).toMatchObject({ engine: 'docker', name: 'app', pod: 'pod-1' });
  });

  it("containerd's", async () => {
    const annotations = {
      'io.kubernetes.cri.container-type': 'container',
      'io.kubernetes.cri.container-name': 'dnsmasq',
      'io.kubernetes.cri.sandbox-id': TWO,
      'io.kubernetes.cri.sandbox-name': 'kube-dns-6bfbdd666c-2wflq',
      'io.kubernetes.cri.sandbox-namespace': 'kube-system',
    };
    write(`containerd/io.containerd.runtime.v2.task/k8s.io/${ONE}/config.json`, { ociVersion: '1.0.2', annotations });
    const names = { name: 'dnsmasq', pod: 'kube-dns-6bfbdd666c-2wflq', podNamespace: 'kube-system' };
    expect(await named()).toMatchObject({ engine: 'containerd', ...names });
  });

  it("containerd's of another namespace, which may claim what they like", async () => {
    const annotations = {
      'nerdctl/name': 'web',
      'io.kubernetes.cri.sandbox-name': 'p',
      'io.kubernetes.cri.container-name': 'c',
    };
    write(`containerd/io.containerd.runtime.v2.task/default/${ONE}/config.json`, { annotations });
    expect(await named()).toMatchObject({ name: 'web', pod: '' });
  });

  it("CRI-O's", async () => {
    const annotations = {
      'io.kubernetes.cri-o.ContainerType': 'container',
      'io.kubernetes.cri-o.SandboxID': TWO,
      'io.kubernetes.cri-o.KubeName': 'web-0',
      'io.kubernetes.cri-o.Namespace': 'shop',
      'io.kubernetes.cri-o.Name': 'k8s_web_web-0_shop_0',
      'io.kubernetes.container.name': 'web',
    };
    write(`storage/overlay-containers/${ONE}/userdata/config.json`, { annotations });
    expect(await named()).toMatchObject({ engine: 'cri-o', name: 'web', pod: 'web-0', podNamespace: 'shop' });
  });

  it.each(['containers.json', 'volatile-containers.json'])("Podman's %s", async (list) => {
    write(`storage/overlay-containers/${list}`, [
      { id: TWO, names: ['no'] },
      { id: ONE, names: ['web1'], metadata: '{}' },
    ]);
    expect(await named()).toMatchObject({ engine: 'podman', name: 'web1' });
    // The same list, written anew.
    const directory = await open({ dockerSockets: [] });
    for (const name of ['first', 'the-second']) {
      write(`storage/overlay-containers/${list}`, [{ id: ONE, names: [name] }]);
      directory.ofCgroup(cgroup(ONE));
      await directory.refresh();
      expect(directory.ofCgroup(cgroup(ONE))?.name).toBe(name);
      nowMs += 30_000;
    }
  });

  it('the logs of Kubernetes', async () => {
    mkdirSync(join(sockets.path, 'log'));
    symlinkSync('/nowhere', join(sockets.path, 'log', `coredns-5d78c9869d-abcde_kube-system_coredns-${ONE}.log`));
    const names = { name: 'coredns', pod: 'coredns-5d78c9869d-abcde', podNamespace: 'kube-system' };
    expect(await named()).toMatchObject({ engine: 'unknown', ...names });
  });

  it('that are damaged, too long or no files are no more than missing', async () => {
    write(`docker/containers/${ONE}/config.v2.json`, '{"ID":');
    write(`containerd/io.containerd.runtime.v2.task/k8s.io/${ONE}/config.json`, {
      annotations: { 'io.kubernetes.cri.container-name': 'x'.repeat(3_000_000) },
    });
    mkdirSync(join(sockets.path, `storage/overlay-containers/${ONE}/userdata/config.json`), { recursive: true });
    write('storage/overlay-containers/containers.json', { id: ONE });
    const directory = await open({ dockerSockets: [] });
    directory.ofCgroup(cgroup(ONE));
    await directory.refresh();
    expect(directory.counters).toMatchObject({ containers: 0, namesNotFound: 1 });
  });

  it('that go take the name with them', async () => {
    write(`docker/containers/${ONE}/config.v2.json`, { ID: ONE, Name: '/web' });
    const directory = await open({ dockerSockets: [] });
    directory.ofCgroup(cgroup(ONE));
    await directory.refresh();
    expect(directory.ofCgroup(cgroup(ONE))?.name).toBe('web');
    write(`docker/containers/${ONE}/config.v2.json`, '');
    nowMs += 30_000;
    await directory.refresh();
    expect(directory.ofCgroup(cgroup(ONE))?.name).toBe('');
  });
});

describe('ids of cgroups', () => {
  it('are the inodes of their directories, found again when they are new, at most so often', async () => {
    docker.containers = [{ Id: ONE, Names: ['/web'] }];
    write('cgroup/unified/cgroup.procs', '');
    const make = (path: string) => {
      mkdirSync(join(sockets.path, 'cgroup/unified', path), { recursive: true });
      return statSync(join(sockets.path, 'cgroup/unified', path)).ino;
    };
    const [inside, scope, outside] = [
      make(`system.slice/docker-${ONE}.scope/inner`),
      make(`system.slice/docker-${ONE}.scope`),
      make('user.slice'),
    ];
    const directory = await open({ askGapMs: 1_000 });
    expect(directory.ofCgroupId(scope)?.name).toBe('web');
    expect(directory.ofCgroupId(inside)?.name).toBe('web');
    expect(directory.ofCgroupId(outside)).toBeUndefined();
    expect(directory.counters.cgroupWalks).toBe(1);
    const later = make(`libpod-${TWO}.scope`);
    nowMs += 1_000;
    expect(directory.ofCgroupId(later)).toBeUndefined();
    await expect.poll(() => directory.ofCgroupId(later)).toMatchObject({ id: TWO, engine: 'podman', name: '' });
    expect(directory.counters.cgroupWalks).toBe(2);
    for (let i = 0; i < 1_000; i++) directory.ofCgroupId(2 ** 40 + i);
    await sleep(20);
    expect(directory.counters.cgroupWalks).toBe(2);
    rmdirSync(join(sockets.path, 'cgroup/unified', `libpod-${TWO}.scope`));
  });

  it('are none without the second version', async () => {
    const directory = await open();
    expect(directory.ofCgroupId(1)).toBeUndefined();
    expect(directory.counters.cgroupWalks).toBe(0);
  });
});
