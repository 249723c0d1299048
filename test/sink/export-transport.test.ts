import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import type { ExportEvent, ExportTallies } from '../../src/sink/export-transport.ts';
import { UdpExport } from '../../src/sink/export-udp.ts';

/** Messages and flows of which something has become. */
function sum({ sent, dropped, queued }: ExportTallies): { messages: number; flows: number } {
  const all = [sent, queued, ...Object.values(dropped)];
  return {
    messages: all.reduce((total, { messages }) => total + messages, 0),
    flows: all.reduce((total, { flows }) => total + flows, 0),
  };
}

async function open(delivery: 'drop' | 'wait', datagramsPerSecond: number) {
  const collector = createSocket('udp4').bind(0, '127.0.0.1');
  await once(collector, 'listening');
  const received: number[] = [];
  collector.on('message', (message) => received.push(message.readUInt32BE()));
  const events: ExportEvent[] = [];
  const { port } = collector.address();
  const transport = await UdpExport.open({
    destination: `udp://localhost:${port}`,
    host: '127.0.0.1',
    port,
    datagramsPerSecond,
    delivery,
    queueOctets: 10_000,
    onEvent: (event) => events.push(event),
    onRestart: () => {},
    onLoss: () => {},
  });
  const message = Buffer.alloc(1000);
  const send = (count: number): boolean[] =>
    Array.from({ length: count }, (_, i) => {
      message.writeUInt32BE(i);
      return transport.send(message, 7);
    });
  return { collector, received, events, transport, send };
}

describe('datagrams to a collector', () => {
  it('that wait beyond the bound are dropped and counted', async () => {
    const { collector, events, transport, send } = await open('drop', 1);
    const taken = send(50);
    // One may go at once; ten fill the queue.
    expect(taken.filter((each) => each).length).toBeLessThanOrEqual(11);
    expect(taken.slice(-1)).toEqual([false]);
    const { tallies } = transport;
    expect(sum(tallies)).toEqual(tallies.offered);
    expect(tallies.offered).toEqual({ messages: 50, flows: 350 });
    expect(events).toEqual([{ kind: 'drops_began', destination: transport.destination, reason: 'queue_full' }]);
    expect(transport.octetsQueued).toBeLessThanOrEqual(10_000);
    await transport.close();
    expect(tallies.queued).toEqual({ messages: 0, flows: 0 });
    expect(tallies.dropped.closed.messages).toBeGreaterThan(0);
    expect(sum(tallies)).toEqual(tallies.offered);
    collector.close();
  });

  it('make a conversion wait, and all arrive as they were, in order', async () => {
    const { collector, received, transport, send } = await open('wait', 0);
    // No more than a receive buffer holds.
    send(80);
    expect(transport.mustWait).toBe(true);
    await transport.tallies.drained();
    expect(transport.mustWait).toBe(false);
    await transport.close();
    expect(transport.tallies.sent).toEqual({ messages: 80, flows: 560 });
    await expect.poll(() => received.length).toBe(80);
    expect(received).toEqual(Array.from({ length: 80 }, (_, i) => i));
    collector.close();
  });

  it('to a name that is none are one clear error', async () => {
    const options = {
      destination: 'udp://no.invalid:9',
      host: 'no.invalid',
      port: 9,
      datagramsPerSecond: 0,
      delivery: 'drop',
      queueOctets: 1,
    } as const;
    const calls = { onEvent: () => {}, onRestart: () => {}, onLoss: () => {} };
    await expect(UdpExport.open({ ...options, ...calls })).rejects.toThrow(
      /^cannot export to udp:\/\/no\.invalid:9: E[A-Z_]+$/,
    );
  });
});
