import { describe, expect, it } from 'vitest';
import { containerOfCgroup, containerOfPath } from '../../src/agent/cgroup-path.ts';
import { Random } from '../support/random.ts';

const ID = '0123456789abcdef'.repeat(4);
const OTHER = 'fedcba9876543210'.repeat(4);
const UID = '0c2b1c7a-9a5e-4f0e-8a55-6f1f0f6d2a11';
const SYSTEMD_UID = UID.replaceAll('-', '_');
const STATIC_UID = 'ab'.repeat(16);

describe('containerOfPath', () => {
  it.each([
    ['Docker, cgroupfs', `/docker/${ID}`, 'docker', ''],
    ['Docker, systemd', `/system.slice/docker-${ID}.scope`, 'docker', ''],
    ['Docker, rootless', `/user.slice/user-1000.slice/user@1000.service/app.slice/docker-${ID}.scope`, 'docker', ''],
    ['Docker, below another directory', `/../../docker-${ID}.scope`, 'docker', ''],
    ['Podman, cgroupfs', `/libpod_parent/libpod-${ID}`, 'podman', ''],
    ['Podman, systemd', `/machine.slice/libpod-${ID}.scope/container`, 'podman', ''],
    ['Podman, rootless', `/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-${ID}.scope`, 'podman', ''],
    ['Kubernetes, cgroupfs', `/kubepods/burstable/pod${UID}/${ID}`, 'unknown', UID],
    ['Kubernetes, cgroupfs, CRI-O', `/kubepods/besteffort/pod${UID}/crio-${ID}`, 'cri-o', UID],
    [
      'Kubernetes, systemd, containerd',
      `/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${SYSTEMD_UID}.slice/cri-containerd-${ID}.scope`,
      'containerd',
      UID,
    ],
    [
      'Kubernetes, systemd, CRI-O, guaranteed',
      `/kubepods.slice/kubepods-pod${SYSTEMD_UID}.slice/crio-${ID}.scope`,
      'cri-o',
      UID,
    ],
    [
      'containerd that takes a systemd path for one of cgroupfs',
      `/system.slice/containerd.service/kubepods-burstable-pod${SYSTEMD_UID}.slice:cri-containerd:${ID}`,
      'containerd',
      UID,
    ],
    [
      'a static pod',
      `/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod${STATIC_UID}.slice/cri-containerd-${ID}.scope`,
      'containerd',
      STATIC_UID,
    ],
    ['ECS', `/ecs/0123456789abcdef0123456789abcdef/${ID}`, 'unknown', ''],
    ['a runner of jobs', `/actions_job/${ID}`, 'unknown', ''],
    ['a sibling, seen from inside a container', `/../${ID}`, 'unknown', ''],
  ])('%s', (_, path, engine, podUid) => {
    expect(containerOfPath(path)).toEqual({ id: ID, engine, podUid });
  });

  it.each([
    ['the root', '/'],
    ['a service', '/system.slice/ssh.service'],
    ["Podman's monitor", `/machine.slice/libpod-conmon-${ID}.scope`],
    ["CRI-O's monitor", `/kubepods.slice/kubepods-pod${SYSTEMD_UID}.slice/crio-conmon-${ID}.scope`],
    ['an id cut short', `/docker/${ID.slice(1)}`],
    ['an id too long', `/docker/${ID}0`],
    ['an id in capitals', `/docker/${ID.toUpperCase()}`],
    ['a unit of another kind', `/system.slice/docker-${ID}.mount`],
  ])('none: %s', (_, path) => {
    expect(containerOfPath(path)).toBeUndefined();
  });

  it('takes the outermost: a container cannot pass for another by directories it makes', () => {
    expect(containerOfPath(`/docker/${ID}/docker/${OTHER}`)?.id).toBe(ID);
    expect(containerOfPath(`/docker/${ID}/kubepods/pod${UID}/${OTHER}`)).toEqual({
      id: ID,
      engine: 'docker',
      podUid: '',
    });
    expect(containerOfPath(`/machine.slice/libpod-conmon-${ID}.scope/libpod-${OTHER}.scope`)).toBeUndefined();
  });
});

describe('containerOfCgroup', () => {
  it('version 2', () => {
    expect(containerOfCgroup(`0::/system.slice/docker-${ID}.scope\n`)?.id).toBe(ID);
  });

  it('version 1', () => {
    const text = `12:pids:/docker/${ID}\n11:cpu,cpuacct:/docker/${ID}\n1:name=systemd:/docker/${ID}\n`;
    expect(containerOfCgroup(text)).toEqual({ id: ID, engine: 'docker', podUid: '' });
  });

  it('both, with the container in one of them alone', () => {
    expect(containerOfCgroup(`9:name=systemd:/\n8:pids:/docker/${ID}\n0::/\n`)?.id).toBe(ID);
    expect(containerOfCgroup(`9:name=systemd:/\n8:pids:/\n0::/libpod_parent/libpod-${ID}\n`)?.id).toBe(ID);
  });

  it('both, the second asked first', () => {
    expect(containerOfCgroup(`8:pids:/docker/${OTHER}\n0::/docker/${ID}\n`)?.id).toBe(ID);
  });

  it('a path with colons', () => {
    const path = `/system.slice/containerd.service/kubepods-pod${SYSTEMD_UID}.slice:cri-containerd:${ID}`;
    expect(containerOfCgroup(`3:cpuset:${path}\n`)).toEqual({ id: ID, engine: 'containerd', podUid: UID });
  });

  it.each([
    '',
    '\n',
    ':',
    '::',
    '0::',
    `0::docker/${ID}`,
    ID,
    'x'.repeat(1_000_000),
    ':/'.repeat(100_000),
    `0::/${'pod-'.repeat(100_000)}`,
  ])('nothing in %#', (text) => {
    expect(containerOfCgroup(text)).toBeUndefined();
  });

  it('whatever the text: an id of 64 digits or nothing, in time that grows with its length', () => {
    const random = new Random(7);
    const parts = [
      '0::',
      '/',
      ':',
      '-',
      '\n',
      ID,
      ID.slice(3),
      'pod',
      UID,
      'docker',
      'conmon',
      '.scope',
      '.slice',
      '..',
    ];
    for (let i = 0; i < 5_000; i++) {
      const text = Array.from({ length: random.below(12) }, () => random.pick(parts)).join('');
      const container = containerOfCgroup(text);
      if (container !== undefined) expect(container.id).toBe(ID);
    }
  });
});
