/** The ZeroMQ feed a configuration asks for. */

import { readFileSync } from 'node:fs';
import { parseCurveKey } from '../bytes/z85.ts';
import { parseZmqEndpoint } from '../bytes/zmq-endpoint.ts';
import type { Configuration } from '../config/configuration.ts';
import { FlowJson } from '../sink/formats/flow-json.ts';
import type { HeaderVersion } from '../sink/formats/ntopng-header.ts';
import type { FeedStatus } from '../sink/formats/ntopng-topics.ts';
import { ZmqSink } from '../sink/zmq.ts';
import type { ZmqEvent, ZmqPublisherOptions } from '../sink/zmq-publisher.ts';
import { lineFormat } from './line-format.ts';

/** What a feed needs besides the configuration. */
export interface FeedOptions {
  readonly delivery: ZmqPublisherOptions['delivery'];
  /** Octets of messages that may wait. */
  readonly queueOctets: number;
  /** Version of the program. */
  readonly version: string;
  /** The state to tell ntopng of. */
  readonly status: () => FeedStatus;
  readonly onEvent: (event: ZmqEvent) => void;
}

/** Opens it. Rejects with one clear error where an endpoint or the key is of no use. */
export async function openFeed(configuration: Configuration, options: FeedOptions): Promise<ZmqSink> {
  const { zmq, zmqConnect, zmqEncryptionKey } = configuration;
  const format = lineFormat(configuration);
  return ZmqSink.open({
    ...options,
    endpoints: zmq.flatMap((text) => parseZmqEndpoint(text, zmqConnect ? 'never' : 'without_c') ?? []),
    isBalanced: configuration.zmqBalance,
    payload: configuration.zmqPayload,
    format: configuration.zmqFormat,
    keys: configuration.zmqKeys,
    headerVersion: Number(configuration.zmqHeader) as HeaderVersion,
    isCompressed: configuration.zmqCompress,
    saysHello: configuration.zmqHello,
    batchOctets: configuration.zmqBatch,
    highWaterMark: configuration.zmqHighWaterMark,
    curveServerKey: curveKey(zmqEncryptionKey),
    sourceId: configuration.zmqSourceId,
    observationPoint: configuration.zmqObservationPoint,
    codeGeneration: configuration.codeGeneration,
    makeFormat: (drain) => new FlowJson(format, drain),
  });
}

function curveKey(text: string): string | undefined {
  if (text === '') return undefined;
  const isFile = text.startsWith('@') && text.length !== 40;
  const key = parseCurveKey(isFile ? readKeyFile(text.slice(1)) : text);
  if (key !== undefined) return key;
  const place = isFile ? text.slice(1) : '--zmq-encryption-key';
  throw new Error(`${place}: is no key of 40 characters of Z85 or 64 hexadecimal digits`);
}

function readKeyFile(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch (error) {
    throw new Error(`cannot read ${path}: ${(error as NodeJS.ErrnoException).code ?? 'unknown'}`, { cause: error });
  }
}
