// Temporal's Web UI behind the API, over a server in its place that says what it was asked.
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test, vi } from 'vitest';
import { createTestApp, type TestApp, type TestAppOptions } from '../../support/test-app.ts';

type Asked = { method: string; url: string; headers: Record<string, unknown>; body: string };
type Respond = (request: IncomingMessage, response: ServerResponse) => void;

const page = '<html><body><script>start("/temporal")</script></body></html>';

const hello: Respond = (_request, response) => {
  response.writeHead(200, {
    'content-type': 'text/html',
    'set-cookie': ['_csrf=abc; Path=/; SameSite=Strict', 'other=1; Path=/'],
    'access-control-allow-origin': '*',
    server: 'echo',
  });
  response.end(page);
};

async function withUpstream(respond: Respond, options: TestAppOptions = {}) {
  const asked: Asked[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (piece: Buffer) => (body += piece.toString()));
    request.on('end', () => {
      const { method = '', url = '', headers } = request;
      asked.push({ method, url, headers, body });
      respond(request, response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const upstream = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  onTestFinished(close);
  const api = await createTestApp({ temporalUi: { upstream, namespace: 'ours' }, ...options });
  return { api, asked, upstream, close };
}

async function logIn(api: TestApp, headers: Record<string, string> = {}) {
  const answer = await api.ask('POST', '/temporal-login', undefined, headers);
  expect(answer.statusCode).toBe(204);
  const [pair = '', ...attributes] = String(answer.headers['set-cookie']).split('; ');
  return { cookie: pair, attributes };
}

const ours = { 'sec-fetch-site': 'same-origin', origin: 'http://localhost:80', host: 'localhost:80' };

test('a token is exchanged for a cookie that is for /temporal alone, and no script reads it', async () => {
  const { api } = await withUpstream(hello);
  const { cookie, attributes } = await logIn(api);
  expect(cookie).not.toContain(api.token);
  expect(attributes.sort()).toEqual(['HttpOnly', 'Max-Age=28800', 'Path=/temporal', 'SameSite=Strict']);
  expect((await logIn(api, { origin: 'https://perdure.example' })).attributes).toContain('Secure');
  const without = await api.app.inject({ method: 'POST', url: '/api/v1/temporal-login' });
  expect(without.statusCode).toBe(401);
});

test('without a login people are shown where to log in, scripts are told, and nothing is asked', async () => {
  const { api, asked } = await withUpstream(hello);
  const { cookie } = await logIn(api);
  const [name] = cookie.split('=');
  const [tokenId, , signature] = cookie.split('=')[1]?.split('.') ?? [];
  const wrong = [
    {},
    { cookie: `${name}=` },
    { cookie: `${name}=%` },
    { cookie: cookie.slice(0, -2) },
    { cookie: `${name}=${tokenId}.${Date.now() + 1e12}.${signature}` },
    // The token itself is no login: it would have to be sent by a page.
    api.auth,
  ];
  for (const headers of wrong) {
    const answer = await api.app.inject({ url: '/temporal/api/v1/namespaces', headers });
    expect([headers, answer.statusCode, answer.json().code]).toEqual([headers, 401, 'Unauthorized']);
  }
  const opened = await api.app.inject({ url: '/temporal/x', headers: { accept: 'text/html,*/*' } });
  expect([opened.statusCode, opened.headers.location]).toEqual([302, '/temporal-login']);
  expect(asked).toEqual([]);
});

test('a login ends with its token, and after eight hours', async () => {
  const { api } = await withUpstream(hello);
  const { cookie } = await logIn(api);
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 8 * 3_600_000 + 1 });
  onTestFinished(() => void vi.useRealTimers());
  // An id that the API makes now would have that time, and so would all that this process makes behind it.
  const headers = { cookie, 'x-request-id': 'later' };
  expect((await api.app.inject({ url: '/temporal/x', headers })).statusCode).toBe(401);
  vi.useRealTimers();
  await api.database.db.updateTable('tokens').set({ revoked_at: new Date() }).execute();
  expect((await api.app.inject({ url: '/temporal/x', headers: { cookie } })).statusCode).toBe(401);
});

test('a login that was just used ends at once when its token is revoked', async () => {
  const { api } = await withUpstream(hello);
  const { cookie } = await logIn(api);
  const statusOf = async () => (await api.app.inject({ url: '/temporal/x', headers: { cookie } })).statusCode;
  expect(await statusOf()).toBe(200);
  const [tokenId = ''] = cookie.split('=')[1]?.split('.') ?? [];
  expect((await api.ask('DELETE', `/tokens/${tokenId}`)).statusCode).toBe(200);
  expect(await statusOf()).toBe(401);
});

test('what is passed on each way is a list, and the page may run its own script and no other', async () => {
  const { api, asked, upstream } = await withUpstream(hello);
  const { cookie } = await logIn(api);
  const headers = {
    ...ours,
    cookie: `${cookie}; _csrf=abc; other=2`,
    'x-csrf-token': 'abc',
    'content-type': 'application/json',
    authorization: 'Bearer of-something',
    'x-forwarded-for': '10.0.0.1',
    'grpc-metadata-secret': '1',
    connection: 'x-csrf-token-too',
    te: 'trailers',
  };
  const url = '/temporal/api/v1/namespaces/ours/workflows/run%2F1/terminate?a=%2F&b=1';
  const answer = await api.app.inject({ method: 'POST', url, headers, payload: '{"reason": "é"}' });
  expect(answer.body).toBe(page);
  expect(asked).toEqual([
    {
      method: 'POST',
      url,
      body: '{"reason": "é"}',
      headers: {
        host: new URL(upstream).host,
        connection: 'keep-alive',
        'content-type': 'application/json',
        'content-length': '16',
        'x-csrf-token': 'abc',
        cookie: '_csrf=abc',
      },
    },
  ]);
  expect([answer.statusCode, answer.body]).toEqual([200, page]);
  const { 'set-cookie': set, server, 'content-security-policy': policy = '' } = answer.headers;
  expect([set, server, answer.headers['access-control-allow-origin']]).toEqual([
    '_csrf=abc; Path=/temporal; SameSite=Strict',
    undefined,
    undefined,
  ]);
  const hash = createHash('sha256').update('start("/temporal")').digest('base64');
  expect(String(policy).split('; ')).toEqual(
    expect.arrayContaining([
      `script-src 'self' 'sha256-${hash}'`,
      "connect-src 'self'",
      "frame-ancestors 'none'",
    ]),
  );
  expect(api.lines.filter((line) => String(line['msg']).startsWith('a change by way of'))).toHaveLength(1);
});

test('the way in leads to the namespace that has the runs', async () => {
  const { api } = await withUpstream(hello);
  const { cookie } = await logIn(api);
  for (const url of ['/temporal', '/temporal/']) {
    const { statusCode, headers } = await api.app.inject({ url, headers: { cookie } });
    expect([statusCode, headers.location]).toEqual([302, '/temporal/namespaces/ours/workflows']);
  }
});

test('what pages of other origins ask for is refused, and what writes has to say that it is ours', async () => {
  const { api, asked } = await withUpstream(hello);
  const { cookie } = await logIn(api);
  const host = 'localhost:80';
  const navigation = { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' };
  const cases: ['GET' | 'POST' | 'DELETE', Record<string, string>, number][] = [
    ['GET', {}, 200],
    ['GET', { 'sec-fetch-site': 'none' }, 200],
    ['GET', { 'sec-fetch-site': 'same-origin' }, 200],
    ['GET', { 'sec-fetch-site': 'cross-site', ...navigation }, 200],
    ['GET', { 'sec-fetch-site': 'cross-site', ...navigation, 'sec-fetch-dest': 'iframe' }, 403],
    ['GET', { 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'cors' }, 403],
    ['GET', { origin: 'http://localhost:3000' }, 403],
    ['POST', {}, 403],
    ['POST', { 'sec-fetch-site': 'same-origin' }, 200],
    ['POST', { origin: 'http://localhost:80' }, 200],
    ['POST', { origin: 'http://localhost' }, 200],
    ['POST', { origin: 'https://localhost' }, 403],
    ['POST', { origin: 'http://localhost.evil.example' }, 403],
    ['POST', { origin: 'file://' }, 403],
    ['POST', { origin: 'null', 'sec-fetch-site': 'same-origin' }, 403],
    ['POST', { origin: 'not an origin' }, 403],
    ['POST', { 'sec-fetch-site': 'none' }, 403],
    ['POST', { 'sec-fetch-site': 'cross-site', ...navigation }, 403],
    ['DELETE', { 'sec-fetch-site': 'same-site', origin: 'http://localhost:3000' }, 403],
  ];
  for (const [method, headers, status] of cases) {
    const answer = await api.app.inject({
      method,
      url: '/temporal/x',
      headers: { cookie, host, ...headers },
    });
    expect([method, headers, answer.statusCode]).toEqual([method, headers, status]);
  }
  expect(asked).toHaveLength(cases.filter(([, , status]) => status === 200).length);
});

test('a body over the limit, a path that is none and an upstream that is gone are said in a sentence', async () => {
  const { api, close } = await withUpstream(hello, { bodyLimitBytes: 1_000 });
  const { cookie } = await logIn(api);
  const ask = (url: string, payload?: string) =>
    api.app.inject({
      method: payload === undefined ? 'GET' : 'POST',
      url,
      headers: { cookie, 'sec-fetch-site': 'same-origin' },
      ...(payload !== undefined && { payload }),
    });
  expect((await ask('/temporal/x', 'x'.repeat(1_001))).json().code).toBe('BodyTooLarge');
  for (const url of ['/temporal/..%2fx', '/temporal/%zz', '/temporal/%ff'])
    expect([url, (await ask(url)).statusCode]).toEqual([url, 400]);
  close();
  const { statusCode, headers, ...answer } = await ask('/temporal/x');
  expect([statusCode, headers['retry-after'], answer.json().detail]).toEqual([
    503,
    '1',
    "Temporal's Web UI does not answer right now; try again in a moment.",
  ]);
});

test('a page that waits for an event does not hold up a stop', async () => {
  const arrived = Promise.withResolvers<void>();
  const { api } = await withUpstream(() => arrived.resolve());
  const { cookie } = await logIn(api);
  const url = await api.listen();
  const waiting = fetch(`${url}/temporal/history`, { headers: { cookie } });
  await arrived.promise;
  const cut = vi.spyOn(api.app.server, 'closeAllConnections');
  await Promise.all([api.app.close(), expect(waiting).resolves.toMatchObject({ status: 503 })]);
  // Nothing held it up for so long that it was cut off.
  expect(cut).not.toHaveBeenCalled();
});

test('where there is no Web UI, that is said, with or without a token', async () => {
  const problem = 'It is off here.';
  const api = await createTestApp({ temporalUi: { problem } });
  const answers = [await api.ask('POST', '/temporal-login'), await api.app.inject({ url: '/temporal/x' })];
  expect(answers.map((answer) => [answer.statusCode, answer.json().detail])).toEqual([
    [404, problem],
    [404, problem],
  ]);
});

test('the texts of a workflow are framed with their link to the run, and nothing in them is more than text', async () => {
  const { api } = await withUpstream(hello);
  const shown = async (content: string, headers = {}) => {
    const url = `/render?content=${encodeURIComponent(content)}&theme=light&overrideTheme=primary`;
    const answer = await api.app.inject({ url, headers });
    return { ...answer, text: /<body>([^]*)<\/body>/.exec(answer.body)?.[1] };
  };
  const id = '0193d5a0-7c1e-7b52-9f0e-2f6f0d3a9b11';
  const run = await shown(`- Model: \`a<b>/c\`\n- [Open the run on the page](/#run=${id})`);
  expect(run.text).toBe(
    `- Model: <code>a&lt;b&gt;/c</code>\n- <a href="/#run=${id}" target="_blank" rel="noopener">Open the run on the page</a>`,
  );
  expect(run.headers['x-frame-options']).toBe('SAMEORIGIN');
  expect(run.headers['content-security-policy']).toMatch(
    /default-src 'none'.*frame-ancestors 'self'.*sandbox allow-same-origin/,
  );
  for (const other of [
    '[x](javascript:alert(1))',
    '[x](https://example.org/)',
    `[x](/#run=${id}" onclick="alert(1))`,
    '<script>alert(1)</script>',
    '`<img src=x onerror=alert(1)>`',
  ])
    expect((await shown(other)).text, other).not.toMatch(/<(?!\/?code>)|javascript:[^)]*"/);
  expect((await shown('', { 'sec-fetch-site': 'cross-site' })).statusCode).toBe(403);
  const { cookie } = await logIn(api);
  const page = await api.app.inject({ url: '/temporal/namespaces', headers: { ...ours, cookie } });
  expect(page.headers['content-security-policy']).toContain("frame-src 'self'");
  const without = await createTestApp({ temporalUi: { problem: 'There is none here.' } });
  expect((await without.app.inject({ url: '/render' })).statusCode).toBe(404);
});
