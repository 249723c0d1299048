import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PointOutput } from '../../src/flow/point-output.ts';
import { FlowPoint, type FlowPointOptions } from '../../src/sink/formats/flow-point.ts';
import { type MadeFlow, makeFlow } from '../support/flow-builder.ts';
import { InfluxServer } from '../support/influxdb.ts';
import { hasProgram } from '../support/lab.ts';

const NOW_MS = Date.now();
const hasInflux = hasProgram('influxd');

class Kept implements PointOutput {
  text = '';
  count = 0;

  writeLines(octets: Uint8Array, start: number, end: number, count: number): void {
    this.text += Buffer.from(octets.subarray(start, end)).toString('utf8');
    this.count += count;
  }

  get lines(): string[] {
    return this.text.split('\n').slice(0, -1);
  }
}

function points(
  flows: readonly MadeFlow[],
  options: Partial<FlowPointOptions> = {},
): { lines: string[]; format: FlowPoint } {
  const output = new Kept();
  const format = new FlowPoint(
    {
      names: 'ntop',
      upscale: false,
      recordTypes: new Set(['flow']),
      codeGeneration: true,
      maxSeries: 1000,
      maxFieldNames: 100,
      ...options,
    },
    output,
  );
  for (const flow of flows) format.write(makeFlow(flow));
  format.flush();
  expect(output.count).toBe(output.lines.length);
  return { lines: output.lines, format };
}

const FLOW: MadeFlow = {
  fields: {
    sourceIPv4: 0xc0000201,
    sourcePort: 443,
    protocol: 6,
    octets: 1_000_000_000_000n,
    inputInterface: 3,
    outputInterface: 4_000_000_000,
    endMs: 1_700_000_000_123,
  },
  origin: {
    exporterAddress: '203.0.113.9',
    protocol: 'NetFlow',
    version: 9,
    templateId: 256,
    observationDomainId: 7,
    exporterPort: 4242,
    exportTimeMs: 1_700_000_000_999,
  },
};
const SOURCE =
  'EXPORTER_TRANSPORT_PORT=4242,EXPORT_PROTOCOL="NetFlow",EXPORT_PROTOCOL_VERSION=9,OBSERVATION_DOMAIN_ID=7,TEMPLATE_ID=256';

describe('a flow as a point', () => {
  it('has four tags, the rest as fields, and the time of its end with a number of its own', () => {
    expect(points([FLOW, FLOW]).lines).toEqual(
      ['000000', '000001'].map(
        (number) =>
          `flow,exporter=203.0.113.9,input=3,output=4000000000,protocol=6 ${SOURCE},IPV4_SRC_ADDR="192.0.2.1",L4_SRC_PORT=443,IN_BYTES=1000000000000,FLOW_END_MILLISECONDS=1700000000123 1700000000123${number}`,
      ),
    );
  });

  it('takes IANA’s names', () => {
    expect(points([FLOW], { names: 'iana' }).lines[0]).toContain(',octetDeltaCount=1000000000000,');
  });

  it.each([
    [{}, 1_700_000_000_999],
    [{ startMs: 1_600_000_000_001 }, 1_600_000_000_001],
    [{ endMs: 0 }, 1_700_000_000_999],
    [{ endMs: 2 ** 60 }, 1_700_000_000_999],
  ])('finds a time for one with %j', (fields, ms) => {
    expect(points([{ ...FLOW, fields }]).lines[0]).toMatch(new RegExp(` ${ms}000000$`));
  });

  it('gives other series beyond the limit one name, and counts their flows', () => {
    const flows = Array.from({ length: 20 }, (_, i) => ({
      ...FLOW,
      fields: { inputInterface: i % 10, outputInterface: 1, protocol: 17 },
    }));
    const { lines, format } = points(flows, { maxSeries: 4 });
    const series = new Set(lines.map((line) => line.split(' ')[0]));
    expect(series).toEqual(
      new Set([
        ...[0, 1, 2, 3].map((i) => `flow,exporter=203.0.113.9,input=${i},output=1,protocol=17`),
        'flow,exporter=203.0.113.9,input=other,output=other,protocol=other',
      ]),
    );
    expect(format.flowsBeyondSeries).toBe(12);
  });

  it('gives Exporters beyond the limit one name', () => {
    const flows = Array.from({ length: 9 }, (_, i) => ({
      ...FLOW,
      origin: { ...FLOW.origin, exporterAddress: `10.0.0.${i}` },
    }));
    const { lines } = points(flows, { maxSeries: 3 });
    expect(lines.map((line) => /exporter=([^,]+),input=([^,]+)/.exec(line)?.slice(1).join(' '))).toEqual([
      ...[0, 1, 2].map((i) => `10.0.0.${i} 3`),
      ...Array.from({ length: 6 }, () => 'other other'),
    ]);
  });

  it('bounds the names that exporters make up', () => {
    const flows = Array.from({ length: 50 }, (_, i) => ({
      ...FLOW,
      elements: [{ elementId: i, ntop: `9.${i}`, value: 'unsigned' as const, octets: [1] }],
    }));
    const { lines, format } = points(flows, { maxFieldNames: 10 });
    expect(lines.filter((line) => /,9\.\d+_HEX=/.test(line))).toHaveLength(10);
    expect(format.fieldsLeftOut).toBe(40);
  });

  it('writes the same by steps and compiled', () => {
    const flows = Array.from({ length: 400 }, () => FLOW);
    const by = (codeGeneration: boolean): string[] =>
      points(flows, { codeGeneration }).lines.map((line) => line.slice(0, -6));
    const made = flows.map(() => makeFlow(FLOW));
    expect(by(false)).toEqual(by(true));
    const output = new Kept();
    const format = new FlowPoint(
      {
        names: 'ntop',
        upscale: true,
        recordTypes: new Set(['flow']),
        codeGeneration: true,
        maxSeries: 9,
        maxFieldNames: 9,
      },
      output,
    );
    const [flow] = made;
    for (let i = 0; i < 1000; i++) format.write(flow!);
    format.flush();
    expect(new Set(output.lines.map((line) => line.slice(0, -6))).size).toBe(1);
    expect(new Set(output.lines).size).toBe(1000);
  });

  it('leaves other kinds of record out', () => {
    expect(points([{ ...FLOW, recordType: 'event' }]).lines).toEqual([]);
    expect(points([{ ...FLOW, recordType: 'event' }], { recordTypes: new Set(['flow', 'event']) }).lines[0]).toMatch(
      /^event,exporter=/,
    );
  });
});

describe.skipIf(!hasInflux)('InfluxDB 1.6 reads back', () => {
  let server: InfluxServer;

  beforeAll(async () => {
    server = await InfluxServer.start();
    await server.query('CREATE DATABASE "ntopng"');
  });
  afterAll(() => server.close());

  async function written(flows: readonly MadeFlow[]): Promise<Record<string, unknown>[]> {
    await server.query('DROP MEASUREMENT "flow"').catch(() => {});
    const { lines } = points(flows);
    const answer = await fetch(`${server.url}/write?db=ntopng&precision=ns`, {
      method: 'POST',
      body: `${lines.join('\n')}\n`,
    });
    expect([answer.status, await answer.text()]).toEqual([204, '']);
    const [series] = await server.series('SELECT * FROM "flow"');
    return series!.values.map((row) => Object.fromEntries(series!.columns.map((column, i) => [column, row[i]])));
  }

  it('any octets of a text, a name and an address', async () => {
    const texts = [
      'plain',
      'a "quote"',
      'back\\slash\\',
      'comma, space = equals',
      'line\nfeed\r\ttab',
      'ünï¢ødé 🙂',
      '\u0001',
      '"',
      '\\',
    ];
    const rows = await written(
      texts.map((text, i) => ({
        fields: { sourceProcessName: text, applicationName: text, endMs: NOW_MS + i },
        elements: [{ elementId: 1, ntop: 'a, b=c "d\\', value: 'string', octets: [...Buffer.from(text)] }],
        origin: { exporterAddress: 'fe80::1%eth 0,x=\\' },
      })),
    );
    // Controls are kept as JSON writes them.
    const expected = texts.map((text) =>
      text.replace(/[\x00-\x1f]/g, (control) => JSON.stringify(control).slice(1, -1)),
    );
    expect(rows.map((row) => row['SRC_PROC_NAME'])).toEqual(expected);
    expect(rows.map((row) => row['APPLICATION_NAME'])).toEqual(expected);
    expect(rows.map((row) => row['a, b=c "d_'])).toEqual(expected);
    expect(new Set(rows.map((row) => row['exporter']))).toEqual(new Set(['fe80::1%eth 0,x=_']));
  });

  it('two thousand flows that end at the same time as so many points', async () => {
    const flow: MadeFlow = { ...FLOW, fields: { ...FLOW.fields, endMs: NOW_MS } };
    expect(await written(Array.from({ length: 2000 }, () => flow))).toHaveLength(2000);
  });

  it('elements of all kinds, and never one name with two types', async () => {
    const octets = (length: number): number[] => Array.from({ length }, (_, i) => 0x41 + i);
    const kinds = [
      'unsigned',
      'signed',
      'float',
      'boolean',
      'ipv4',
      'ipv6',
      'mac',
      'string',
      'hexadecimal',
      'application',
      'mplsLabel',
      'ntpMicroseconds',
      'ntpNanoseconds',
    ] as const;
    const flows = [0, 1, 2, 3, 4, 6, 8, 9, 16].flatMap((length) =>
      kinds.map((value) => ({
        fields: { endMs: NOW_MS },
        elements: [{ elementId: 1, ntop: `E_${value}`, value, octets: octets(length) }],
      })),
    );
    expect(await written(flows)).toHaveLength(flows.length);
  });

  it('values that are no numbers, by leaving them out', async () => {
    const element = (value: 'float' | 'boolean', octets: number[]): MadeFlow => {
      const flow = {
        fields: { octets: 5, endMs: NOW_MS },
        elements: [{ elementId: 1, ntop: `V_${value}`, value, octets }],
      };
      return flow;
    };
    const flows = [
      element('float', [0x3f, 0xc0, 0, 0]),
      element('float', [0x7f, 0xc0, 0, 0]),
      element('float', [0xff, 0x80, 0, 0]),
      element('boolean', [1]),
      element('boolean', [9]),
    ];
    const output = new Kept();
    const format = new FlowPoint(
      {
        names: 'ntop',
        upscale: false,
        recordTypes: new Set(['flow']),
        codeGeneration: true,
        maxSeries: 9,
        maxFieldNames: 9,
      },
      output,
    );
    for (const made of flows) {
      const flow = makeFlow(made);
      // Of a length that the Template fixes.
      const entries = flow.layout.entries.map((entry) =>
        entry.kind === 'element' ? { ...entry, length: made.elements![0]!.octets.length } : entry,
      );
      flow.layout = new (flow.layout.constructor as typeof import('../../src/flow/layout.ts').Layout)('flow', entries);
      format.write(flow);
    }
    format.flush();
    expect(output.lines.map((line) => /V_\w+=\S+?(?=[, ])/.exec(line)?.[0])).toEqual([
      'V_float=1.5',
      undefined,
      undefined,
      'V_boolean=true',
      undefined,
    ]);
    const answer = await fetch(`${server.url}/write?db=ntopng&precision=ns`, { method: 'POST', body: output.text });
    expect([answer.status, await answer.text()]).toEqual([204, '']);
  });
});
