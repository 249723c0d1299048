/** What a conversion says of points that a real InfluxDB does not take. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { InfluxServer } from '../support/influxdb.ts';
import { hasProgram } from '../support/lab.ts';
import { buildProgram, repositoryPath, runProgram } from '../support/program.ts';

const CAPTURE = repositoryPath('fixtures/softflowd-netflow9/input.pcap');

describe.skipIf(!hasProgram('influxd'))('a conversion that InfluxDB refuses points of', () => {
  let server: InfluxServer;

  beforeAll(async () => {
    buildProgram();
    server = await InfluxServer.start();
  });
  afterAll(() => server.close());

  it('says so once, sums them up, writes the others, and ends with exit code 1', async () => {
    await server.query('CREATE DATABASE "ntopng"');
    // Of the capture's day, for types hold for a shard, but before it, so that none of its points is this one.
    const body = 'iface:traffic,ifid=0 bytes=1i 1795219200000000000';
    expect((await fetch(`${server.url}/write?db=ntopng`, { method: 'POST', body })).status).toBe(204);
    const { code, stdout, stderr } = await runProgram(['convert', CAPTURE, '--influxdb', server.url]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    const [problem, summary, ...further] = stderr.split('\n');
    expect(problem).toMatch(/^flowrelay: http:.* refused 1 points for good: .*field type conflict/);
    // The capture's four seconds with octets, and the 0 before them.
    expect(summary).toMatch(/^flowrelay: .* 27 flows, .* points, 5 points refused or given up$/);
    expect(further).toEqual(['']);
    expect(await server.number('SELECT count(bytes) FROM "iface:traffic"')).toBe(1);
    expect(await server.number('SELECT count(packets) FROM "iface:packets"')).toBe(5);
  });
});
