import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { jsonBody, StatusServer } from '../../src/metrics/status.ts';

describe('StatusServer', () => {
  let server: StatusServer;
  let base = '';

  beforeAll(async () => {
    const pages = new Map([
      ['/health', (query: URLSearchParams) => jsonBody({ status: 'ok', limit: query.get('limit') })],
      [
        '/broken',
        () => {
          throw new Error('out of order');
        },
      ],
    ]);
    server = await StatusServer.open({ host: '127.0.0.1', port: 0, pages });
    base = `http://127.0.0.1:${server.port}`;
  });

  afterAll(() => server.close());

  it('serves a page with its query', async () => {
    const response = await fetch(`${base}/health?limit=3`);
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'application/json; charset=utf-8']);
    expect(await response.json()).toEqual({ status: 'ok', limit: '3' });
  });

  it('answers HEAD without a body', async () => {
    const response = await fetch(`${base}/health`, { method: 'HEAD' });
    expect([response.status, await response.text()]).toEqual([200, '']);
  });

  it('answers what it does not serve in JSON', async () => {
    const missing = await fetch(`${base}/nothing`);
    expect([missing.status, await missing.json()]).toEqual([
      404,
      { error: 'no such page', pages: ['/health', '/broken'] },
    ]);
    const posted = await fetch(`${base}/health`, { method: 'POST', body: 'x'.repeat(100_000) });
    expect([posted.status, posted.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
    expect(await posted.json()).toEqual({ error: 'only GET and HEAD are answered' });
    const broken = await fetch(`${base}/broken`);
    expect([broken.status, await broken.json()]).toEqual([500, { error: 'Error: out of order' }]);
  });

  it('outlives garbage and endless headers', async () => {
    for (const text of ['\0\x01garbage\r\n\r\n', `GET / HTTP/1.1\r\nX: ${'x'.repeat(20_000)}`]) {
      await new Promise<void>((resolve) => {
        const socket = connect(server.port, '127.0.0.1', () => socket.write(text));
        socket.on('error', () => {});
        socket.on('close', () => resolve());
        socket.resume();
      });
    }
    expect((await fetch(`${base}/health`)).status).toBe(200);
  });

  it('closes connections beyond its bound and serves again when there is room', async () => {
    const sockets = await Promise.all(
      Array.from({ length: 40 }, () => {
        const socket = connect(server.port, '127.0.0.1');
        socket.on('error', () => {});
        return new Promise<typeof socket>((resolve) => {
          socket.on('connect', () => resolve(socket));
          socket.resume();
        });
      }),
    );
    const open = () => sockets.filter(({ closed }) => !closed).length;
    await expect.poll(open).toBeLessThanOrEqual(32);
    expect(open()).toBeGreaterThan(16);
    for (const socket of sockets) socket.destroy();
    const status = () =>
      fetch(`${base}/health`).then(
        (answer) => answer.status,
        () => 'closed',
      );
    await expect.poll(status).toBe(200);
  });

  it('says in one line where it cannot serve', async () => {
    await expect(StatusServer.open({ host: '127.0.0.1', port: server.port, pages: new Map() })).rejects.toThrow(
      `cannot serve status on 127.0.0.1:${server.port}: address already in use (EADDRINUSE)`,
    );
  });
});
