/**
 * Real containers of Docker, Podman and containerd (by its Container Runtime Interface, as Kubernetes makes them) in a network namespace of their
 * own: bridges, veths and rules of the firewall stay in there. Images are made of busybox, nothing is fetched. {@link ContainerLab.close} takes
 * everything away.
 */

import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { callGrpc } from '../../src/agent/grpc-call.ts';
import { rootObstacle } from './lab.ts';
import { field, mapField, message, numberField } from './protobuf-message.ts';

/** Programs that the containers need. */
const PROGRAMS = ['ip', 'nsenter', 'busybox', 'dockerd', 'podman', 'containerd', 'ctr', 'runc', 'iptables'];
const PATH = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`;
/** Debian's own client: another first in PATH may not know the daemon's version. */
const DOCKER = existsSync('/usr/bin/docker') ? '/usr/bin/docker' : 'docker';

/** UIDs of the pods. */
const HEAPSTER_UID = '0c2b1c7a-9a5e-4f0e-8a55-6f1f0f6d2a11';
const DNS_UID = '5f0c4a1e-1111-4222-8333-444455556666';
/** The pod that containerd runs. */
const DNS_POD = 'kube-dns-6bfbdd666c-2wflq';
const DNS_NAMESPACE = 'kube-system';
const DNS_LABELS = {
  'io.kubernetes.pod.name': DNS_POD,
  'io.kubernetes.pod.namespace': DNS_NAMESPACE,
  'io.kubernetes.pod.uid': DNS_UID,
};

/** Why real containers cannot be had, said aloud; undefined where they can. Throws where they must. */
export function containerObstacle(): string | undefined {
  return rootObstacle('containers', ...PROGRAMS);
}

/** A container of the lab. */
export interface LabContainer {
  readonly engine: 'docker' | 'podman' | 'containerd';
  readonly id: string;
  /** Name within its engine, or its pod. */
  readonly name: string;
  /** `''` where it is in none. */
  readonly pod: string;
  readonly podNamespace: string;
  /** A process in it, as seen from here. */
  readonly pid: number;
  /** Its address; that of its pod where it is in one. */
  readonly address: string;
}

const run = promisify(execFile);
const openLabs = new Set<ContainerLab>();
process.on('exit', () => {
  for (const lab of openLabs) lab.abandon();
});

/** See the head of this file. */
export class ContainerLab {
  /** Its files. Short: paths of unix sockets have 107 octets. */
  readonly directory: string;
  /** Name of the network namespace, for `nsenter --net=/run/netns/NAME`: `ip netns exec` would hide the cgroups. */
  readonly namespace: string;
  /** By name; the containers that only keep a pod's namespaces are in {@link ContainerLab.sandboxes}. */
  readonly containers = new Map<string, LabContainer>();
  /** Ids of the containers that only keep the namespaces of their pods. */
  readonly sandboxes: string[] = [];
  readonly #children: ChildProcess[] = [];
  readonly #files = Number(execFileSync('sh', ['-c', 'ulimit -Hn'], { encoding: 'utf8' })) || 20_000;
  /** Third octet of its networks: labs beside each other have other addresses. */
  readonly #subnet = 1 + (process.pid % 250);
  #pod = '';
  #podConfiguration: Uint8Array = new Uint8Array();

  private constructor() {
    this.directory = mkdtempSync('/tmp/fr-c-');
    this.namespace = this.directory.slice('/tmp/'.length);
  }

  /** Makes the namespace and runs the containers of these engines, by default of all three. Containers of containerd need Docker for their images. */
  static async open(...engines: readonly LabContainer['engine'][]): Promise<ContainerLab> {
    const wanted = engines.length === 0 ? ['docker', 'podman', 'containerd'] : engines;
    const lab = new ContainerLab();
    openLabs.add(lab);
    try {
      await lab.#makeNamespace();
      lab.#makeRoot();
      const docker =
        wanted.includes('docker') || wanted.includes('containerd') ? lab.#startDocker() : Promise.resolve();
      await Promise.all([wanted.includes('podman') ? lab.#startPodman() : undefined, docker]);
      if (wanted.includes('containerd')) await lab.#startContainerd();
    } catch (error) {
      await lab.close();
      throw error;
    }
    return lab;
  }

  /** Sockets of the engines. */
  get dockerSocket(): string {
    return join(this.directory, 'docker.sock');
  }
  get podmanSocket(): string {
    return join(this.directory, 'podman.sock');
  }
  get containerdSocket(): string {
    return join(this.directory, 'containerd.sock');
  }
  /** Where Docker, containerd and Podman keep their files. */
  get dockerRoot(): string {
    return join(this.directory, 'dk/data');
  }
  get containerdState(): string {
    return join(this.directory, 'ctd/state');
  }
  get storageRoot(): string {
    return join(this.directory, 'pm');
  }

  /** The host as the containers of Docker and of containerd's pod see it. */
  get dockerGateway(): string {
    return `172.17.${this.#subnet}.1`;
  }
  get podGateway(): string {
    return `10.244.${this.#subnet}.1`;
  }

  /** The container of this name. */
  container(name: string): LabContainer {
    const container = this.containers.get(name);
    if (container === undefined) throw new Error(`no container ${name}`);
    return container;
  }

  /** Program and arguments that run a program in the network namespace. */
  inside(program: string, ...args: readonly string[]): [string, string[]] {
    return ['nsenter', [`--net=/run/netns/${this.namespace}`, program, ...args]];
  }

  /** Runs a program in the namespace to its end and gives what it printed. */
  async run(program: string, ...args: readonly string[]): Promise<string> {
    const [nsenter, rest] = this.inside(program, ...args);
    const { stdout } = await run(nsenter, rest, { env: { ...process.env, PATH }, timeout: 60_000, maxBuffer: 1 << 26 });
    return stdout.trim();
  }

  /** Starts a program in the namespace; it is ended with the lab. */
  start(program: string, ...args: readonly string[]): ChildProcess {
    const [nsenter, rest] = this.inside(program, ...args);
    const child = spawn(nsenter, rest, { env: { ...process.env, PATH }, stdio: 'ignore', cwd: this.directory });
    this.#children.push(child);
    return child;
  }

  /** Runs Docker's client. */
  docker(...args: readonly string[]): Promise<string> {
    return this.run(DOCKER, '-H', `unix://${this.dockerSocket}`, ...args);
  }

  /** Waits until somebody in a container listens on a port. */
  async listening(name: string, port: number): Promise<void> {
    const words = ['-t', String(this.container(name).pid), '-n', 'ss', '-Hltn', `sport = ${port}`];
    await this.#until(async () => {
      if ((await this.run('nsenter', ...words)) === '') throw new Error('nobody listens');
    }, `a server in ${name}`);
  }

  /** Podman's own places, and what it can use here. */
  #podmanWords(): string[] {
    return [
      '--root',
      this.storageRoot,
      '--runroot',
      join(this.directory, 'pmrun'),
      '--tmpdir',
      join(this.directory, 'pmtmp'),
      '--cgroup-manager',
      'cgroupfs',
      '--storage-driver',
      'vfs',
      '--events-backend',
      'file',
      '--runtime',
      'runc',
    ];
  }

  /** Runs Podman. */
  podman(...args: readonly string[]): Promise<string> {
    return this.run('podman', ...this.#podmanWords(), ...args);
  }

  /** Calls a method of the Container Runtime Interface (runtime.v1). */
  async cri(method: string, request: Uint8Array): Promise<Uint8Array> {
    const answer = await callGrpc({
      socketPath: this.containerdSocket,
      method: `/runtime.v1.RuntimeService/${method}`,
      message: request,
      timeoutMs: 30_000,
      maxOctets: 1 << 20,
      signal: new AbortController().signal,
    });
    if (answer.kind !== 'answered') throw new Error(`${method}: ${JSON.stringify(answer)}`);
    return answer.message;
  }

  async #makeNamespace(): Promise<void> {
    execFileSync('ip', ['netns', 'add', this.namespace]);
    await this.run('ip', 'link', 'set', 'lo', 'up');
    await this.run('sysctl', '-qw', 'net.ipv4.ip_forward=1');
  }

  /** A file system of busybox, as a directory and as a tar file. */
  #makeRoot(): void {
    const root = join(this.directory, 'root');
    for (const name of ['bin', 'etc', 'proc', 'sys', 'tmp', 'dev', 'www', 'root', 'var']) {
      mkdirSync(join(root, name), { recursive: true });
    }
    const busybox = execFileSync('sh', ['-c', 'command -v busybox'], {
      encoding: 'utf8',
      env: { ...process.env, PATH },
    }).trim();
    cpSync(busybox, join(root, 'bin/busybox'), { dereference: true });
    for (const name of execFileSync(busybox, ['--list'], { encoding: 'utf8' }).trim().split('\n')) {
      if (name !== 'busybox') symlinkSync('busybox', join(root, 'bin', name));
    }
    writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33::/www:/bin/sh\n');
    writeFileSync(join(root, 'etc/group'), 'root:x:0:\nwww-data:x:33:\n');
    writeFileSync(join(root, 'www/index.html'), 'hello\n');
    execFileSync('tar', ['-C', root, '-cf', join(this.directory, 'root.tar'), '.']);
  }

  async #until(isSo: () => Promise<unknown>, what: string): Promise<void> {
    for (let i = 0; ; i++) {
      try {
        await isSo();
        return;
      } catch (error) {
        if (i === 600) throw new Error(`waited too long for ${what}: ${error}`);
        await sleep(100);
      }
    }
  }

  /** A server and a client that asks it every 200 ms. */
  async #startPodman(): Promise<void> {
    const limits = ['--ulimit', `nofile=${this.#files}:${this.#files}`, '--ulimit', 'nproc=1000:1000'];
    const start = async (name: string, ...command: string[]) => {
      const place = ['--network', 'podman', '--rootfs', join(this.directory, 'root')];
      const id = await this.podman('run', '-d', '--name', name, ...limits, ...place, ...command);
      const format = '{{.State.Pid}} {{.NetworkSettings.Networks.podman.IPAddress}}';
      const [pid, address = ''] = (await this.podman('inspect', '-f', format, name)).split(' ');
      this.containers.set(name, { engine: 'podman', id, name, pod: '', podNamespace: '', pid: Number(pid), address });
      return address;
    };
    const address = await start('web1', '/bin/httpd', '-f', '-p', '80', '-h', '/www');
    await start('client1', '/bin/sh', '-c', asking(address, 80));
    const service = ['system', 'service', '-t', '0', `unix://${this.podmanSocket}`];
    this.start('podman', ...this.#podmanWords(), ...service);
    await this.#until(async () => {
      if (!existsSync(this.podmanSocket)) throw new Error('no socket');
    }, 'the service of podman');
  }

  /** A server, and a pod as Kubernetes had Docker make it, whose container asks the server every 200 ms. */
  async #startDocker(): Promise<void> {
    mkdirSync(join(this.directory, 'dk'));
    const places = [
      '--data-root',
      this.dockerRoot,
      '--exec-root',
      join(this.directory, 'dk/exec'),
      '--pidfile',
      join(this.directory, 'dk/pid'),
    ];
    // The machine may withhold CAP_SYS_RESOURCE: limits stay what they are.
    const limits = [
      '--oom-score-adjust',
      '0',
      '--default-ulimit',
      `nofile=${this.#files}:${this.#files}`,
      '--default-ulimit',
      'nproc=1000:1000',
    ];
    const network = ['--bip', `${this.dockerGateway}/24`];
    this.start(
      'dockerd',
      ...places,
      ...limits,
      ...network,
      '-H',
      `unix://${this.dockerSocket}`,
      '--storage-driver',
      'vfs',
    );
    await this.#until(() => this.docker('ps'), 'dockerd');
    const tar = join(this.directory, 'root.tar');
    await this.docker('import', '--change', 'CMD ["/bin/sh"]', tar, 'bb:1');
    await this.docker('import', '--change', 'ENTRYPOINT ["/bin/sleep","100000"]', tar, 'pause:1');
    const start = async (...args: string[]) => {
      const id = await this.docker('run', '-d', ...args);
      const [pid, address] = (
        await this.docker('inspect', '-f', '{{.State.Pid}} {{.NetworkSettings.IPAddress}}', id)
      ).split(' ');
      return { engine: 'docker' as const, id, pid: Number(pid), address: address ?? '' };
    };
    const server = await start('--name', 'ubuntu_test', 'bb:1', '/bin/httpd', '-f', '-p', '80', '-h', '/www');
    this.containers.set('ubuntu_test', { ...server, name: 'ubuntu_test', pod: '', podNamespace: '' });
    const pod = 'heapster-v1.5.2-6b5d7b57f9-g2cjz';
    const inPod = (name: string, type: string) => {
      const labels = [
        `container.name=${name}`,
        `docker.type=${type}`,
        `pod.name=${pod}`,
        'pod.namespace=kube-system',
        `pod.uid=${HEAPSTER_UID}`,
      ];
      return [
        ...labels.flatMap((label) => ['--label', `io.kubernetes.${label}`]),
        '--cgroup-parent',
        `/kubepods/burstable/pod${HEAPSTER_UID}`,
      ];
    };
    const sandbox = await start('--name', 'k8s_POD_heapster', ...inPod('POD', 'podsandbox'), 'pause:1');
    this.sandboxes.push(sandbox.id);
    const options = [
      '--name',
      'k8s_heapster_heapster',
      '--net',
      `container:${sandbox.id}`,
      ...inPod('heapster', 'container'),
    ];
    const heapster = await start(...options, 'bb:1', '/bin/sh', '-c', asking(server.address, 80));
    const names = { name: 'heapster', pod, podNamespace: 'kube-system' };
    this.containers.set('heapster', { ...heapster, ...names, address: sandbox.address });
  }

  /** A pod by the Container Runtime Interface with a server and a client that asks it every 200 ms. */
  async #startContainerd(): Promise<void> {
    const home = join(this.directory, 'ctd');
    mkdirSync(join(home, 'cni'), { recursive: true });
    mkdirSync(join(home, 'logs'));
    writeFileSync(join(home, 'config.toml'), containerdConfiguration(this.directory));
    writeFileSync(
      join(home, 'cni/10-bridge.conflist'),
      JSON.stringify({
        cniVersion: '0.4.0',
        name: 'k8s',
        plugins: [
          {
            type: 'bridge',
            bridge: 'cni0',
            isGateway: true,
            ipMasq: false,
            ipam: {
              type: 'host-local',
              ranges: [[{ subnet: `10.244.${this.#subnet}.0/24` }]],
              dataDir: join(home, 'ipam'),
            },
          },
        ],
      }),
    );
    this.start('containerd', '-c', join(home, 'config.toml'));
    await this.#until(() => this.#ctr('version'), 'containerd');
    await this.docker('save', 'pause:1', 'bb:1', '-o', join(this.directory, 'images.tar'));
    await this.#ctr('images', 'import', '--snapshotter', 'native', join(this.directory, 'images.tar'));
    this.#podConfiguration = message(
      field(1, message(field(1, DNS_POD), field(2, DNS_UID), field(3, DNS_NAMESPACE))),
      field(3, join(home, 'logs')),
      mapField(6, DNS_LABELS),
      // Its processes have the host's numbers: LinuxSandboxSecurityContext, NamespaceOption.pid is NODE.
      field(8, message(field(1, `/kubepods/besteffort/pod${DNS_UID}`), field(2, field(1, numberField(2, 2))))),
    );
    this.#pod = idOf(await this.cri('RunPodSandbox', field(1, this.#podConfiguration)));
    this.sandboxes.push(this.#pod);
    await this.addToPod('dnsmasq', 'exec httpd -f -p 8080 -h /www');
    await this.addToPod('sidecar', asking('127.0.0.1', 8080));
  }

  /** Runs a program of the shell in a container of containerd's pod, with `more` fields of its ContainerConfig; {@link ContainerLab.podLog} is its log. */
  async addToPod(name: string, command: string, ...more: readonly Uint8Array[]): Promise<LabContainer> {
    const container = message(
      field(1, field(1, name)),
      field(2, field(1, 'docker.io/library/bb:1')),
      field(3, '/bin/sh'),
      field(3, '-c'),
      field(3, command),
      mapField(9, { ...DNS_LABELS, 'io.kubernetes.container.name': name }),
      field(11, `${name}.log`),
      ...more,
    );
    const request = message(field(1, this.#pod), field(2, container), field(3, this.#podConfiguration));
    const id = idOf(await this.cri('CreateContainer', request));
    await this.cri('StartContainer', field(1, id));
    const task = (await this.#ctr('tasks', 'ls')).split('\n').find((line) => line.startsWith(id));
    const pid = Number(task?.split(/\s+/)[1]);
    const eth0 = await this.run('nsenter', '-t', String(pid), '-n', 'ip', '-j', '-4', 'addr', 'show', 'eth0');
    const address = /"local":"([\d.]+)"/.exec(eth0)?.[1] ?? '';
    const names = { name, pod: DNS_POD, podNamespace: DNS_NAMESPACE };
    const added: LabContainer = { engine: 'containerd', id, ...names, pid, address };
    this.containers.set(name, added);
    return added;
  }

  /** Path of the log of a container that {@link ContainerLab.addToPod} made. */
  podLog(name: string): string {
    return join(this.directory, 'ctd/logs', `${name}.log`);
  }

  #ctr(...args: readonly string[]): Promise<string> {
    return this.run('ctr', '-a', this.containerdSocket, '-n', 'k8s.io', ...args);
  }

  /** Ends the containers and engines and takes everything away. */
  async close(): Promise<void> {
    if (!openLabs.has(this)) return;
    if (this.#pod !== '') {
      await this.cri('StopPodSandbox', field(1, this.#pod)).catch(() => {});
      await this.cri('RemovePodSandbox', field(1, this.#pod)).catch(() => {});
    }
    if (existsSync(this.dockerSocket)) {
      const ids = await this.docker('ps', '-aq').catch(() => '');
      if (ids !== '') await this.docker('rm', '-f', ...ids.split('\n')).catch(() => {});
    }
    if (existsSync(this.storageRoot)) await this.podman('rm', '-f', '-t', '0', '-a').catch(() => {});
    for (const child of this.#children) child.kill('SIGTERM');
    const isOver = () => this.#children.every(({ exitCode, signalCode }) => exitCode !== null || signalCode !== null);
    for (let i = 0; i < 250 && !isOver(); i++) await sleep(20);
    this.abandon();
  }

  /** The same at once, by force. */
  abandon(): void {
    openLabs.delete(this);
    for (const child of this.#children) child.kill('SIGKILL');
    for (const pid of this.#pids()) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {}
    }
    try {
      execFileSync('ip', ['netns', 'del', this.namespace], { stdio: 'ignore' });
    } catch {}
    const mounts = readFileSync('/proc/mounts', 'utf8')
      .split('\n')
      .map((line) => line.split(' ')[1] ?? '');
    for (const mount of mounts
      .filter((path) => path.startsWith(`${this.directory}/`))
      .sort()
      .reverse()) {
      try {
        execFileSync('umount', ['-l', mount], { stdio: 'ignore' });
      } catch {}
    }
    rmSync(this.directory, { recursive: true, force: true });
    // Another lab's may be about to be filled.
    if (!readdirSync('/tmp').some((name) => name.startsWith('fr-c-'))) removeCgroups();
  }

  /** Processes that belong to the lab: those that name its directory, and those of its containers, whose monitors outlive the engines. */
  #pids(): number[] {
    const ids = [...this.containers.values()].map((container) => container.id).concat(this.sandboxes);
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
      .filter((name) => {
        try {
          const text = readFileSync(`/proc/${name}/cgroup`, 'utf8') + readFileSync(`/proc/${name}/cmdline`, 'utf8');
          return text.includes(`${this.directory}/`) || ids.some((id) => text.includes(id));
        } catch {
          return false;
        }
      })
      .map(Number);
  }
}

/** A loop of the shell that asks a server every 200 ms. */
function asking(address: string, port: number): string {
  return `while true; do wget -q -O /dev/null http://${address}:${port}/; sleep 0.2; done`;
}

/** The id in an answer: field 1. */
function idOf(answer: Uint8Array): string {
  return Buffer.from(answer).toString('latin1', 2, 2 + (answer[1] ?? 0));
}

/** Removes what directories the engines leave. */
function removeCgroups(): void {
  const names = ['docker', 'kubepods', 'libpod_parent'].flatMap((name) => ['-path', `/sys/fs/cgroup/*/${name}*`, '-o']);
  const args = ['/sys/fs/cgroup', '-depth', '-type', 'd', '(', ...names.slice(0, -1), ')'];
  for (const path of execFileSync('find', args, { encoding: 'utf8' }).split('\n')) {
    try {
      if (path !== '') rmdirSync(path);
    } catch {}
  }
}

function containerdConfiguration(directory: string): string {
  return `version = 2
root = "${directory}/ctd/root"
state = "${directory}/ctd/state"
oom_score = 0
[grpc]
  address = "${directory}/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "docker.io/library/pause:1"
  restrict_oom_score_adj = true
  disable_apparmor = true
  tolerate_missing_hugetlb_controller = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "native"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "${directory}/ctd/cni"
`;
}
