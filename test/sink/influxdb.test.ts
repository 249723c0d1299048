import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { InfluxdbOptions } from '../../src/sink/influxdb.ts';
import { hand, openTestSink, sumsOf, type TestSink, until } from '../support/influxdb-sink.ts';
import { InfluxdbStub, type StubAnswer } from '../support/influxdb-stub.ts';

const OK: StubAnswer = () => ({ status: 204 });
const stubs: InfluxdbStub[] = [];
const sinks: TestSink[] = [];
const folders: string[] = [];

afterEach(async () => {
  for (const { sink } of sinks.splice(0)) await sink.close(0);
  for (const stub of stubs.splice(0)) stub.close();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

async function stubOf(version: string, answer: StubAnswer, pingStatus?: number): Promise<InfluxdbStub> {
  const stub = await InfluxdbStub.start(version, answer, pingStatus);
  stubs.push(stub);
  return stub;
}

async function open(stub: InfluxdbStub | readonly string[], options: Partial<InfluxdbOptions> = {}): Promise<TestSink> {
  const opened = await openTestSink(stub instanceof InfluxdbStub ? [stub.url] : stub, options);
  sinks.push(opened);
  return opened;
}

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'influxdb-sink-'));
  folders.push(path);
  return path;
}

function points(count: number, first = 1): string[] {
  return Array.from(
    { length: count },
    (_, i) => `m,a=b f=${first + i} ${1_700_000_000_000_000_000n + BigInt(first + i)}`,
  );
}

function lines(stub: InfluxdbStub): string[] {
  return stub.writes.flatMap(({ text }) => text.split('\n').slice(0, -1));
}

const PROBLEM = { 'content-type': 'application/json' };

describe('where points go', () => {
  it('writes to the v2 interface with organisation, bucket and token', async () => {
    const stub = await stubOf('v2.7.1', OK);
    const { sink, events } = await open(stub, {
      organisation: 'my org',
      bucket: 'flows/x',
      token: 's3cret',
      database: '',
    });
    hand(sink, points(3));
    await sink.flush();
    expect(stub.writes.map(({ path }) => path)).toEqual(['/api/v2/write?org=my+org&bucket=flows%2Fx&precision=ns']);
    expect(stub.writes[0]!.headers.authorization).toBe('Token s3cret');
    expect(lines(stub)).toEqual(points(3));
    expect(stub.requests).toHaveLength(1);
    expect(events).toEqual([
      { kind: 'server_identified', server: stub.url, serverKind: 'influxdb2', version: 'v2.7.1' },
    ]);
  });

  it('meets a server before there are points for it', async () => {
    const stub = await stubOf('v2.7.1', OK);
    const { sink, events } = await open(stub, { organisation: 'o' });
    await until(() => events.length > 0, 'word of the server');
    expect(events).toEqual([
      { kind: 'server_identified', server: stub.url, serverKind: 'influxdb2', version: 'v2.7.1' },
    ]);
    expect(stub.writes).toEqual([]);
    expect(sink.deliveries[0]).toMatchObject({ state: 'starting', problem: '' });
  });

  it('says that a server is not ready before there are points, and meets it again', async () => {
    const stub = await stubOf('1.8.10', () => ({ status: 503, body: '{"error":"not now"}' }));
    const { sink, events } = await open(stub);
    const [delivery] = sink.deliveries;
    await until(() => stub.requests.length > 2, 'further attempts');
    expect(delivery).toMatchObject({ state: 'down', problem: '503 not now' });
    expect(events).toEqual([
      { kind: 'server_identified', server: stub.url, serverKind: 'influxdb1', version: '1.8.10' },
      { kind: 'server_down', server: stub.url, reason: '503 not now' },
    ]);
    stub.answer = ({ path }) =>
      path.startsWith('/query') ? { status: 200, body: '{"results":[{"statement_id":0}]}' } : { status: 204 };
    await until(() => delivery!.problem === '', 'an end of the problem');
    expect(delivery).toMatchObject({ state: 'starting', pointsConfirmed: 0 });
    hand(sink, points(3));
    await sink.flush();
    expect(lines(stub)).toEqual(points(3));
    expect(delivery).toMatchObject({ state: 'up', pointsConfirmed: 3 });
  });

  it('gets points that came while it was away and there were none', async () => {
    const stub = await stubOf('1.8.10', () => ({ status: 503 }));
    const { sink } = await open(stub);
    await until(() => stub.requests.length > 1, 'further attempts');
    hand(sink, points(3));
    stub.answer = ({ path }) =>
      path.startsWith('/query') ? { status: 200, body: '{"results":[{"statement_id":0}]}' } : { status: 204 };
    // No flush: they go by themselves.
    await until(() => sink.deliveries[0]!.pointsConfirmed === 3, 'confirmation');
    hand(sink, points(2, 4));
    await until(() => sink.deliveries[0]!.pointsConfirmed === 5, 'confirmation of what follows');
    expect(lines(stub)).toEqual(points(5));
  });

  it('takes the version of InfluxDB 3 from the body of /health too', async () => {
    const stub = await stubOf('', ({ path }) =>
      path === '/health' ? { status: 200, headers: PROBLEM, body: '{"version":"3.1.0"}' } : { status: 204 },
    );
    const { sink } = await open(stub);
    hand(sink, points(1));
    await sink.flush();
    expect(stub.writes[0]!.path).toBe('/api/v2/write?org=&bucket=ntopng&precision=ns');
    expect(sink.deliveries[0]!.identity).toEqual({ kind: 'influxdb3', version: '3.1.0' });
  });

  it('keeps the path of the URL, and sends what the URL says of user and password as a header only', async () => {
    const stub = await stubOf('1.6.7', ({ path }) =>
      path.includes('/query') ? { status: 200, body: '{"results":[{}]}' } : { status: 204 },
    );
    const url = `${stub.url.replace('//', '//me:p%40ss@')}/influx/`;
    const { sink, events } = await open([url]);
    hand(sink, points(1));
    await sink.flush();
    expect(stub.writes[0]!.path).toBe('/influx/write?db=ntopng&precision=ns');
    expect(stub.writes[0]!.headers.authorization).toBe(`Basic ${Buffer.from('me:p@ss').toString('base64')}`);
    expect(JSON.stringify(events)).not.toContain('p@ss');
    expect(JSON.stringify(events)).not.toContain('p%40ss');
  });

  it('sends all points to every server, and what one has failed to take to that one again', async () => {
    const well = await stubOf('v2.7.1', OK);
    let failures = 3;
    const ill = await stubOf('v2.7.1', () => ({ status: failures-- > 0 ? 503 : 204 }));
    const { sink } = await open([well.url, ill.url]);
    hand(sink, points(10));
    await sink.flush();
    expect(lines(well)).toEqual(points(10));
    expect(ill.writes).toHaveLength(4);
    expect(ill.writes.every(({ text }) => text === well.writes[0]!.text)).toBe(true);
    expect(sink.deliveries.map(({ pointsRetried, pointsConfirmed }) => [pointsRetried, pointsConfirmed])).toEqual([
      [0, 10],
      [30, 10],
    ]);
    expect(sumsOf(sink).every(({ handed, accounted }) => handed === accounted)).toBe(true);
  });

  it('packs bodies where asked to', async () => {
    const stub = await stubOf('v2.7.1', OK);
    const { sink } = await open(stub, { compression: 'on' });
    hand(sink, points(100));
    await sink.flush();
    expect(stub.writes[0]!.headers['content-encoding']).toBe('gzip');
    expect(lines(stub)).toEqual(points(100));
  });
});

describe('answers', () => {
  it.each([
    [401, '{"code":"unauthorized","message":"unauthorized access"}', '401 unauthorized access'],
    [
      403,
      '{"code":"forbidden","message":"insufficient permissions for write"}',
      '403 insufficient permissions for write',
    ],
    [404, '{"code":"not found","message":"bucket \\"x\\" not found"}', '404 bucket "x" not found'],
    [302, '', '302 Found'],
    [200, '<html>Welcome</html>', '200 <html>Welcome</html>'],
    [
      400,
      '<html>400 Bad Request: missing Host header at this point</html>',
      '400 <html>400 Bad Request: missing Host header at this point</html>',
    ],
    [400, '{"code":"invalid","message":"precision is not known"}', '400 precision is not known'],
  ])('keeps points through %i, says so once, and sends them again', async (status, body, reason) => {
    let isMended = false;
    const stub = await stubOf('v2.7.1', () =>
      isMended
        ? { status: 204 }
        : { status, headers: body.startsWith('{') ? PROBLEM : { location: 'http://127.0.0.1:1/' }, body },
    );
    const { sink, events } = await open(stub, { organisation: 'o', bucket: 'x' });
    hand(sink, points(5));
    await until(() => stub.writes.length >= 3, 'third try');
    expect(events.filter(({ kind }) => kind === 'server_refuses')).toEqual([
      { kind: 'server_refuses', server: stub.url, reason },
    ]);
    expect(sink.deliveries[0]).toMatchObject({ state: 'refused', problem: reason, pointsRefused: 0 });
    isMended = true;
    await sink.flush();
    expect(stub.writes.at(-1)!.text).toBe(stub.writes[0]!.text);
    expect(events.at(-1)).toEqual({ kind: 'server_up', server: stub.url, pointsPending: 5 });
    expect(sink.deliveries[0]).toMatchObject({ state: 'up', problem: '', pointsConfirmed: 5 });
  });

  it('waits as many seconds as Retry-After says, not milliseconds', async () => {
    const times: number[] = [];
    const stub = await stubOf('v2.7.1', () => {
      times.push(Date.now());
      return times.length === 1 ? { status: 429, headers: { 'retry-after': '1' } } : { status: 204 };
    });
    const { sink } = await open(stub);
    hand(sink, points(1));
    await sink.flush();
    expect(times[1]! - times[0]!).toBeGreaterThanOrEqual(990);
  });

  it('halves what is too large, and sets a line aside that is', async () => {
    const stub = await stubOf('v2.7.1', ({ text }) => ({
      status: text.length > 400 ? 413 : 204,
      headers: PROBLEM,
      body: '{"code":"request too large","message":"too large"}',
    }));
    const directory = folder();
    const { sink } = await open(stub, { directory });
    const long = `m,a=${'x'.repeat(500)} f=1 1`;
    hand(sink, [...points(20), long, ...points(20, 21)]);
    await sink.flush();
    const written = stub.writes
      .filter(({ text }) => text.length <= 400)
      .flatMap(({ text }) => text.split('\n').slice(0, -1));
    expect(written).toEqual(points(40));
    expect(sink.deliveries[0]).toMatchObject({ pointsConfirmed: 40, pointsRefused: 1 });
    expect(JSON.parse(readFileSync(join(directory, 'refused.jsonl'), 'utf8'))).toMatchObject({
      line: long,
      reason: '413 too large',
    });
  });

  it('finds by halves the line that a server refuses without saying which', async () => {
    const bad = 'm,a=b f="text" 5';
    const refused = {
      status: 422,
      headers: PROBLEM,
      body: '{"code":"unprocessable entity","message":"failure writing points to database: partial write: field type conflict: input field \\"f\\" on measurement \\"m\\" is type string, already exists as type float dropped=1"}',
    };
    const stub = await stubOf('v2.7.1', ({ text }) => (text.includes(bad) ? refused : { status: 204 }));
    const directory = folder();
    const { sink, events } = await open(stub, { directory });
    hand(sink, [...points(700), bad, ...points(300, 701)]);
    await sink.flush();
    const taken = stub.writes
      .filter(({ text }) => !text.includes(bad))
      .flatMap(({ text }) => text.split('\n').slice(0, -1));
    expect(new Set(taken)).toEqual(new Set(points(1000)));
    // 1001 lines are halved ten times.
    expect(stub.writes.length).toBeLessThan(25);
    expect(sink.deliveries[0]).toMatchObject({ pointsConfirmed: 1000, pointsRefused: 1, state: 'up' });
    const kept = readFileSync(join(directory, 'refused.jsonl'), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as object);
    expect(kept).toEqual([
      { time: expect.any(String), server: stub.url, line: bad, reason: expect.stringContaining('field type conflict') },
    ]);
    expect(events.filter(({ kind }) => kind === 'points_refused')).toHaveLength(1);
  });

  it('takes the lines that InfluxDB 3 names by number', async () => {
    const bad = new Set(['m f=1', 'worse']);
    const stub = await stubOf('3.0.1', ({ text }) => {
      const data = text
        .split('\n')
        .flatMap((line, i) =>
          bad.has(line) ? [{ original_line: line, line_number: i + 1, error_message: `cannot take ${line}` }] : [],
        );
      if (data.length === 0) return { status: 204 };
      return {
        status: 400,
        headers: PROBLEM,
        body: JSON.stringify({ error: 'partial write of line protocol occurred', data }),
      };
    });
    const directory = folder();
    const { sink } = await open(stub, { directory });
    hand(sink, [...points(50), 'm f=1', ...points(50, 51), 'worse']);
    await sink.flush();
    expect(stub.writes).toHaveLength(2);
    expect(stub.writes[1]!.text.split('\n').slice(0, -1)).toEqual(points(100));
    expect(readFileSync(join(directory, 'refused.jsonl'), 'utf8')).toMatch(/cannot take m f=1.*\n.*cannot take worse/);
    expect(sink.deliveries[0]).toMatchObject({ pointsConfirmed: 100, pointsRefused: 2 });
  });

  it('sets a line aside at which a server fails while it takes all others', async () => {
    const poison = 'm,a=poison f=1 1';
    const stub = await stubOf('v2.7.1', ({ text }) =>
      text.includes(poison)
        ? { status: 500, headers: PROBLEM, body: '{"code":"internal error","message":"panic"}' }
        : { status: 204 },
    );
    const { sink } = await open(stub, { maxRetryMs: 20 });
    hand(sink, [...points(6), poison, ...points(6, 7)]);
    await until(() => sink.deliveries[0]!.pointsRefused === 1, 'line set aside');
    await until(() => sink.pointsPending === 0, 'confirmation of the others');
    expect(sink.deliveries[0]!.pointsConfirmed).toBe(12);
    hand(sink, points(1, 13));
    await until(() => sink.deliveries[0]!.pointsConfirmed === 13, 'confirmation of one more');
  });

  it('sets nothing aside while a server fails at everything', async () => {
    let isIll = true;
    const stub = await stubOf('v2.7.1', () => ({ status: isIll ? 500 : 204 }));
    const { sink } = await open(stub, { maxRetryMs: 10 });
    hand(sink, points(2));
    await until(() => stub.writes.length > 40, 'many tries');
    isIll = false;
    await sink.flush();
    expect(sink.deliveries[0]).toMatchObject({ pointsConfirmed: 2, pointsRefused: 0 });
  });
});

describe('servers that do harm', () => {
  const MEBIOCTET = Buffer.alloc(1024 * 1024, 0x78);
  const bodies: [string, StubAnswer][] = [
    ['a body without end, of JSON', (_, response) => flood(response, 503, { 'content-type': 'application/json' })],
    ['a body without end', (_, response) => flood(response, 503, {})],
    ['a body without end after success', (_, response) => flood(response, 200, {})],
    [
      'a body that says it is packed',
      (_, response) => flood(response, 503, { 'content-encoding': 'gzip', 'content-type': 'application/json' }),
    ],
    ['garbage for JSON', () => ({ status: 500, headers: PROBLEM, body: '{"error":[}' })],
    ['JSON of other kinds', () => ({ status: 503, headers: PROBLEM, body: '[null,{"message":7}]' })],
    ['half a header', (_, response) => void response.socket?.end('HTTP/1.1 20')],
    ['no HTTP', (_, response) => void response.socket?.end('hello\r\n\r\n')],
    ['nothing, for ever', () => undefined],
    ['one octet at a time, for ever', (_, response) => drip(response)],
  ];

  function flood(response: Parameters<StubAnswer>[1], status: number, headers: Record<string, string>): undefined {
    response.writeHead(status, headers);
    const more = (): void => {
      while (!response.destroyed && response.write(MEBIOCTET));
    };
    response.on('drain', more);
    more();
  }

  function drip(response: Parameters<StubAnswer>[1]): undefined {
    response.writeHead(204 + 299, {});
    const timer = setInterval(() => response.write('x'), 20);
    response.on('close', () => clearInterval(timer));
  }

  it.each(bodies)('outlives %s', async (name, answer) => {
    const stub = await stubOf('v2.7.1', answer);
    // One that never ends must not be waited for.
    const { sink } = await open(stub, { timeoutMs: name.startsWith('a body') ? 600_000 : 300 });
    hand(sink, points(5));
    await until(() => stub.writes.length >= 2, 'second try');
    expect(sink.deliveries[0]!.problem.length).toBeLessThan(600);
    stub.answer = OK;
    await sink.flush();
    expect(sink.deliveries[0]).toMatchObject({ pointsConfirmed: 5, pointsRefused: 0 });
  });

  it('sends less at a time to a server that is out of time', async () => {
    const stub = await stubOf('v2.7.1', ({ text }) => (text.length > 1000 ? undefined : { status: 204 }));
    const { sink } = await open(stub, { timeoutMs: 50 });
    hand(sink, points(100));
    await sink.flush();
    expect(sink.deliveries[0]!.pointsConfirmed).toBe(100);
  });
});

describe('many points', () => {
  it('are sent in order, fresh ones not behind those that have waited', async () => {
    let isDown = true;
    const stub = await stubOf('v2.7.1', () => ({ status: isDown ? 503 : 204 }));
    const { sink } = await open(stub, { batchOctets: 8192, minRetryMs: 100 });
    for (let i = 0; i < 200; i++) hand(sink, points(100, 1 + 100 * i));
    await until(() => stub.writes.length > 0, 'try');
    let sinceReturn = 0;
    let freshAfter = -1;
    stub.answer = ({ text }) => {
      sinceReturn++;
      if (text.includes('fresh') && freshAfter < 0) freshAfter = sinceReturn;
      return { status: 204 };
    };
    isDown = false;
    await until(() => sinceReturn > 2, 'return');
    hand(sink, ['fresh f=1 1']);
    await sink.flush();
    expect(freshAfter).toBeGreaterThan(0);
    expect(freshAfter).toBeLessThan(60);
    expect(sinceReturn).toBeGreaterThan(100);
    const values = lines(stub).flatMap((line) => Number(/f=(\d+) /.exec(line)?.[1]));
    const firsts = values.filter((value, i) => values.indexOf(value) === i);
    const waited = firsts.slice(firsts.indexOf(1));
    expect(waited.length).toBe(20_000);
    expect(sink.deliveries[0]!.pointsConfirmed).toBe(20_001);
  });

  it('wait in bounded memory, the oldest going first, counted', async () => {
    const stub = await stubOf('v2.7.1', () => ({ status: 503 }));
    const { sink, events } = await open(stub, { memoryOctets: 8 * 1024 * 1024 });
    for (let i = 0; i < 300; i++) hand(sink, points(1000, 1 + 1000 * i));
    const [delivery] = sink.deliveries;
    expect(sink.spoolOctets).toBeLessThanOrEqual(8 * 1024 * 1024);
    expect(delivery!.pointsDropped.spool_full).toBeGreaterThan(50_000);
    expect(sumsOf(sink)).toEqual([{ handed: 300_000, accounted: 300_000 }]);
    await until(() => events.some(({ kind }) => kind === 'drops_began'), 'event');
    stub.answer = OK;
    stub.requests.length = 0;
    await sink.flush();
    expect(lines(stub).at(-1)).toBe(points(1, 300_000)[0]);
    expect(delivery!.pending.lines).toBe(0);
    expect(sumsOf(sink)).toEqual([{ handed: 300_000, accounted: 300_000 }]);
  });

  it('make a conversion wait, and only that', async () => {
    const stub = await stubOf('v2.7.1', () => ({ status: 503 }));
    const waiting = await open(stub, { delivery: 'wait', memoryOctets: 1024 * 1024 });
    const other = await open(stub, { memoryOctets: 1024 * 1024 });
    for (let i = 0; i < 20; i++) {
      hand(waiting.sink, points(1000, 1 + 1000 * i));
      hand(other.sink, points(1000, 1 + 1000 * i));
    }
    expect(waiting.sink.mustWait).toBe(true);
    expect(other.sink.mustWait).toBe(false);
    stub.answer = OK;
    await waiting.sink.drained();
    expect(waiting.sink.mustWait).toBe(false);
  });
});

describe('a server that comes back', () => {
  it('is asked anew what it is', async () => {
    const stub = await stubOf('v2.7.1', OK);
    const { sink } = await open(stub);
    hand(sink, points(1));
    await sink.flush();
    stub.ping = { 'X-Influxdb-Version': '3.0.0' };
    stub.answer = (_, response) => {
      stub.answer = OK;
      response.socket?.destroy();
      return undefined;
    };
    hand(sink, points(1, 2));
    await sink.flush();
    expect(sink.deliveries[0]!.identity).toEqual({ kind: 'influxdb3', version: '3.0.0' });
  });

  it('gets the few points soon that come after what has waited', async () => {
    const stub = await stubOf('v2.7.1', () => ({ status: 503 }));
    const { sink } = await open(stub, { batchOctets: 8192 });
    for (let i = 0; i < 10; i++) hand(sink, points(100, 1 + 100 * i));
    await until(() => sink.deliveries[0]!.state === 'down', 'outage');
    stub.answer = OK;
    await until(() => sink.pointsPending === 0, 'confirmation of all');
    for (let i = 0; i < 5; i++) {
      hand(sink, points(1, 2000 + i));
      await until(() => sink.pointsPending === 0, 'confirmation of one');
    }
  });

  it('gets what is handed over while all is flushed', async () => {
    const stub = await stubOf('v2.7.1', (_, response) => void setTimeout(() => response.writeHead(204).end(), 50));
    const { sink } = await open(stub, { flushMs: 60_000 });
    hand(sink, points(1));
    const flushed = sink.flush();
    await until(() => stub.writes.length === 1, 'request');
    hand(sink, points(1, 2));
    const second = sink.flush();
    await until(() => stub.writes.length === 2, 'second request');
    setTimeout(() => hand(sink, points(1, 3)), 10);
    await Promise.all([flushed, second]);
    await sink.flush();
    expect(lines(stub)).toEqual(points(3));
  });
});

describe('a conversion', () => {
  it('does not wait for ever for a server that confirms nothing', async () => {
    const { sink } = await open(['http://127.0.0.1:1'], {
      delivery: 'wait',
      memoryOctets: 1024 * 1024,
      patienceMs: 100,
    });
    for (let i = 0; i < 20; i++) hand(sink, points(1000, 1 + 1000 * i));
    expect(sink.mustWait).toBe(true);
    await sink.drained();
    expect(sink.mustWait).toBe(false);
    expect(sink.failure?.message).toMatch(/^nothing confirmed for 0.1 s \(http:\/\/127.0.0.1:1: .*ECONNREFUSED/);
  });
});

describe('the end', () => {
  it('waits for all that is under way', async () => {
    const stub = await stubOf('v2.7.1', (_, response) => void setTimeout(() => response.writeHead(204).end(), 100));
    const { sink } = await open(stub, { batchOctets: 4096, flushMs: 60_000 });
    hand(sink, points(500));
    expect(await sink.close(10_000)).toEqual({ unconfirmed: 0, isKept: false });
    expect(new Set(lines(stub)).size).toBe(500);
  });

  it('says what a server that is down has not confirmed', async () => {
    const { sink } = await open(['http://127.0.0.1:1'], { delivery: 'wait' });
    hand(sink, points(7));
    expect(await sink.close(200)).toEqual({ unconfirmed: 7, isKept: false });
  });

  it('leaves to the next run what is not confirmed', async () => {
    const directory = folder();
    const first = await open(['http://127.0.0.1:1'], { directory });
    hand(first.sink, points(7));
    expect(await first.sink.close(10_000)).toEqual({ unconfirmed: 7, isKept: true });
    const stub = await stubOf('v2.7.1', OK);
    // The same server under another name is another one: this one must be the same.
    const { readdirSync, readFileSync: read, writeFileSync } = await import('node:fs');
    const positions = join(directory, 'positions.json');
    writeFileSync(positions, read(positions, 'utf8').replace('http://127.0.0.1:1 ', `${stub.url} `));
    const second = await open(stub, { directory });
    hand(second.sink, points(1, 8));
    await second.sink.flush();
    expect([...lines(stub)].sort()).toEqual(points(8).sort());
    expect(second.sink.deliveries[0]).toMatchObject({ pointsRecovered: 7, pointsConfirmed: 8 });
    expect(await second.sink.close(1000)).toEqual({ unconfirmed: 0, isKept: true });
    expect(readdirSync(directory)).toEqual(['positions.json']);
  });

  it.each([
    ['missing', undefined],
    ['garbage', '{"end":[1'],
    ['out of order', '{"end":[9,1],"servers":{"x":[[[5,1],[4,2]]]}}'],
    ['of other types', '{"end":["a",1],"servers":7}'],
  ])('sends all there is where the saved positions are %s', async (_, text) => {
    const directory = folder();
    const first = await open(['http://127.0.0.1:1'], { directory });
    hand(first.sink, points(7));
    await first.sink.close(0);
    const { rmSync: remove, writeFileSync } = await import('node:fs');
    if (text === undefined) remove(join(directory, 'positions.json'));
    else writeFileSync(join(directory, 'positions.json'), text);
    const stub = await stubOf('v2.7.1', OK);
    const { sink } = await open(stub, { directory });
    await sink.flush();
    expect(lines(stub)).toEqual(points(7));
  });

  it('sends what a process that was killed had handed over since it last saved its positions', async () => {
    const directory = folder();
    const copy = folder();
    const stub = await stubOf('v2.7.1', () => ({ status: 503 }));
    const { sink: killed } = await open(stub, { directory });
    hand(killed, points(7));
    const { cpSync } = await import('node:fs');
    cpSync(directory, copy, { recursive: true });
    await killed.close(0);
    stub.answer = OK;
    stub.requests.length = 0;
    const { sink } = await open(stub, { directory: copy });
    await sink.flush();
    expect(lines(stub)).toEqual(points(7));
    expect(sink.deliveries[0]).toMatchObject({ pointsRecovered: 7, pointsConfirmed: 7 });
  });

  it('has a server that was added get what comes from then on, and leaves the others theirs', async () => {
    const directory = folder();
    const ill = await stubOf('v2.7.1', () => ({ status: 503 }));
    const first = await open(ill, { directory });
    hand(first.sink, points(7));
    await first.sink.close(0);
    const added = await stubOf('v2.7.1', OK);
    ill.answer = OK;
    ill.requests.length = 0;
    const { sink } = await open([ill.url, added.url], { directory });
    hand(sink, points(3, 8));
    await sink.flush();
    expect(lines(added)).toEqual(points(3, 8));
    expect([...lines(ill)].sort()).toEqual(points(10).sort());
  });

  it('is quick where the server does not answer at all', async () => {
    const stub = await stubOf('v2.7.1', () => undefined);
    const { sink } = await open(stub, { timeoutMs: 600_000 });
    hand(sink, points(3));
    await until(() => stub.writes.length > 0, 'try');
    expect(await sink.close(50)).toEqual({ unconfirmed: 3, isKept: false });
  });
});

describe('options of no use', () => {
  it.each([
    [{ urls: ['influx:8086'] }, /is no URL of http or https/],
    [{ urls: ['ftp://a:secret@host'] }, /^influxdb: ftp:\/\/…@host is no URL/],
    [{ urls: ['http://h:1', 'http://h:1/'] }, /given twice/],
    [{ urls: ['http://h:1'], database: '' }, /neither a database nor a bucket/],
    [{ urls: ['http://h:1'], certificateAuthorityFile: '/nowhere' }, /^influxdb-ca: cannot read \/nowhere: ENOENT$/],
    [{ urls: ['http://h:1'], token: 'a\nb' }, /no header can carry/],
    [{ urls: ['http://h:1'], directory: '/dev/null/spool' }, /^cannot use spool \/dev\/null\/spool: /],
  ])('%j', async (options, message) => {
    await expect(openTestSink(options.urls, options)).rejects.toThrow(message);
  });
});
