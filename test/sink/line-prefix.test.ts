import { describe, expect, it } from 'vitest';
import { Origin } from '../../src/flow/origin.ts';
import { LinePrefix } from '../../src/sink/formats/line-prefix.ts';

/** More than are kept, so that many share a place and some make way. */
const SOURCES = 20_000;

describe('LinePrefix', () => {
  it('begins each line as its own source, of however many by turns', () => {
    const prefix = new LinePrefix({ names: 'ntop', fields: undefined, upscale: false });
    const origin = new Origin();
    const wrong: string[] = [];
    const written = Buffer.alloc(1024);
    const out = new DataView(written.buffer, written.byteOffset, written.length);
    for (let round = 0; round < 2; round++) {
      for (let i = 0; i < SOURCES; i++) {
        origin.serial++;
        origin.version = 9;
        origin.exporterAddress = `192.0.${i >> 8}.${i & 255}`;
        origin.exporterPort = 2000 + (i % 7);
        origin.observationDomainId = i % 5;
        origin.templateId = 256 + (i % 3);
        origin.exportTimeMs = 1000 * round;
        origin.sequenceNumber = i;
        prefix.update(origin, 'flow');
        const text = written.toString('latin1', 0, prefix.write(out, 0));
        const expected =
          `,"RECORD_TYPE":"flow","EXPORTER_IPV4_ADDRESS":"192.0.${i >> 8}.${i & 255}"` +
          `,"EXPORTER_TRANSPORT_PORT":${2000 + (i % 7)},"EXPORT_PROTOCOL":"NetFlow","EXPORT_PROTOCOL_VERSION":9` +
          `,"OBSERVATION_DOMAIN_ID":${i % 5},"TEMPLATE_ID":${256 + (i % 3)}` +
          `,"EXPORT_TIME_MILLISECONDS":${1000 * round},"EXPORT_SEQUENCE_NUMBER":${i}`;
        if (text !== expected) wrong.push(text);
      }
    }
    expect(wrong.slice(0, 3)).toEqual([]);
  });
});
