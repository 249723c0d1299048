import { beforeEach, describe, expect, it } from 'vitest';
import { addressWords } from '../../src/agent/address-words.ts';
import type { FlowOwner } from '../../src/agent/flow-owner.ts';
import { NamespaceAddresses } from '../../src/agent/namespace-addresses.ts';
import { SocketDirectory } from '../../src/agent/socket-directory.ts';
import type { SocketEntry } from '../../src/agent/socket-entry.ts';
import { listenerOf, OWN, processOf, socketOf } from '../support/agent-parts.ts';
import { Random } from '../support/random.ts';

const SEED = Uint32Array.of(0x1234_5678, 0x9abc_def0);
const OTHER = OWN + 7;
const KEEP_MS = 120_000;
const SLACK_MS = 10_000;

let addresses: NamespaceAddresses;
let directory: SocketDirectory;

beforeEach(() => open());

function open(maxSockets = 1000): void {
  addresses = new NamespaceAddresses({ keepMs: KEEP_MS, seed: SEED, ownAddresses: () => ['192.0.2.7', '2001:db8::7'] });
  addresses.startLook(1000);
  addresses.read({ id: OWN, pid: 0 });
  addresses.see(OTHER, '172.17.0.2');
  addresses.endLook();
  directory = new SocketDirectory({ maxSockets, keepMs: KEEP_MS, slackMs: SLACK_MS, seed: SEED }, addresses);
}

function ownerOf(pid: number, userId = 1000): FlowOwner {
  const process = pid === 0 ? undefined : processOf(pid, { userId });
  return { process, father: undefined, container: undefined, userId, userName: `user${userId}`, usage: undefined };
}

/** Takes a socket that a process has. */
function see(entry: SocketEntry, pid: number, timeMs: number): void {
  directory.see(entry, entry, ownerOf(pid), timeMs);
}

/** Asks for the owner of the first end of a flow. */
function ask(local: string, remote: string, startMs: number, endMs = startMs, protocol = 6): FlowOwner | undefined {
  const asked = socketOf(local, remote);
  expect(addressWords(asked.localAddress, directory.local, 0)).toBe(true);
  expect(addressWords(asked.remoteAddress, directory.remote, 0)).toBe(true);
  directory.times[0] = startMs;
  directory.times[1] = endMs;
  return directory.find(protocol, asked.localPort, asked.remotePort);
}

const pidOf = (...args: Parameters<typeof ask>): number | undefined => ask(...args)?.process?.pid;

describe('connections', () => {
  it('are found by addresses, ports and protocol, each exactly', () => {
    see(socketOf('192.0.2.7:40000', '198.51.100.1:443'), 11, 1000);
    see(socketOf('[2001:db8::7]:40000', '[2001:db8::1]:443'), 12, 1000);
    expect(pidOf('192.0.2.7:40000', '198.51.100.1:443', 1000)).toBe(11);
    expect(pidOf('[2001:db8::7]:40000', '[2001:db8::1]:443', 1000)).toBe(12);
    expect(pidOf('192.0.2.8:40000', '198.51.100.1:443', 1000)).toBeUndefined();
    expect(pidOf('192.0.2.7:40001', '198.51.100.1:443', 1000)).toBeUndefined();
    expect(pidOf('192.0.2.7:40000', '198.51.100.2:443', 1000)).toBeUndefined();
    expect(pidOf('192.0.2.7:40000', '198.51.100.1:444', 1000)).toBeUndefined();
    expect(pidOf('192.0.2.7:40000', '198.51.100.1:443', 1000, 1000, 17)).toBeUndefined();
    expect(pidOf('[2001:db8::7]:40000', '[2001:db8:1::1]:443', 1000)).toBeUndefined();
  });

  it('of other namespaces are found by their addresses', () => {
    see(socketOf('172.17.0.2:40000', '198.51.100.1:443', undefined, { namespace: OTHER }), 11, 1000);
    expect(pidOf('172.17.0.2:40000', '198.51.100.1:443', 1000)).toBe(11);
  });

  it('of the loopback are the own namespace alone', () => {
    see(socketOf('127.0.0.1:40000', '127.0.0.1:80', undefined, { namespace: OTHER }), 11, 1000);
    expect(pidOf('127.0.0.1:40000', '127.0.0.1:80', 1000)).toBeUndefined();
    see(socketOf('127.0.0.1:40000', '127.0.0.1:80'), 12, 1000);
    see(socketOf('127.0.0.1:40000', '127.0.0.1:80', undefined, { namespace: OTHER }), 11, 2000);
    expect(pidOf('127.0.0.1:40000', '127.0.0.1:80', 1000)).toBe(12);
  });

  it('turned round are the other end', () => {
    see(socketOf('192.0.2.7:80', '192.0.2.7:40000'), 11, 1000);
    expect(pidOf('192.0.2.7:40000', '192.0.2.7:80', 1000)).toBeUndefined();
    directory.swap();
    expect(directory.find(6, 80, 40_000)?.process?.pid).toBe(11);
  });

  it('keep the owner they had when its process was there', () => {
    const entry = socketOf('192.0.2.7:40000', '198.51.100.1:443');
    see(entry, 11, 1000);
    see(entry, 0, 6000);
    expect(pidOf('192.0.2.7:40000', '198.51.100.1:443', 6000)).toBe(11);
    see(entry, 12, 7000);
    expect(pidOf('192.0.2.7:40000', '198.51.100.1:443', 7000)).toBe(12);
  });
});

describe('ports used again', () => {
  const [LOCAL, REMOTE] = ['192.0.2.7:40000', '198.51.100.1:443'];
  const first = socketOf(LOCAL, REMOTE, undefined, { cookie: '00000000000000aa' });
  const second = socketOf(LOCAL, REMOTE, undefined, { cookie: '00000000000000bb' });

  it('belong to whoever had them at the time', () => {
    see(first, 11, 100_000);
    expect(directory.end(first, first.cookie, 103_000)).toBe(true);
    see(second, 12, 105_000);
    expect(directory.size).toBe(2);
    expect(pidOf(LOCAL, REMOTE, 101_000, 102_000)).toBe(11);
    expect(pidOf(LOCAL, REMOTE, 102_000, 103_000)).toBe(11);
    expect(pidOf(LOCAL, REMOTE, 104_800, 105_100)).toBe(12);
    expect(pidOf(LOCAL, REMOTE, 105_000, 109_000)).toBe(12);
  });

  it('belong to the new one although nobody told of the end of the old one', () => {
    see(first, 11, 100_000);
    see(second, 12, 105_000);
    expect(pidOf(LOCAL, REMOTE, 105_500, 106_000)).toBe(12);
    expect(pidOf(LOCAL, REMOTE, 99_000, 100_500)).toBe(11);
  });

  it('are told apart by inode where there is no cookie', () => {
    see(socketOf(LOCAL, REMOTE), 11, 100_000);
    see(socketOf(LOCAL, REMOTE), 12, 105_000);
    expect(directory.size).toBe(2);
    expect(pidOf(LOCAL, REMOTE, 106_000)).toBe(12);
  });

  it('take an event without a cookie for the socket that is there', () => {
    see({ ...first, cookie: '' }, 11, 100_000);
    see({ ...first, inode: 0 }, 11, 101_000);
    expect(directory.size).toBe(1);
    see(second, 12, 102_000);
    expect(directory.size).toBe(2);
  });

  it('are one socket whose end ss told before the event of its beginning came', () => {
    // As a kernel's clock and a busy machine made it: the flow ended before the first word of its socket, and the event bears a later time.
    const tuple = socketOf('192.0.2.7:35506', '198.51.100.1:80');
    directory.see(tuple, { cookie: 'a876f', inode: 0 }, ownerOf(0), 2401);
    directory.end(tuple, 'a876f', 2401);
    directory.see(tuple, { cookie: '', inode: 0 }, ownerOf(19974), 2401.2);
    directory.end(tuple, '', 2402.9);
    expect(directory.size).toBe(1);
    expect(pidOf('192.0.2.7:35506', '198.51.100.1:80', 2398, 2400)).toBe(19974);
    // The next one to use the port is another, however soon it comes.
    directory.see(tuple, { cookie: '', inode: 0 }, ownerOf(20000), 2500);
    expect(directory.size).toBe(2);
    expect(pidOf('192.0.2.7:35506', '198.51.100.1:80', 2398, 2400)).toBe(19974);
    expect(pidOf('192.0.2.7:35506', '198.51.100.1:80', 2500, 2600)).toBe(20000);
  });

  it('are one socket whose end was told before the look that saw it', () => {
    directory.see(first, { cookie: '', inode: 0 }, ownerOf(11), 100_000);
    directory.end(first, '', 103_000);
    see(first, 0, 99_900);
    see(first, 0, 103_000);
    expect(directory.end(first, '', 103_900)).toBe(true);
    expect(directory.size).toBe(1);
    expect(pidOf(LOCAL, REMOTE, 101_000)).toBe(11);
    see({ ...second, cookie: '' }, 12, 104_000);
    expect(directory.size).toBe(2);
  });

  it('are not revived by a look that began before their end', () => {
    see(first, 11, 100_000);
    directory.end(first, first.cookie, 103_000);
    see(first, 11, 102_000);
    expect(pidOf(LOCAL, REMOTE, 114_000)).toBeUndefined();
  });
});

describe('times', () => {
  it('of flows may lie a slack before and after a socket', () => {
    const entry = socketOf('192.0.2.7:40000', '198.51.100.1:443');
    see(entry, 11, 100_000);
    directory.end(entry, '', 110_000);
    const at = (startMs: number, endMs: number) => pidOf('192.0.2.7:40000', '198.51.100.1:443', startMs, endMs);
    expect(at(80_000, 90_000)).toBe(11);
    expect(at(80_000, 89_999)).toBeUndefined();
    expect(at(120_000, 121_000)).toBe(11);
    expect(at(120_001, 121_000)).toBeUndefined();
    expect(at(50_000, 200_000)).toBe(11);
  });

  it('go on for a socket that a look may still show', () => {
    const entry = socketOf('192.0.2.7:40000', '198.51.100.1:443');
    see(entry, 11, 100_000);
    expect(pidOf('192.0.2.7:40000', '198.51.100.1:443', 115_000)).toBe(11);
    directory.endUnseen(100_000);
    expect(pidOf('192.0.2.7:40000', '198.51.100.1:443', 115_000)).toBe(11);
    directory.endUnseen(105_000);
    expect(pidOf('192.0.2.7:40000', '198.51.100.1:443', 115_000)).toBeUndefined();
  });

  it('make sockets forgotten, also those ahead of a clock set back', () => {
    see(socketOf('192.0.2.7:1', '198.51.100.1:443'), 11, 100_000);
    see(socketOf('192.0.2.7:2', '198.51.100.1:443'), 12, 200_000);
    directory.forget(220_000);
    expect(directory.size).toBe(2);
    directory.forget(220_001);
    expect(directory.size).toBe(1);
    expect(pidOf('192.0.2.7:2', '198.51.100.1:443', 200_000)).toBe(12);
    directory.forget(79_999);
    expect(directory.size).toBe(0);
    expect(directory.counters.socketsForgotten).toBe(0);
  });
});

describe('listeners', () => {
  it('own connections whose process is not known', () => {
    see(listenerOf('192.0.2.7:80'), 11, 1000);
    expect(pidOf('192.0.2.7:80', '198.51.100.1:5000', 1000)).toBe(11);
    const connection = socketOf('192.0.2.7:80', '198.51.100.1:5000');
    directory.see(connection, connection, ownerOf(0, -1), 1000);
    expect(pidOf('192.0.2.7:80', '198.51.100.1:5000', 1000)).toBe(11);
    directory.see(connection, connection, ownerOf(0, 33), 1000);
    expect(ask('192.0.2.7:80', '198.51.100.1:5000', 1000)).toMatchObject({ process: undefined, userId: 33 });
    see(connection, 12, 1000);
    expect(pidOf('192.0.2.7:80', '198.51.100.1:5000', 1000)).toBe(12);
  });

  it('without an address answer in their own namespace', () => {
    see(listenerOf('0.0.0.0:80'), 11, 1000);
    see(listenerOf('0.0.0.0:80', { namespace: OTHER }), 12, 1000);
    expect(pidOf('192.0.2.7:80', '198.51.100.1:5000', 1000)).toBe(11);
    expect(pidOf('127.0.0.1:80', '127.0.0.1:5000', 1000)).toBe(11);
    expect(pidOf('172.17.0.2:80', '198.51.100.1:5000', 1000)).toBe(12);
    expect(pidOf('172.17.0.3:80', '198.51.100.1:5000', 1000)).toBeUndefined();
    expect(pidOf('[2001:db8::7]:80', '[2001:db8::1]:5000', 1000)).toBeUndefined();
  });

  it('of several namespaces with one address are nobody’s', () => {
    addresses.see(OTHER + 1, '172.17.0.2');
    addresses.startLook(1000);
    addresses.endLook();
    see(listenerOf('0.0.0.0:80', { namespace: OTHER }), 11, 1000);
    see(listenerOf('0.0.0.0:80', { namespace: OTHER + 1 }), 12, 1000);
    expect(pidOf('172.17.0.2:80', '198.51.100.1:5000', 1000)).toBeUndefined();
    expect(directory.counters.questionsAmbiguous).toBe(1);
    see(socketOf('172.17.0.2:80', '198.51.100.1:5000', undefined, { namespace: OTHER }), 13, 1000);
    expect(pidOf('172.17.0.2:80', '198.51.100.1:5000', 1000)).toBe(13);
  });

  it('of IPv6 take IPv4 where nobody else does', () => {
    see(listenerOf('[::]:80'), 11, 1000);
    expect(pidOf('192.0.2.7:80', '198.51.100.1:5000', 1000)).toBe(11);
    expect(pidOf('[2001:db8::7]:80', '[2001:db8::1]:5000', 1000)).toBe(11);
    see(listenerOf('0.0.0.0:80'), 12, 1000);
    expect(pidOf('192.0.2.7:80', '198.51.100.1:5000', 1000)).toBe(12);
    expect(pidOf('[2001:db8::7]:80', '[2001:db8::1]:5000', 1000)).toBe(11);
  });

  it('may be several at a port', () => {
    const one = listenerOf('0.0.0.0:80', { cookie: '00000000000000aa' });
    const two = listenerOf('0.0.0.0:80', { cookie: '00000000000000bb' });
    for (const timeMs of [1000, 6000]) {
      see(one, 11, timeMs);
      see(two, 12, timeMs);
    }
    directory.endUnseen(6000);
    expect(directory.size).toBe(2);
    expect([11, 12]).toContain(pidOf('192.0.2.7:80', '198.51.100.1:5000', 20_000));
  });
});

describe('bounds', () => {
  it('make room for the new by what was not seen for longest', () => {
    open(3);
    const entries = [1, 2, 3, 4].map((port) => socketOf(`192.0.2.7:${port}`, '198.51.100.1:443'));
    for (const [i, entry] of entries.slice(0, 3).entries()) see(entry, i + 1, 1000 + i);
    see(entries[0]!, 1, 2000);
    see(entries[3]!, 4, 2000);
    expect(directory.size).toBe(3);
    expect(directory.counters).toMatchObject({ socketsLearned: 4, socketsForgotten: 1 });
    expect([1, 2, 3, 4].map((port) => pidOf(`192.0.2.7:${port}`, '198.51.100.1:443', 2000))).toEqual([
      1,
      undefined,
      3,
      4,
    ]);
  });

  it('count sockets whose addresses are none', () => {
    see({ ...socketOf('192.0.2.7:1', '198.51.100.1:443'), localAddress: 'nonsense' }, 1, 1000);
    see({ ...socketOf('192.0.2.7:1', '198.51.100.1:443'), remoteAddress: '1.2.3' }, 1, 1000);
    expect(directory.size).toBe(0);
    expect(directory.counters.socketsInvalid).toBe(2);
  });

  it('hold beside a plain map through a long mix of calls', () => {
    const max = 50;
    open(max);
    const random = new Random(20_260_101);
    // In the order of being seen.
    const model = new Map<number, { pid: number; timeMs: number }>();
    for (let i = 0; i < 5000; i++) {
      const timeMs = 100_000 + 10 * i;
      const port = 1 + random.below(200);
      const entry = socketOf(`192.0.2.7:${port}`, '198.51.100.1:443', undefined, { inode: port });
      if (random.below(10) === 0) {
        const known = directory.seeAgain(entry, entry, timeMs);
        expect(known).toBe(model.has(port));
        const before = model.get(port);
        if (before !== undefined) {
          model.delete(port);
          model.set(port, { ...before, timeMs });
        }
      } else {
        const pid = 1 + random.below(1000);
        see(entry, pid, timeMs);
        if (!model.delete(port) && model.size === max) model.delete(model.keys().next().value!);
        model.set(port, { pid, timeMs });
      }
      const asked = 1 + random.below(200);
      const at = model.get(asked)?.timeMs ?? timeMs;
      expect(pidOf(`192.0.2.7:${asked}`, '198.51.100.1:443', at)).toBe(model.get(asked)?.pid);
      expect(directory.size).toBe(model.size);
    }
  });
});
