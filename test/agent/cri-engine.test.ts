import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  CriEngine,
  readContainers,
  readNamespaces,
  readNativeContainers,
  readSandboxes,
} from '../../src/agent/cri-engine.ts';
import type { ListedContainer } from '../../src/agent/listed-container.ts';
import { ProtobufReader } from '../../src/agent/protobuf-reader.ts';
import { answerWith, type FakeAnswer, FakeGrpc, framed, SocketDirectory } from '../support/fake-engine.ts';
import { field, mapField, message, numberField, varint } from '../support/protobuf-message.ts';
import { Random } from '../support/random.ts';

const SANDBOX_ID = 'a1'.repeat(32);
const DNS_ID = 'b2'.repeat(32);
const NERD_ID = 'c3'.repeat(32);
const POD = 'kube-dns-6bfbdd666c-2wflq';
const UID = '5f0c4a1e-1111-4222-8333-444455556666';

/** PodSandbox of cri-api, runtime/v1/api.proto: id 1, metadata 2 (name, uid, namespace, attempt), state 3, created_at 4, labels 5. */
const SANDBOXES = field(
  1,
  message(
    field(1, SANDBOX_ID),
    field(2, message(field(1, POD), field(2, UID), field(3, 'kube-system'), numberField(4, 1))),
    numberField(3, 0),
    numberField(4, 2 ** 60),
    mapField(5, { 'io.kubernetes.pod.name': POD }),
  ),
);

/** Container: id 1, pod_sandbox_id 2, metadata 3 (name, attempt), image 4, image_ref 5, state 6, created_at 7, labels 8. */
const CONTAINERS = message(
  field(
    1,
    message(
      field(1, DNS_ID),
      field(2, SANDBOX_ID),
      field(3, message(field(1, 'dnsmasq'), numberField(2, 3))),
      field(4, field(1, 'docker.io/library/bb:1')),
      numberField(6, 1),
      mapField(8, { 'io.kubernetes.container.name': 'another' }),
    ),
  ),
);

/** Container of containerd, api/services/containers/v1/containers.proto: id 1, labels 2, image 3. */
function native(labels: Record<string, string>): Buffer {
  return field(1, message(field(1, NERD_ID), mapField(2, labels), field(3, 'docker.io/library/bb:1')));
}

const dnsmasq = {
  id: DNS_ID,
  shortId: DNS_ID.slice(0, 12),
  name: 'dnsmasq',
  pod: POD,
  podNamespace: 'kube-system',
  podUid: UID,
  isPodCertain: true,
  isSandbox: false,
  networkId: SANDBOX_ID,
};

describe('the messages', () => {
  it('name containers by their pods', () => {
    const sandboxes = readSandboxes(SANDBOXES, 'cri-o')!;
    expect(sandboxes.get(SANDBOX_ID)).toMatchObject({
      name: 'POD',
      pod: POD,
      podNamespace: 'kube-system',
      podUid: UID,
      isSandbox: true,
    });
    const listed: ListedContainer[] = [];
    expect(readContainers(CONTAINERS, 'cri-o', sandboxes, listed)).toBe(true);
    expect(listed).toMatchObject([{ ...dnsmasq, engine: 'cri-o' }]);
  });

  it('name containers that Kubernetes did not make, and believe its labels in its own namespace alone', () => {
    const claims = {
      'io.cri-containerd.kind': 'container',
      'io.kubernetes.container.name': 'x',
      'io.kubernetes.pod.name': 'y',
      'nerdctl/name': 'web',
    };
    const read = (namespace: string, labels: Record<string, string>) => {
      const listed: ListedContainer[] = [];
      expect(readNativeContainers(native(labels), namespace, listed)).toBe(true);
      return listed[0];
    };
    expect(read('default', claims)).toMatchObject({ name: 'web', pod: '', isPodCertain: false });
    expect(read('k8s.io', claims)).toMatchObject({ name: 'x', pod: 'y', isPodCertain: true, isSandbox: false });
    expect(read('k8s.io', { ...claims, 'io.cri-containerd.kind': 'sandbox' })).toMatchObject({
      name: 'POD',
      isSandbox: true,
    });
  });

  it('name namespaces that a header can hold', () => {
    const names = ['moby', 'k8s.io', 'a\nb', 'x'.repeat(100), '', 'default'];
    expect(readNamespaces(message(...names.map((name) => field(1, field(1, name)))))).toEqual([
      'moby',
      'k8s.io',
      'default',
    ]);
  });

  it.each([
    ['a field without its octets', Buffer.from([0x0a, 0x05, 0x01])],
    ['a length of 2^63', Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f])],
    ['a number of eleven octets', Buffer.concat([Buffer.from([0x08]), Buffer.alloc(10, 0x80), Buffer.of(1)])],
    ['a number cut short', Buffer.from([0x08, 0x80])],
    ['field 0', Buffer.from([0x02, 0x00])],
    ['a group', Buffer.from([0x0b])],
    ['type 7', Buffer.from([0x0f])],
    ['a fixed64 cut short', Buffer.from([0x09, 1, 2, 3])],
    ['a fixed32 cut short', Buffer.from([0x0d, 1])],
    ['a damaged message within', field(1, Buffer.from([0x0a, 0x09]))],
    ['a damaged message two within', field(1, field(2, Buffer.from([0x0a, 0x09])))],
  ])('are refused with %s', (_, octets) => {
    expect(readSandboxes(octets, 'containerd')).toBeUndefined();
    expect(readNativeContainers(octets, 'default', [])).toBe(false);
  });

  it('have whole numbers of any size', () => {
    const reader = new ProtobufReader(
      message(
        numberField(1, 0),
        numberField(2, 300),
        numberField(3, 2 ** 53 - 1),
        Buffer.from([0x21, 1, 2, 3, 4, 5, 6, 7, 8]),
      ),
    );
    const values: number[] = [];
    while (reader.next()) values.push(reader.field === 4 ? reader.octets.length : reader.number);
    expect([values, reader.isInvalid]).toEqual([[0, 300, 2 ** 53 - 1, 8], false]);
    // The largest field number, and one more.
    expect(new ProtobufReader(Buffer.concat([varint((2 ** 29 - 1) * 8), Buffer.of(0)])).next()).toBe(true);
    expect(new ProtobufReader(Buffer.concat([varint(2 ** 29 * 8), Buffer.of(0)])).next()).toBe(false);
  });

  it('whatever is changed, cut or made up, are read or refused', () => {
    const random = new Random(13);
    const seeds = [SANDBOXES, CONTAINERS, native({ a: 'b' })];
    for (let i = 0; i < 30_000; i++) {
      const octets = random.below(4) === 0 ? random.octets(random.below(200)) : Uint8Array.from(random.pick(seeds));
      for (let changes = random.below(4); changes > 0 && octets.length > 0; changes--) {
        octets[random.below(octets.length)] = random.pick([0, 1, 0x7f, 0x80, 0xff, random.below(256)]);
      }
      const cut = octets.subarray(0, random.below(3) === 0 ? random.below(octets.length + 1) : octets.length);
      const listed: ListedContainer[] = [];
      const sandboxes = readSandboxes(cut, 'containerd') ?? new Map<string, ListedContainer>();
      readContainers(cut, 'containerd', sandboxes, listed);
      readNativeContainers(cut, 'k8s.io', listed);
      for (const { id, name } of [...listed, ...sandboxes.values()]) {
        expect(id).toMatch(/^[0-9a-f]{64}$/);
        expect(name.length).toBeLessThan(256);
      }
    }
  });
});

describe('CriEngine', () => {
  let directory: SocketDirectory;
  let server: FakeGrpc;
  let engine: CriEngine;

  beforeEach(async () => {
    directory = new SocketDirectory();
    server = await new FakeGrpc().listen(directory.socket('cri.sock'));
    engine = new CriEngine({ socketPath: directory.socket('cri.sock'), engine: 'containerd', timeoutMs: 200 });
  });
  afterEach(async () => {
    engine.close();
    await server.close();
    directory.remove();
  });

  function serve(answers: Record<string, FakeAnswer>): void {
    for (const [method, answer] of Object.entries(answers)) server.answers.set(method, answer);
  }

  const runtime = (version: string) => ({
    [`/runtime.${version}.RuntimeService/ListPodSandbox`]: SANDBOXES,
    [`/runtime.${version}.RuntimeService/ListContainers`]: CONTAINERS,
  });

  it.each(['v1', 'v1alpha2'])('lists pods and containers by runtime.%s', async (version) => {
    serve(runtime(version));
    const answer = await engine.list();
    expect(answer).toMatchObject({
      kind: 'listed',
      containers: [
        { ...dnsmasq, engine: 'containerd' },
        { id: SANDBOX_ID, isSandbox: true },
      ],
    });
    server.asked.length = 0;
    await engine.list();
    expect(server.asked[0]).toBe(`/runtime.${version}.RuntimeService/ListPodSandbox`);
  });

  it('lists what is in other namespaces, but not what Docker or the interface answer for', async () => {
    const namespaces = message(...['moby', 'k8s.io', 'default', 'gone'].map((name) => field(1, field(1, name))));
    serve({
      ...runtime('v1'),
      '/containerd.services.namespaces.v1.Namespaces/List': namespaces,
      '/containerd.services.containers.v1.Containers/List default': native({ 'nerdctl/name': 'web' }),
      '/containerd.services.containers.v1.Containers/List gone': 5,
    });
    const answer = await engine.list();
    expect(answer).toMatchObject({ containers: [{ id: DNS_ID }, { id: SANDBOX_ID }, { id: NERD_ID, name: 'web' }] });
    expect(server.asked.join()).not.toMatch(/List (moby|k8s.io)/);
  });

  it("lists Kubernetes' own namespace where containerd has no such interface", async () => {
    serve({
      '/containerd.services.namespaces.v1.Namespaces/List': field(1, field(1, 'k8s.io')),
      '/containerd.services.containers.v1.Containers/List k8s.io': native({
        'io.cri-containerd.kind': 'container',
        'io.kubernetes.pod.name': 'p',
      }),
    });
    expect(await engine.list()).toMatchObject({ containers: [{ id: NERD_ID, pod: 'p' }] });
  });

  it('lists none of an empty engine', async () => {
    serve({
      '/runtime.v1.RuntimeService/ListPodSandbox': new Uint8Array(0),
      '/runtime.v1.RuntimeService/ListContainers': new Uint8Array(0),
    });
    expect(await engine.list()).toEqual({ kind: 'listed', containers: [] });
  });

  it.each<[string, FakeAnswer, RegExp]>([
    ['a refusal', 7, /^refused with status 7$/],
    ['octets that are no message', Buffer.from([0x0a, 0x09]), /^no message in the answer to ListPodSandbox$/],
    ['a frame cut short', (stream) => answerWith(stream, framed(SANDBOXES).subarray(0, 20)), /not one message/],
    [
      'a frame too many',
      (stream) => answerWith(stream, Buffer.concat([framed(SANDBOXES), framed(SANDBOXES)])),
      /not one message/,
    ],
    [
      'a compressed frame',
      (stream) => answerWith(stream, Buffer.concat([Buffer.of(1), framed(SANDBOXES).subarray(1)])),
      /not one message/,
    ],
    [
      'an answer without status',
      (stream) => {
        stream.respond({ ':status': 200 });
        stream.end(framed(SANDBOXES));
      },
      /without a status/,
    ],
    ['HTTP status 500', (stream) => stream.respond({ ':status': 500 }, { endStream: true }), /^HTTP status 500$/],
    ['no answer', () => {}, /within 200 ms/],
    ['a broken stream', (stream) => stream.close(2), /ERR_HTTP2|ended/],
    ['a broken connection', (stream) => stream.session?.destroy(), /ended|ECONNRESET|ERR_HTTP2|without a status/],
    ['too much', (stream) => answerWith(stream, Buffer.alloc(9 << 20)), /more than 8388608 octets/],
  ])('fails by %s', async (_, answer, reason) => {
    serve({ ...runtime('v1'), '/runtime.v1.RuntimeService/ListPodSandbox': answer });
    expect(await engine.list()).toMatchObject({ kind: 'failed', reason: expect.stringMatching(reason) });
    serve(runtime('v1'));
    expect((await engine.list()).kind).toBe('listed');
  });

  it('is absent without a socket and fails once closed', async () => {
    const none = new CriEngine({ socketPath: directory.socket('none.sock'), engine: 'cri-o' });
    expect(await none.list()).toEqual({ kind: 'absent' });
    engine.close();
    expect(await engine.list()).toEqual({ kind: 'failed', reason: 'closed' });
  });
});
