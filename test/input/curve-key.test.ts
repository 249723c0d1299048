import { describe, expect, it } from 'vitest';
import { parseCurveKey } from '../../src/bytes/z85.ts';
import { newSecretKey, publicKeyOf } from '../../src/input/curve-key.ts';

describe('CURVE keys', () => {
  // The client's pair of ZeroMQ's own documentation (zmq_curve).
  const PUBLIC = 'Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID';
  const SECRET = 'D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs';

  it('finds the public key of a secret one', () => {
    expect(publicKeyOf(SECRET)).toBe(PUBLIC);
  });

  it('agrees with ZeroMQ on a new pair', async () => {
    const { curveKeyPair } = await import('zeromq');
    const { publicKey, secretKey } = curveKeyPair();
    expect(publicKeyOf(secretKey)).toBe(publicKey);
    expect(parseCurveKey(newSecretKey())).toHaveLength(40);
  });

  it('reads both forms', () => {
    expect(parseCurveKey(`${PUBLIC}\n`)).toBe(PUBLIC);
    // ZeroMQ RFC 32: 864fd26fb559f75b is HelloWorld.
    expect(parseCurveKey('864fd26fb559f75b'.repeat(4))).toBe('HelloWorld'.repeat(4));
  });

  it.each(['', 'x', '%'.repeat(41), '#'.repeat(40), '"'.repeat(40), 'g'.repeat(64)])('refuses %s', (text) => {
    expect(parseCurveKey(text)).toBeUndefined();
  });
});
