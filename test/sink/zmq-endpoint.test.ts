import { describe, expect, it } from 'vitest';
import { parseCurveKey } from '../../src/bytes/z85.ts';
import { parseZmqEndpoint } from '../../src/sink/zmq-endpoint.ts';

describe('endpoints', () => {
  it.each([
    ['tcp://*:5556', false, 'tcp://*:5556', true],
    ['tcp://192.0.2.1:5556c', false, 'tcp://192.0.2.1:5556', false],
    ['tcp://192.0.2.1:5556', true, 'tcp://192.0.2.1:5556', false],
    ['zmq://[::1]:5556c', false, 'tcp://[::1]:5556', false],
    ['ipc:///run/magic', false, 'ipc:///run/magic', true],
    ['ipc:///run/magic', true, 'ipc:///run/magic', false],
  ])('%s', (text, connects, address, isBound) => {
    expect(parseZmqEndpoint(text, connects)).toEqual({ address, isBound });
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
