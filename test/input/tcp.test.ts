import { once } from 'node:events';
import type { Socket } from 'node:net';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { TcpInputOptions } from '../../src/input/tcp.ts';
import { TcpInput } from '../../src/input/tcp.ts';
import { ascii, hex, ipfixMessage, join } from '../support/capture-builder.ts';

const inputs: TcpInput[] = [];
const sockets: Socket[] = [];
afterEach(async () => {
  vi.useRealTimers();
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const input of inputs.splice(0)) {
    await input.close();
    checkSums(input);
    expect(input.connectionsOpen).toBe(0);
  }
});

function checkSums(input: TcpInput): void {
  const closed =
    input.connectionsClosedPeer +
    input.connectionsClosedIdle +
    input.connectionsClosedNotIpfix +
    input.connectionsClosedError +
    input.connectionsClosedStopped;
  expect(input.connectionsAccepted).toBe(input.connectionsOpen + closed);
}

async function listen(options: Partial<TcpInputOptions> = {}): Promise<{ input: TcpInput; events: string[] }> {
  const events: string[] = [];
  const input = new TcpInput({
    address: '127.0.0.1',
    port: 0,
    onMessage: (connection, view, octets, start, end) => {
      expect([view.getUint16(start), octets[start + 1], view.getUint16(start + 2)]).toEqual([10, 10, end - start]);
      events.push(`${connection.id} message ${view.getUint32(start + 8)}`);
    },
    onConnectionOpen: (connection) => events.push(`${connection.id} open ${connection.sourceAddress}`),
    onConnectionClose: (connection, reason) => events.push(`${connection.id} close ${reason}`),
    ...options,
  });
  await input.open();
  inputs.push(input);
  return { input, events };
}

/** Time-outs pass when the test says so, whatever else the machine does. */
function takeOverTime(): void {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
}

async function dial(input: TcpInput): Promise<Socket> {
  const socket = connect(input.port, '127.0.0.1');
  socket.setNoDelay(true);
  socket.on('error', () => {});
  sockets.push(socket);
  await once(socket, 'connect');
  return socket;
}

async function until(isTrue: () => boolean, limitMs = 30_000): Promise<void> {
  const limit = performance.now() + limitMs;
  while (!isTrue() && performance.now() < limit) await sleep(2);
  expect(isTrue()).toBe(true);
}

describe('IPFIX over TCP', () => {
  it('is framed: two Messages in one write, one split octet by octet', async () => {
    const { input, events } = await listen();
    const socket = await dial(input);
    socket.write(join(ipfixMessage(1, ascii('a')), ipfixMessage(2, ascii('b'))));
    await until(() => events.length === 3);
    for (const octet of ipfixMessage(3, ascii('c'))) {
      socket.write(Uint8Array.of(octet));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await until(() => events.length === 4);
    socket.end();
    await until(() => events.length === 5);
    expect(events).toEqual(['1 open 127.0.0.1', '1 message 1', '1 message 2', '1 message 3', '1 close peer']);
    expect(input).toMatchObject({
      messagesReceived: 3,
      octetsReceived: 63,
      octetsSkipped: 0,
      connectionsClosedPeer: 1,
    });
    checkSums(input);
  });

  it('closes on garbage, before or after Messages', async () => {
    const { input, events } = await listen();
    const first = await dial(input);
    first.write(ascii('GET / HTTP/1.1\r\n\r\n'));
    await once(first, 'close');
    const second = await dial(input);
    second.write(join(ipfixMessage(1, ascii('a')), hex('000a0003'), ipfixMessage(2, ascii('b'))));
    await once(second, 'close');
    expect(events).toEqual([
      '1 open 127.0.0.1',
      '1 close not_ipfix',
      '2 open 127.0.0.1',
      '2 message 1',
      '2 close not_ipfix',
    ]);
    expect(input).toMatchObject({ connectionsClosedNotIpfix: 2, octetsSkipped: 18 + 4 + 21, messagesReceived: 1 });
  });

  it('counts a Message that the end cut off', async () => {
    const { input, events } = await listen();
    const socket = await dial(input);
    socket.end(ipfixMessage(1, ascii('abc')).subarray(0, 20));
    await until(() => events.length === 2);
    expect(input).toMatchObject({ messagesTruncated: 1, octetsSkipped: 20, messagesReceived: 0 });
  });

  it('refuses more connections than it may have, and takes new ones when others end', async () => {
    const { input, events } = await listen({ maxConnections: 3 });
    const open = [await dial(input), await dial(input), await dial(input)];
    const refused = await dial(input);
    await once(refused, 'close');
    expect(input).toMatchObject({ connectionsAccepted: 3, connectionsRefused: 1, connectionsOpen: 3 });
    open[0]!.end();
    await until(() => events.includes('1 close peer'));
    await dial(input);
    await until(() => input.connectionsAccepted === 4);
    checkSums(input);
  });

  it('holds many idle connections', async () => {
    const { input } = await listen();
    for (let i = 0; i < 20; i++) await Promise.all(Array.from({ length: 20 }, () => dial(input)));
    await until(() => input.connectionsOpen === 400);
    const socket = await dial(input);
    socket.write(ipfixMessage(1, ascii('a')));
    await until(() => input.messagesReceived === 1);
  });

  it('closes what sends no whole Message in time, dripping octets or not', async () => {
    takeOverTime();
    const { input, events } = await listen({ firstMessageTimeoutMs: 300 });
    const silent = await dial(input);
    const dripping = await dial(input);
    const good = await dial(input);
    const message = ipfixMessage(1, ascii('a'));
    good.write(message);
    for (let dripped = 4; dripped <= 40; dripped += 4) {
      dripping.write(hex('000affff'));
      await until(() => input.octetsReceived === message.length + dripped);
      vi.advanceTimersByTime(29);
    }
    expect(input.connectionsOpen).toBe(3);
    const closed = Promise.all([once(silent, 'close'), once(dripping, 'close')]);
    vi.advanceTimersByTime(10);
    await closed;
    expect(events.filter((event) => event.endsWith('idle')).toSorted()).toEqual(['1 close idle', '2 close idle']);
    // The default idle time-out, not the one for the first Message, holds for the third.
    expect(input.connectionsOpen).toBe(1);
  });

  it('closes what falls silent after Messages, each of which gives it more time', async () => {
    takeOverTime();
    const { input, events } = await listen({ idleTimeoutMs: 400, firstMessageTimeoutMs: 10_000 });
    const socket = await dial(input);
    for (let i = 0; i < 5; i++) {
      socket.write(ipfixMessage(i, ascii('a')));
      await until(() => input.messagesReceived === i + 1);
      vi.advanceTimersByTime(399);
    }
    expect(input.connectionsOpen).toBe(1);
    vi.advanceTimersByTime(1);
    await once(socket, 'close');
    expect([input.messagesReceived, events.at(-1)]).toEqual([5, '1 close idle']);
  });

  it('counts a connection that was reset', async () => {
    const { input, events } = await listen();
    const socket = await dial(input);
    await until(() => events.length === 1);
    socket.resetAndDestroy();
    await until(() => events.length === 2);
    expect([events[1], input.connectionsClosedError]).toEqual(['1 close error', 1]);
  });

  it('tells the end of every connection when it stops, and frees its port', async () => {
    const { input, events } = await listen();
    await dial(input);
    await dial(input);
    await until(() => input.connectionsOpen === 2);
    await input.close();
    expect(events.slice(2).toSorted()).toEqual(['1 close stopped', '2 close stopped']);
    await listen({ port: input.port });
  });

  it('rejects with one clear error', async () => {
    const { input } = await listen();
    await expect(listen({ port: input.port })).rejects.toThrow(
      `cannot listen on tcp://127.0.0.1:${input.port}: address already in use (EADDRINUSE)`,
    );
    await expect(listen({ address: 'host.example' })).rejects.toThrow('not an IPv4 or IPv6 address');
    await expect(listen({ port: -1 })).rejects.toThrow('the port is not a number');
  });
});
