import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { parseCurveKey } from '../../src/bytes/z85.ts';
import { parseZmqEndpoint, zmqOpenError } from '../../src/bytes/zmq-endpoint.ts';

describe('endpoints', () => {
  const at = (url: string, host: string, port: number, isBound: boolean) => ({ url, host, port, isBound });
  it.each([
    ['tcp://*:5556', 'without_c', at('tcp://*:5556', '*', 5556, true)],
    ['tcp://*:0', 'without_c', at('tcp://*:0', '*', 0, true)],
    ['tcp://192.0.2.1:5556c', 'without_c', at('tcp://192.0.2.1:5556', '192.0.2.1', 5556, false)],
    ['tcp://192.0.2.1:5556', 'never', at('tcp://192.0.2.1:5556', '192.0.2.1', 5556, false)],
    ['zmq://[::1]:5556c', 'without_c', at('tcp://[::1]:5556', '::1', 5556, false)],
    ['ipc:///run/magic', 'without_c', at('ipc:///run/magic', '', 0, true)],
    ['ipc:///run/magic', 'never', at('ipc:///run/magic', '', 0, false)],
    ['ipc:///run/magic', 'with_c', at('ipc:///run/magic', '', 0, false)],
    ['tcp://192.0.2.1:5556', 'with_c', at('tcp://192.0.2.1:5556', '192.0.2.1', 5556, false)],
    ['zmq://host.example:5556', 'with_c', at('tcp://host.example:5556', 'host.example', 5556, false)],
    ['tcp://*:5556c', 'with_c', at('tcp://*:5556', '*', 5556, true)],
    ['tcp://[::1]:1c', 'with_c', at('tcp://[::1]:1', '::1', 1, true)],
    ['tcp://*:5556', 'with_c', undefined],
    ['tcp://*:5556c', 'without_c', undefined],
    ['tcp://*:5556', 'never', undefined],
    ['tcp://h:0', 'with_c', undefined],
    ['tcp://h:0c', 'without_c', undefined],
    ['tcp://h:65536', 'without_c', undefined],
    ['udp://h:1', 'with_c', undefined],
    ['tcp://h', 'with_c', undefined],
    ['h:1', 'with_c', undefined],
    ['ipc://', 'with_c', undefined],
  ] as const)('%s (%s)', (text, binding, expected) => {
    expect(parseZmqEndpoint(text, binding)).toEqual(expected);
  });

  it('say in one line why they cannot be opened', async () => {
    const error = Object.assign(new Error('bind'), { code: 'EADDRINUSE' });
    expect((await zmqOpenError(error, at('tcp://*:1', '*', 1, true))).message).toBe(
      'cannot listen on tcp://*:1: address already in use',
    );
    expect((await zmqOpenError(new Error('odd'), at('tcp://h:1', 'h', 1, false))).message).toBe(
      'cannot connect to tcp://h:1: odd',
    );
  });
});

describe('keys', () => {
  // Key pair of ZeroMQ's own manual page of zmq_curve.
  const z85 = 'rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7';
  const hexadecimal = '8e0bdd697628b91d8f245587ee95c5b04d48963f79259877b49cd9063aead3b7';

  it('are taken in Z85 and in hexadecimal', () => {
    expect(parseCurveKey(` ${z85}\n`)).toBe(z85);
    expect(parseCurveKey('54FCBA24E93249969316FB617C872BB0C1D1FF14800427C594CBFACF1BC2D652')).toBe(
      'rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7',
    );
    expect(parseCurveKey(hexadecimal)).toBe('JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6');
  });

  it.each([
    '',
    'short',
    z85.slice(1),
    `${z85}x`,
    `${z85.slice(1)}"`,
    '#'.repeat(40),
    hexadecimal.slice(2),
    `${hexadecimal}00`,
  ])('refuses %j', (text) => expect(parseCurveKey(text)).toBeUndefined());
});

it('says why nobody can listen where ZeroMQ has lost the reason', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const endpoint = { url: `tcp://127.0.0.1:${port}`, host: '127.0.0.1', port, isBound: true };
  const lost = Object.assign(new Error('Operation was not possible or timed out'), { code: 'EAGAIN' });
  expect((await zmqOpenError(lost, endpoint)).message).toBe(`cannot listen on ${endpoint.url}: address already in use`);
  server.close();
  await once(server, 'close');
  expect((await zmqOpenError(lost, endpoint)).message).toBe(`cannot listen on ${endpoint.url}: ${lost.message}`);
});
