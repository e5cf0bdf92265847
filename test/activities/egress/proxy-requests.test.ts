// What the proxy makes of a request that it passes on, and where it ends one.
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, test } from 'vitest';
import { openBench, serve, worldWhere } from './proxy-bench.ts';

describe('what passes', () => {
  test('names the host that was judged, without what is about the connection', async () => {
    const seen: string[][] = [];
    const port = await serve('127.0.0.1', (request, response) => {
      seen.push(request.rawHeaders);
      response.end('hello');
    });
    const { send } = await openBench({ egress: worldWhere(['127.0.0.1']), granted: [`site.test:${port}`] });
    const answer = await send(
      `GET http://SITE.test.:${port} HTTP/1.1\r\nHost: 127.0.0.2\r\nX-Own: 1\r\nConnection: x-own, host\r\n` +
        'Proxy-Authorization: Basic c2VjcmV0\r\nUpgrade: h2c\r\nAccept: a\r\nAccept: b\r\n\r\n',
    );
    expect([answer.slice(0, 15), answer.endsWith('hello'), seen]).toEqual([
      'HTTP/1.1 200 OK',
      true,
      [['accept', 'a', 'accept', 'b', 'host', `site.test:${port}`, 'connection', 'close']],
    ]);
  });

  test('breaks off where its server does, before an answer and within one', async () => {
    const port = await serve('127.0.0.1', (request, response) => {
      if (request.url === '/none') return void request.socket.destroy();
      if (request.url === '/odd') return void request.socket.end('HTTP/1.1 099 Odd\r\n\r\n');
      if (request.url === '/other') return void request.socket.end('220 mail\r\n');
      response.writeHead(200, { 'content-length': 100 }).write('half');
      setTimeout(() => request.socket.destroy(), 50);
    });
    const { send } = await openBench({ egress: worldWhere(['127.0.0.1']), granted: [`site.test:${port}`] });
    const answers = await Promise.all(
      ['none', 'odd', 'other', 'half'].map((name) =>
        send(`GET http://site.test:${port}/${name} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`),
      ),
    );
    const broken = expect.stringMatching(/^HTTP\/1\.1 502 [^]*site\.test:\d+ broke off or gave no answer/);
    expect(answers).toEqual([
      ...[broken, broken, broken],
      expect.stringMatching(/^HTTP\/1\.1 200 [^]*half$/),
    ]);
  });

  const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n';
  test.each([
    ['two lengths', `Content-Length: 5\r\nContent-Length: ${smuggled.length + 5}\r\n\r\nhello${smuggled}`],
    ['a length and chunks', `Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`],
    ['a coding that is none', `Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${smuggled}`],
    ['a coding twice', `Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n${smuggled}`],
    ['a blank before the colon', `Content-Length : 5\r\n\r\nhello${smuggled}`],
    ['a folded line', `X: a\r\n Content-Length: 5\r\n\r\nhello${smuggled}`],
    ['a line end in a header', `X: a\rHost: y\r\n\r\n${smuggled}`],
    ['a chunk that goes on', `Transfer-Encoding: chunked\r\n\r\n5;\r\nhello\r\n0\r\n\r\n${smuggled}`],
  ])('holds one request where a client sends %s', async (_what, rest) => {
    const urls: string[] = [];
    const port = await serve('127.0.0.1', (request, response) => {
      urls.push(request.url ?? '');
      request.resume().on('end', () => response.end());
    });
    const { send } = await openBench({ egress: worldWhere(['127.0.0.1']), granted: [`site.test:${port}`] });
    const answer = await send(`POST http://site.test:${port}/own HTTP/1.1\r\nHost: x\r\n${rest}`);
    expect([answer, urls.filter((url) => url !== '/own')]).toEqual([
      expect.stringMatching(/^HTTP\/1\.1 (400|200)/),
      [],
    ]);
  });

  test('keeps the length of its body, whatever it says of it', async () => {
    const bodies: string[] = [];
    const port = await serve('127.0.0.1', (request, response) => {
      let body = '';
      request.on('data', (part: Buffer) => (body += part.toString()));
      request.on('end', () => {
        bodies.push(body);
        response.end();
      });
    });
    const { send } = await openBench({
      egress: worldWhere(['127.0.0.1']),
      granted: [`site.test:${port}`],
    });
    const headers = `Content-Length: ${smuggled.length}\r\nConnection: content-length, close`;
    await send(`GET http://site.test:${port}/ HTTP/1.1\r\nHost: x\r\n${headers}\r\n\r\n${smuggled}`);
    expect(bodies).toEqual([smuggled]);
  });

  test('is counted, both ways', async () => {
    const port = await serve('127.0.0.1', (request, response) => {
      request.resume().on('end', () => response.end('x'.repeat(100_000)));
    });
    const { send, proxy } = await openBench({
      egress: worldWhere(['127.0.0.1']),
      granted: [`site.test:${port}`],
    });
    const body = 'y'.repeat(50_000);
    const length = `Content-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`;
    await send(`POST http://site.test:${port}/ HTTP/1.1\r\nHost: x\r\n${length}`);
    await send(`CONNECT site.test:${port} HTTP/1.1\r\n\r\nPOST / HTTP/1.1\r\nHost: x\r\n${length}`);
    const [contact] = proxy.contacts();
    expect(proxy.contacts()).toEqual([
      {
        ...{ host: 'site.test', port, connections: 2, refusals: 0, problem: null },
        ...{ sentBytes: expect.any(Number), receivedBytes: expect.any(Number) },
      },
    ]);
    const beyond = [(contact?.sentBytes ?? 0) - 100_000, (contact?.receivedBytes ?? 0) - 200_000];
    expect(beyond.every((bytes) => bytes > 0 && bytes < 2000)).toBe(true);
  });
});

describe('bounds', () => {
  test('end what is silent, what is more than may be open, and what moves too much', async () => {
    const port = await serve('127.0.0.1', (request, response) => {
      if (request.url === '/much') response.end('x'.repeat(200_000));
    });
    const bounded = (idleMs: number) =>
      openBench({
        egress: worldWhere(['127.0.0.1']),
        granted: [`site.test:${port}`],
        limits: { idleMs, connections: 1, bytes: 100_000 },
      });
    const connectTo = `CONNECT site.test:${port} HTTP/1.1\r\n\r\n`;
    const brief = await bounded(200);
    const [silent, second] = await Promise.all([brief.send(connectTo), brief.send(connectTo)]);
    expect([silent, second].map((answer) => answer.slice(9, 12)).sort()).toEqual(['200', '503']);
    // Not ended for being silent where the machine is.
    const { send, proxy } = await bounded(60_000);
    const much = await send(`GET http://site.test:${port}/much HTTP/1.1\r\nHost: x\r\n\r\n`);
    const after = await send(connectTo);
    expect([much.slice(9, 12), after.slice(9, 12), proxy.contacts()[0]?.problem]).toEqual([
      '200',
      '403',
      'this command has moved all the bytes it may; do less in one command',
    ]);
  });

  test('shut out what connects and asks for nothing, before it takes the descriptors of the worker', async () => {
    const { socket, send } = await openBench({ egress: worldWhere(['127.0.0.1']), granted: [] });
    const clients = Array.from({ length: 300 }, () => connect(socket));
    let shut = 0;
    for (const client of clients) client.on('error', () => {}).on('close', () => (shut += 1));
    await expect.poll(() => shut).toBe(100);
    for (const client of clients) client.destroy();
    await expect.poll(() => send('GET / HTTP/1.1\r\nHost: x\r\n\r\n')).toContain(' 400 ');
  });

  test('are over with the proxy: no connection outlives it', async () => {
    const port = await serve('127.0.0.1', () => {});
    const { proxy, socket } = await openBench({
      egress: worldWhere(['127.0.0.1']),
      granted: [`site.test:${port}`],
    });
    const client = connect(socket);
    client.write(`CONNECT site.test:${port} HTTP/1.1\r\n\r\n`);
    await once(client, 'data');
    const ended = once(client, 'close');
    client.on('error', () => {});
    await proxy.close();
    await ended;
    const late = connect(socket);
    await expect(once(late, 'connect')).rejects.toThrow(/ENOENT|ECONNREFUSED/);
  });
});
