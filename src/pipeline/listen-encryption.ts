/** Keys for listening to encrypted feeds, as the configuration names them. */

import { readFileSync, writeFileSync } from 'node:fs';
import { parseCurveKey } from '../bytes/z85.ts';
import type { Configuration } from '../config/configuration.ts';
import { newSecretKey, publicKeyOf } from '../input/curve-key.ts';
import type { ZmqEncryption } from '../input/zmq.ts';

/**
 * What the configuration asks for. A key of our own makes us the one whose public key publishers are given, whatever side
 * binds, as ntop's collectors do it; a file for it that is not there is made. Throws one clear error.
 */
export function listenEncryption(configuration: Configuration): ZmqEncryption | undefined {
  const { zmq, zmqEncryptionKey, zmqEncryptionKeyPriv } = configuration;
  if (zmqEncryptionKeyPriv !== '') {
    const secretKey = keyOf(zmqEncryptionKeyPriv, '--zmq-encryption-key-priv', true);
    return { role: 'server', secretKey, publicKey: publicKeyOf(secretKey) };
  }
  // With a feed it is the key of the feed's collector.
  if (zmqEncryptionKey === '' || zmq.length > 0) return undefined;
  return { role: 'client', serverKey: keyOf(zmqEncryptionKey, '--zmq-encryption-key', false) };
}

function keyOf(text: string, option: string, makesFile: boolean): string {
  const isFile = text.startsWith('@') && text.length !== 40;
  const key = parseCurveKey(isFile ? readKey(text.slice(1), makesFile) : text);
  if (key !== undefined) return key;
  throw new Error(`${isFile ? text.slice(1) : option}: is no key of 40 characters of Z85 or 64 hexadecimal digits`);
}

function readKey(path: string, makesFile: boolean): string {
  try {
    return readFileSync(path, 'latin1');
  } catch (error) {
    const { code = 'unknown' } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT' || !makesFile) throw new Error(`cannot read ${path}: ${code}`, { cause: error });
  }
  const key = newSecretKey();
  try {
    writeFileSync(path, `${key}\n`, { mode: 0o600, flag: 'wx' });
  } catch (error) {
    throw new Error(`cannot write ${path}: ${(error as NodeJS.ErrnoException).code ?? 'unknown'}`, { cause: error });
  }
  return key;
}
