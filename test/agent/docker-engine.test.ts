import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ContainerChange, DockerEngine, readContainerList, readEvent } from '../../src/agent/docker-engine.ts';
import { MAX_NAME_LENGTH } from '../../src/agent/listed-container.ts';
import { FakeDocker, SocketDirectory } from '../support/fake-engine.ts';
import { Random } from '../support/random.ts';

const ID = '9413dffbf77100a65f1e550014a05f5174b6e973d6cfbc1bfdc97ccbecea88e2';
const PAUSE_ID = '03d60791055420b67c9f95be68f439d676234c21258c1677596dbc854f11fb2d';
const POD_LABELS = {
  'io.kubernetes.container.name': 'heapster',
  'io.kubernetes.docker.type': 'container',
  'io.kubernetes.pod.name': 'heapster-v1.5.2-6b5d7b57f9-g2cjz',
  'io.kubernetes.pod.namespace': 'kube-system',
  'io.kubernetes.pod.uid': '0c2b1c7a-9a5e-4f0e-8a55-6f1f0f6d2a11',
};

/** As Docker 20.10.24 answered /containers/json (curl --unix-socket), shortened to what is read and some that is not. */
const LIST = [
  {
    Id: ID,
    Names: ['/k8s_heapster_heapster'],
    Image: 'bb:1',
    Ports: [],
    Labels: POD_LABELS,
    State: 'running',
    HostConfig: { NetworkMode: `container:${PAUSE_ID}` },
  },
  {
    Id: PAUSE_ID,
    Names: ['/k8s_POD_heapster'],
    Image: 'pause:1',
    Labels: { ...POD_LABELS, 'io.kubernetes.container.name': 'POD', 'io.kubernetes.docker.type': 'podsandbox' },
    HostConfig: { NetworkMode: 'default' },
  },
];

/** In the form that Docker 20.10 sends from /events. */
const START = JSON.stringify({
  status: 'start',
  id: ID,
  from: 'bb:1',
  Type: 'container',
  Action: 'start',
  Actor: { ID, Attributes: { image: 'bb:1', name: 'ubuntu_test' } },
  scope: 'local',
  time: 1795231158,
});

function event(Action: string, Attributes: Record<string, unknown>): string {
  return JSON.stringify({ Type: 'container', Action, Actor: { ID, Attributes } });
}

describe('readContainerList', () => {
  it('takes names, the pod of the labels and whose network it is', () => {
    expect(readContainerList(LIST, 'docker')).toEqual([
      {
        id: ID,
        shortId: '9413dffbf771',
        engine: 'docker',
        name: 'heapster',
        engineName: 'k8s_heapster_heapster',
        pod: 'heapster-v1.5.2-6b5d7b57f9-g2cjz',
        podNamespace: 'kube-system',
        podUid: '0c2b1c7a-9a5e-4f0e-8a55-6f1f0f6d2a11',
        isPodCertain: false,
        isSandbox: false,
        networkId: PAUSE_ID,
      },
      expect.objectContaining({ id: PAUSE_ID, name: 'POD', isSandbox: true, networkId: PAUSE_ID }),
    ]);
  });

  it('passes over what is no container', () => {
    const wrong = [null, 1, 'x', [], {}, { Id: 1 }, { Id: '../../etc' }, { Id: `${ID}0` }, { Id: ID.toUpperCase() }];
    expect(readContainerList([...wrong, { Id: ID }], 'docker')).toMatchObject([{ id: ID, name: '', networkId: ID }]);
    for (const body of [undefined, null, {}, 'x', 1]) expect(readContainerList(body, 'docker')).toBeUndefined();
  });

  it('takes fields of another type for absent', () => {
    const list = [
      { Id: ID, Names: 'x', Labels: [1], HostConfig: null },
      { Id: ID, Names: [1, {}], HostConfig: { NetworkMode: 1 } },
    ];
    for (const container of readContainerList(list, 'docker')!)
      expect(container).toMatchObject({ name: '', pod: '', networkId: ID });
  });

  it('keeps names as they are, whatever is in them, and cuts long ones', () => {
    const name = 'a"b\\\n\u0000\u2028{"Id":"x"}';
    expect(readContainerList([{ Id: ID, Names: [`/${name}`] }], 'docker')).toMatchObject([{ name }]);
    const long = readContainerList(
      [{ Id: ID, Names: [`/${'x'.repeat(4096)}`], Labels: { 'io.kubernetes.pod.name': 'p'.repeat(4096) } }],
      'docker',
    )!;
    expect(long[0]!.engineName).toHaveLength(MAX_NAME_LENGTH);
    expect(long[0]!.pod).toHaveLength(MAX_NAME_LENGTH);
  });

  it('takes nothing from the prototypes of objects', () => {
    const list = JSON.parse(`[{"Id":"${ID}","Labels":{"__proto__":{"io.kubernetes.pod.name":"x"}}}]`) as unknown;
    expect(readContainerList(list, 'docker')).toMatchObject([{ pod: '' }]);
  });

  it("knows Podman's infra container, and no container of Docker of that name", () => {
    const infra = [{ Id: ID, Names: ['/1c0b73d7a1d7-infra'], Image: 'localhost/podman-pause:4.3.1-0' }];
    expect(readContainerList(infra, 'podman')).toMatchObject([{ isSandbox: true }]);
    expect(readContainerList(infra, 'docker')).toMatchObject([{ isSandbox: false }]);
  });

  it('a label alone makes no sandbox of a container', () => {
    const labels = { 'io.kubernetes.docker.type': 'podsandbox' };
    expect(readContainerList([{ Id: ID, Labels: labels }], 'docker')).toMatchObject([{ isSandbox: false }]);
  });
});

describe('readEvent', () => {
  it('takes a name from what starts, is made or renamed', () => {
    expect(readEvent(START, 'docker')).toMatchObject({
      kind: 'named',
      container: { id: ID, name: 'ubuntu_test', pod: '' },
    });
    const renamed = event('rename', { name: 'new', oldName: '/old', image: 'bb:1' });
    expect(readEvent(renamed, 'docker')).toMatchObject({ kind: 'named', container: { name: 'new' } });
    expect(readEvent(event('create', { ...POD_LABELS, name: 'k8s_heapster' }), 'docker')).toMatchObject({
      container: { name: 'heapster', engineName: 'k8s_heapster', podNamespace: 'kube-system', isPodCertain: false },
    });
  });

  it('tells what goes away', () => {
    expect(readEvent(event('destroy', {}), 'docker')).toEqual({ kind: 'removed', id: ID });
    expect(readEvent(event('remove', {}), 'podman')).toEqual({ kind: 'removed', id: ID });
  });

  it.each(['die', 'exec_start: sh', 'health_status: healthy', ''])('has nothing to take from %s', (action) => {
    expect(readEvent(event(action, {}), 'docker')).toBe('other');
  });

  it.each(['', '{', 'null', '[]', '{"Actor":{}}', `{"Type":"network","Action":"destroy","Actor":{"ID":"${ID}"}}`])(
    'is none: %s',
    (line) => {
      expect(readEvent(line, 'docker')).toBeUndefined();
    },
  );

  it('whatever is changed in it, it is read or refused', () => {
    const random = new Random(11);
    for (let i = 0; i < 20_000; i++) {
      const octets = Buffer.from(START);
      for (let changes = 1 + random.below(3); changes > 0; changes--)
        octets[random.below(octets.length)] = random.below(256);
      const change = readEvent(
        octets.toString().slice(0, random.below(2) === 0 ? octets.length : random.below(octets.length)),
        'docker',
      );
      if (typeof change === 'object' && change.kind === 'named') expect(change.container.id).toMatch(/^[0-9a-f]{64}$/);
    }
  });
});

describe('DockerEngine', () => {
  let directory: SocketDirectory;
  let docker: FakeDocker;
  let engine: DockerEngine;

  beforeEach(async () => {
    directory = new SocketDirectory();
    docker = await new FakeDocker().listen(directory.socket('docker.sock'));
    engine = new DockerEngine({ socketPath: directory.socket('docker.sock'), timeoutMs: 200 });
  });
  afterEach(async () => {
    engine.close();
    await docker.close();
    directory.remove();
  });

  it('lists by paths without a version', async () => {
    docker.containers = LIST;
    const answer = await engine.list();
    expect(answer).toMatchObject({ kind: 'listed', containers: [{ id: ID }, { id: PAUSE_ID }] });
    await engine.list();
    expect(docker.asked).toEqual(['/version', '/containers/json', '/containers/json']);
  });

  it("tells Podman by its answer, not by its socket's name", async () => {
    docker.version = { Components: [{ Name: 'Podman Engine', Version: '4.3.1' }] };
    docker.containers = LIST;
    expect(await engine.list()).toMatchObject({ containers: [{ engine: 'podman' }, { engine: 'podman' }] });
  });

  it.each<[string, (response: import('node:http').ServerResponse) => void, RegExp]>([
    ['500', (response) => void response.writeHead(500).end('{}'), /^HTTP status 500 for \/version$/],
    ['no JSON', (response) => void response.end('<html>'), /^no JSON/],
    ['nothing', (response) => void response.end(), /^no JSON/],
    ['no answer at all', () => {}, /within 200 ms$/],
    ['an answer without end', (response) => void response.write('['), /within 200 ms$/],
    ['an answer that drips', (response) => void setInterval(() => response.write(' '), 20).unref(), /within 200 ms$/],
    ['a broken connection', (response) => void response.socket?.destroy(), /ECONNRESET|hang up/],
    [
      'an answer cut short',
      (response) =>
        void response.writeHead(200, { 'content-length': '9' }).write('[', () => response.socket?.destroy()),
      /aborted|ECONNRESET/,
    ],
    ['too much', (response) => void response.end(Buffer.alloc(9 << 20, 0x20)), /more than 8388608 octets/],
  ])('fails by %s', async (_, answer, reason) => {
    docker.answer = (__, response) => answer(response);
    expect(await engine.list()).toMatchObject({ kind: 'failed', reason: expect.stringMatching(reason) });
    // And is as good as before.
    docker.answer = undefined;
    docker.containers = LIST;
    expect((await engine.list()).kind).toBe('listed');
  });

  it('fails where the list is none', async () => {
    docker.containers = { message: 'no' };
    expect(await engine.list()).toMatchObject({ kind: 'failed', reason: expect.stringContaining('no list') });
  });

  it('is absent without a socket, and fails where nobody listens', async () => {
    const none = new DockerEngine({ socketPath: directory.socket('none.sock') });
    expect(await none.list()).toEqual({ kind: 'absent' });
    engine.close();
    expect(await engine.list()).toMatchObject({ kind: 'failed', reason: 'closed' });
  });

  it('follows events, however they are cut, past those that are none', async () => {
    const changes: ContainerChange[] = [];
    let ends = 0;
    engine.follow(
      (change) => changes.push(change),
      () => ends++,
    );
    await expect.poll(() => docker.followers).toBe(1);
    docker.send(`${START.slice(0, 50)}`);
    docker.send(`${START.slice(50)}\n\ngarbage\n${event('destroy', {})}\n`);
    await expect.poll(() => changes.length).toBe(2);
    expect(changes.map(({ kind }) => kind)).toEqual(['named', 'removed']);
    expect(engine.eventsInvalid).toBe(1);
    docker.endEvents();
    await expect.poll(() => ends).toBe(1);
  });

  it('leaves an event without end', async () => {
    let ends = 0;
    engine.follow(
      () => {},
      () => ends++,
    );
    await expect.poll(() => docker.followers).toBe(1);
    docker.send('x'.repeat(300_000));
    await expect.poll(() => ends).toBe(1);
  });

  it('tells the end of events that the engine refuses', async () => {
    docker.answer = (_, response) => void response.writeHead(500).end();
    let ends = 0;
    engine.follow(
      () => {},
      () => ends++,
    );
    await expect.poll(() => ends).toBe(1);
  });
});
