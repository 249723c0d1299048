import { spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { UdpInput } from '../../src/input/udp.ts';

const hasProc = existsSync('/proc/net/udp');
if (!hasProc) console.log('no /proc/net/udp here: kernel drops are not tested');

const inputs: UdpInput[] = [];
afterEach(async () => {
  for (const input of inputs.splice(0)) await input.close();
});

interface Received {
  text: string;
  address: string;
  port: number;
}

async function listen(
  address: string,
  port = 0,
  receiveBufferOctets?: number,
): Promise<{ input: UdpInput; received: Received[] }> {
  const received: Received[] = [];
  const input = new UdpInput({
    address,
    port,
    ...(receiveBufferOctets === undefined ? {} : { receiveBufferOctets }),
    onDatagram: (octets, sourceAddress, sourcePort) => {
      received.push({ text: Buffer.from(octets).toString(), address: sourceAddress, port: sourcePort });
    },
  });
  await input.open();
  inputs.push(input);
  return { input, received };
}

async function until(isTrue: () => boolean, limitMs = 30_000): Promise<void> {
  const limit = performance.now() + limitMs;
  while (!isTrue() && performance.now() < limit) await new Promise((resolve) => setTimeout(resolve, 2));
}

/** Sends one datagram over loopback and gives the port it came from. */
async function send(family: 'udp4' | 'udp6', port: number, address: string, text: string): Promise<number> {
  const socket = createSocket(family);
  socket.send(text, port, address);
  await once(socket, 'listening');
  const from = socket.address().port;
  await new Promise<void>((resolve) => socket.send('', port, address, () => resolve()));
  socket.close();
  return from;
}

function hasIPv6(): boolean {
  return existsSync('/proc/net/if_inet6');
}

describe('a UDP socket', () => {
  it('hands on datagrams with their sender, also empty ones', async () => {
    const { input, received } = await listen('127.0.0.1');
    expect(input.port).toBeGreaterThan(0);
    const from = await send('udp4', input.port, '127.0.0.1', 'hello');
    await until(() => received.length === 2);
    expect(received).toEqual([
      { text: 'hello', address: '127.0.0.1', port: from },
      { text: '', address: '127.0.0.1', port: from },
    ]);
    expect([input.datagramsReceived, input.octetsReceived]).toEqual([2, 5]);
  });

  it.skipIf(!hasIPv6())('on :: takes both families, and writes IPv4 as such', async () => {
    const { input, received } = await listen('::');
    await send('udp4', input.port, '127.0.0.1', 'four');
    await until(() => received.length === 2);
    await send('udp6', input.port, '::1', 'six');
    await until(() => received.length === 4);
    expect(received.map((d) => [d.text, d.address])).toEqual([
      ['four', '127.0.0.1'],
      ['', '127.0.0.1'],
      ['six', '::1'],
      ['', '::1'],
    ]);
  });

  it('says what receive buffer the kernel gave', async () => {
    const { input } = await listen('127.0.0.1', 0, 65_536);
    // Linux doubles what it is asked for.
    expect(input.receiveBufferOctets).toBe(process.platform === 'linux' ? 131_072 : 65_536);
    expect(input.receiveBufferMissing).toBe(0);
    const { input: greedy } = await listen('127.0.0.1', 0, 1 << 30);
    expect(greedy.receiveBufferOctets).toBeGreaterThan(0);
    expect(greedy.receiveBufferMissing).toBe((1 << 30) - greedy.receiveBufferOctets);
  });

  it('rejects with one clear error', async () => {
    const { input } = await listen('127.0.0.1');
    await expect(listen('127.0.0.1', input.port)).rejects.toThrow(
      `cannot listen on udp://127.0.0.1:${input.port}: address already in use (EADDRINUSE)`,
    );
    await expect(listen('203.0.113.77')).rejects.toThrow(
      /^cannot listen on udp:\/\/203\.0\.113\.77:0: .* \(EADDRNOTAVAIL\)$/,
    );
    await expect(listen('no-address')).rejects.toThrow(
      'cannot listen on udp://no-address:0: not an IPv4 or IPv6 address',
    );
    await expect(listen('::1', 70_000)).rejects.toThrow('cannot listen on udp://[::1]:70000: the port is not a number');
    await expect(listen('127.0.0.1', 1.5)).rejects.toThrow('the port is not a number from 0 to 65535');
  });

  it('frees its port when closed, and hands on nothing more', async () => {
    const { input, received } = await listen('127.0.0.1');
    const { port } = input;
    await input.close();
    await input.close();
    await listen('127.0.0.1', port);
    expect(received).toEqual([]);
  });

  it.skipIf(!hasProc)('knows what the kernel dropped: sent = received + drops', async () => {
    const { input } = await listen('127.0.0.1', 0, 8192);
    const { input: other } = await listen('127.0.0.1', 0, 8192);
    expect(input.readKernelDrops()).toBe(0);
    // The child sends while this process, waiting for it, reads nothing.
    const flood = `
      const s = require('node:dgram').createSocket('udp4');
      let sent = 0, left = 2000;
      const next = () => left-- > 0
        ? s.send(Buffer.alloc(500), ${input.port}, '127.0.0.1', (e) => { if (!e) sent++; next(); })
        : s.close(() => console.log(sent));
      next();`;
    const child = spawnSync(process.execPath, ['-e', flood], { encoding: 'utf8' });
    const sent = Number(child.stdout);
    expect(sent).toBe(2000);
    const drops = input.readKernelDrops()!;
    expect(drops).toBeGreaterThan(0);
    await until(() => input.datagramsReceived + drops >= sent);
    expect(input.datagramsReceived + drops).toBe(sent);
    expect(input.readKernelDrops()).toBe(drops);
    expect(other.readKernelDrops()).toBe(0);
    await input.close();
    expect(input.readKernelDrops()).toBe(drops);
  });
});
