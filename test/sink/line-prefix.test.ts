import { describe, expect, it } from 'vitest';
import { Origin } from '../../src/flow/origin.ts';
import { LinePrefix, PREFIX_OCTETS } from '../../src/sink/formats/line-prefix.ts';

/** More than are kept, so that many share a place and some make way. */
const SOURCES = 20_000;

/** Two sources have each address. */
const addressOf = (source: number) => `192.0.${source >> 9}.${(source >> 1) & 255}`;

describe('LinePrefix', () => {
  it('begins each line as its own source, of however many by turns', () => {
    const written = Buffer.alloc(1024 + PREFIX_OCTETS);
    const prefix = new LinePrefix({ names: 'ntop', fields: undefined, upscale: false }, written);
    const origin = new Origin();
    const wrong: string[] = [];
    for (let round = 0; round < 2; round++) {
      for (let i = 0; i < SOURCES; i++) {
        origin.serial++;
        origin.version = 9;
        origin.exporterAddress = addressOf(i);
        origin.exporterPort = 2000 + (i % 7);
        origin.observationDomainId = (i >> 1) % 5;
        origin.templateId = 256 + (i % 3);
        origin.exportTimeMs = 1000 * round;
        origin.sequenceNumber = i;
        prefix.update(origin, 'flow');
        const text = written.toString('latin1', 0, prefix.write(0));
        const expected =
          `,"RECORD_TYPE":"flow","EXPORTER_IPV4_ADDRESS":"${addressOf(i)}"` +
          `,"EXPORTER_TRANSPORT_PORT":${2000 + (i % 7)},"EXPORT_PROTOCOL":"NetFlow","EXPORT_PROTOCOL_VERSION":9` +
          `,"OBSERVATION_DOMAIN_ID":${(i >> 1) % 5},"TEMPLATE_ID":${256 + (i % 3)}` +
          `,"EXPORT_TIME_MILLISECONDS":${1000 * round},"EXPORT_SEQUENCE_NUMBER":${i}`;
        if (text !== expected) wrong.push(text);
      }
    }
    expect(wrong.slice(0, 3)).toEqual([]);
  });
});
