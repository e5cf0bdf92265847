import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createRawServer, type AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { describe, expect, onTestFinished, test } from 'vitest';
import { addressProblem } from '../../../activities/egress/address.ts';
import { type Egress, publicEgress } from '../../../activities/egress/egress.ts';
import { openBench } from './tool-bench.ts';

type Route = (request: IncomingMessage, response: ServerResponse) => void;

async function serve(route: Route): Promise<{ port: number; hits: string[] }> {
  const hits: string[] = [];
  const server = createServer((request, response) => {
    hits.push(request.url ?? '');
    route(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(async () => {
    server.closeAllConnections();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, hits };
}

/** A world in which `site.test` is on loopback, and loopback stands for a public address. */
const loopbackEgress: Egress = {
  resolve: (hostname, done) =>
    hostname.endsWith('.test')
      ? done(null, [{ address: '127.0.0.1', family: 4 }])
      : done(new Error(`no ${hostname}`), []),
  addressProblem: (address) => (address === '127.0.0.1' ? undefined : addressProblem(address)),
};

async function fetchFrom(route: Route, where = '/'): Promise<{ ok: boolean; output: string }> {
  const { port } = await serve(route);
  const { call } = await openBench(loopbackEgress);
  return await call('fetch', { url: `http://site.test:${port}${where}` });
}

describe('what fetch refuses', () => {
  test('every way to write an address that is not public, before any connection', async () => {
    const { port, hits } = await serve((_request, response) => response.end('inside'));
    const { call } = await openBench();
    const hosts = [
      '127.0.0.1',
      '127.1',
      '0x7f.1',
      '017700000001',
      '2130706433',
      '0',
      '[::1]',
      '[::ffff:127.0.0.1]',
      '[::ffff:7f00:1]',
      '[64:ff9b::7f00:1]',
      '[2002:7f00:1::]',
      '127.0.0.1.',
      '１２７.0.0.1',
      'localhost',
    ];
    for (const host of hosts) {
      const result = await call('fetch', { url: `http://${host}:${port}/` });
      expect([host, result.ok, result.output]).toEqual([
        host,
        false,
        expect.stringMatching(/is not a public address/),
      ]);
    }
    expect(hits).toEqual([]);
  });

  test('a name that answers with a public address first and a private one when it counts', async () => {
    const { port, hits } = await serve((_request, response) => response.end('inside'));
    let asked = 0;
    const rebinding: Egress = {
      ...publicEgress,
      resolve(_hostname, done) {
        asked += 1;
        done(null, [
          { address: '127.0.0.1', family: 4 },
          { address: '10.0.0.1', family: 4 },
          { address: '::1', family: 6 },
        ]);
      },
    };
    const { call } = await openBench(rebinding);
    const result = await call('fetch', { url: `http://rebind.test:${port}/` });
    expect([result.output, asked, hits]).toEqual([
      expect.stringContaining('127.0.0.1 is not a public address'),
      1,
      [],
    ]);
  });

  test('other schemes, credentials and what is no address, in its schema', async () => {
    const { tool } = await openBench();
    const problem = (url: string) => tool('fetch').input.safeParse({ url }).error?.issues[0]?.message;
    expect(
      ['file:///etc/passwd', 'gopher://x/', 'http://user:pass@x.test/', 'x', 'data:text/plain,x'].map(
        problem,
      ),
    ).toEqual([
      'must start with http:// or https://',
      'must start with http:// or https://',
      'must not hold a user name or a password',
      'is no web address; it must look like https://example.org/page',
      'must start with http:// or https://',
    ]);
  });

  test('redirects to where it may not go', async () => {
    const inside = await serve((_request, response) => response.end('inside'));
    const targets: Record<string, RegExp> = {
      [`http://127.0.0.2:${inside.port}/`]: /redirects to http:\/\/127\.0\.0\.2/,
      'http://other.test/': /redirects to http:\/\/other\.test\/\. Fetch that address/,
      'file:///etc/passwd': /must start with http/,
      'http://a:b@site.test/': /must not hold a user name/,
      'http://[': /redirects to something that is no address/,
    };
    for (const [target, expected] of Object.entries(targets)) {
      const result = await fetchFrom((_request, response) =>
        response.writeHead(302, { location: target }).end(),
      );
      expect([result.ok, result.output]).toEqual([false, expect.stringMatching(expected)]);
    }
    expect(inside.hits).toEqual([]);
  });
});

describe('what fetch answers', () => {
  test('status, type and text, after redirects on the same host', async () => {
    const result = await fetchFrom((request, response) => {
      if (request.url === '/') response.writeHead(301, { location: '/next' }).end();
      else
        response
          .writeHead(200, { 'content-type': 'text/html; charset=latin1' })
          .end(Buffer.from([0x66, 0xfc, 0x00]));
    });
    expect(result).toEqual({ ok: true, output: 'HTTP 200 text/html; charset=latin1\n\nfü␀' });
  });

  test('a failure with its text', async () => {
    const result = await fetchFrom((_request, response) =>
      response.writeHead(404, { 'content-type': 'text/plain' }).end('gone'),
    );
    expect(result).toEqual({ ok: false, output: 'HTTP 404 text/plain\n\ngone' });
  });

  test('that it gives up on endless redirects', async () => {
    const { output } = await fetchFrom((_request, response) =>
      response.writeHead(307, { location: '/again' }).end(),
    );
    expect(output).toMatch(/redirects more than 5 times\.$/);
  });

  test('no more than two megabytes, unpacked, of a document that does not end', async () => {
    const endless = await fetchFrom((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/plain' });
      const timer = setInterval(() => response.write('x'.repeat(512 * 1024)), 1);
      response.on('close', () => clearInterval(timer));
    });
    const bomb = await fetchFrom((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/plain', 'content-encoding': 'gzip' });
      response.end(gzipSync(Buffer.alloc(200 * 1024 * 1024)));
    });
    for (const { ok, output } of [endless, bomb]) {
      expect([ok, output]).toEqual([
        true,
        expect.stringMatching(/\[the document goes on; it was cut here\]$/),
      ]);
      expect(output.length).toBeLessThan(2 * 1024 * 1024 + 100);
    }
  });

  test('that something is not text, without reading it', async () => {
    const result = await fetchFrom((_request, response) => {
      response.writeHead(200, { 'content-type': 'image/png' });
      response.write('x');
    });
    expect(result).toEqual({
      ok: false,
      output: 'HTTP 200 image/png\nThis is not text, so it was not read.',
    });
  });

  test('network trouble in words: no such name, nobody there, cut off, not HTTP', async () => {
    const raw = createRawServer((socket) => socket.end('SSH-2.0-nonsense\r\n')).listen(0, '127.0.0.1');
    await once(raw, 'listening');
    onTestFinished(() => void raw.close());
    const { call } = await openBench(loopbackEgress);
    const rawUrl = `http://raw.test:${(raw.address() as AddressInfo).port}/`;
    const cut = await fetchFrom((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/plain', 'content-length': '100' });
      response.write('part', () => response.destroy());
    });
    const results = [
      await call('fetch', { url: 'http://nowhere.invalid/' }),
      await call('fetch', { url: rawUrl }),
      cut,
    ];
    expect(results.map((result) => [result.ok, result.output.startsWith('Could not fetch http://')])).toEqual(
      Array(3).fill([false, true]),
    );
    expect(results[0]?.output).toBe('Could not fetch http://nowhere.invalid/: no nowhere.invalid.');
  });

  test('nothing when the call is stopped: it throws the reason and lets go of the connection', async () => {
    const closed = Promise.withResolvers<void>();
    const stop = new AbortController();
    const { port } = await serve((request) => {
      request.socket.on('close', closed.resolve);
      stop.abort(new Error('the run was interrupted'));
    });
    const { call, context } = await openBench(loopbackEgress);
    const fetching = call('fetch', { url: `http://site.test:${port}/` }, context('1.0', stop.signal));
    await expect(fetching).rejects.toThrow('the run was interrupted');
    await closed.promise;
  });
});
