import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { ProblemView } from '../../../workflows/contracts/system.ts';
import { type CuttingProxy, createCuttingProxy } from '../../support/cutting-proxy.ts';
import { createTestApp, type TestApp } from '../../support/test-app.ts';
import type { Schema, Schemas } from '../from-schema.ts';
import { operationsOf } from '../operations.ts';
import { startRun } from '../stream/streams.ts';

const json = { 'content-type': 'application/json' };

async function post(api: TestApp, payload: string | Buffer, headers: Record<string, string> = json) {
  const answer = await api.app.inject({
    method: 'POST',
    url: '/api/v1/runs',
    headers: { ...api.auth, ...headers },
    payload,
  });
  const problem = ProblemView.parse(answer.json());
  expect(problem.requestId).toBe(answer.headers['x-request-id']);
  expect(answer.headers['content-type']).toBe('application/problem+json; charset=utf-8');
  return [answer.statusCode, problem.code];
}

test('a body is nested a hundred levels deep at most, in a field that takes anything too', async () => {
  const api = await createTestApp();
  const evaluated = async (levels: number) => {
    // Two for the body and the list of calls, one for the call.
    const input = '['.repeat(levels - 3) + ']'.repeat(levels - 3);
    const payload = `{"calls":[{"tool":"read","input":${input}}]}`;
    const url = '/api/v1/policies/evaluate';
    const answer = await api.app.inject({ method: 'POST', url, headers: { ...api.auth, ...json }, payload });
    return [answer.statusCode, answer.json<{ detail?: string }>().detail];
  };
  const refused = [400, 'The body is nested more than 100 levels deep; send it flatter.'];
  expect([await evaluated(100), await evaluated(101), await evaluated(300_000)]).toEqual([
    [200, undefined],
    refused,
    refused,
  ]);
});

test.each<[string, string | Buffer, number, string]>([
  ['empty', '', 400, 'InvalidInput'],
  ['cut short', '{"prompt": "x"', 400, 'MalformedBody'],
  ['nested 10,000 deep', `${'['.repeat(10_000)}${']'.repeat(10_000)}`, 400, 'InvalidInput'],
  [
    'nested 10,000 deep in a field',
    `{"prompt":${'{"a":'.repeat(10_000)}1${'}'.repeat(10_001)}`,
    400,
    'InvalidInput',
  ],
  ['with __proto__', '{"prompt":"x","__proto__":{"model":"a/b"}}', 400, 'MalformedBody'],
  ['with constructor.prototype', '{"prompt":"x","constructor":{"prototype":{}}}', 400, 'MalformedBody'],
  ['a million items', `[${'0,'.repeat(499_999)}0]`, 400, 'InvalidInput'],
  ['a huge number', '{"prompt":"x","limits":{"steps":1e400}}', 400, 'InvalidInput'],
  ['an inexact number', '{"prompt":"x","limits":{"tokens":9007199254740993}}', 400, 'InvalidInput'],
  ['zero steps', '{"prompt":"x","limits":{"steps":0}}', 400, 'InvalidInput'],
  ['NUL in the prompt', '{"prompt":"a\\u0000b"}', 400, 'InvalidInput'],
  ['NUL in an id', '{"prompt":"x","messageId":"a\\u0000b"}', 400, 'InvalidInput'],
  ['NUL in a key', '{"prompt":"x","metadata":{"a\\u0000b":"c"}}', 400, 'InvalidInput'],
  ['a lone surrogate', '{"prompt":"x","metadata":{"a":"\\ud800"}}', 400, 'InvalidInput'],
  ['broken UTF-8', Buffer.from([0x7b, 0xff, 0x7d]), 400, 'MalformedBody'],
  ['an unknown field', '{"prompt":"x","promt":"y"}', 400, 'InvalidInput'],
  ['a relative project', '{"prompt":"x","project":{"path":"../etc"}}', 400, 'InvalidInput'],
  ['over the limit', `{"prompt":"${'x'.repeat(1024 * 1024)}"}`, 413, 'BodyTooLarge'],
  ['a conversation that is not a UUID', '{"prompt":"x","conversationId":"../../etc"}', 400, 'InvalidInput'],
])('a body that is %s is refused and stores nothing', async (_what, body, status, code) => {
  const api = await createTestApp();
  expect(await post(api, body)).toEqual([status, code]);
  expect((await api.ask('GET', '/runs')).json().items).toEqual([]);
});

test('a refusal names the field, the rule and what to do', async () => {
  const api = await createTestApp();
  const answer = await api.ask('POST', '/runs', { prompt: '  ', limits: { steps: 'many' }, colour: 'red' });
  expect(answer.json()).toEqual({
    type: '/problems/InvalidInput',
    title: 'The request is not valid',
    status: 400,
    detail: 'prompt is not valid: must not be empty. Correct it and send the request again.',
    code: 'InvalidInput',
    requestId: answer.headers['x-request-id'],
    fields: [
      { path: 'prompt', problem: 'must not be empty' },
      { path: 'limits.steps', problem: 'Invalid input: expected number, received string' },
      { path: 'colour', problem: 'there is no such field here' },
    ],
  });
});

test('no name and no title in a body may be of blanks alone', async () => {
  const api = await createTestApp();
  const { operations, schemas } = await operationsOf(api);
  const found = operations.flatMap(({ operationId, requestBody }) => {
    const schema = requestBody?.content['application/json']?.schema;
    return schema ? namesIn(schema, schemas).map((name) => [operationId, name] as const) : [];
  });
  expect(found.map(([operationId]) => operationId)).toEqual(
    expect.arrayContaining([
      'createWorkspace',
      'updatePolicy',
      'createTask',
      'startRun',
      'changeConversation',
    ]),
  );
  const isTaken = ({ pattern }: Schema): boolean =>
    pattern === undefined || new RegExp(pattern, 'u').test(' \u00a0\u200b\n');
  expect(found.filter(([, name]) => [name, ...(name.allOf ?? [])].every(isTaken))).toEqual([]);
});

/** The texts called so, however deep they are. */
function namesIn(schema: Schema, schemas: Schemas, under: string[] = []): Schema[] {
  const { $ref, properties = {}, items, anyOf = [], oneOf = [], allOf = [] } = schema;
  const of = $ref?.replace('#/components/schemas/', '') ?? '';
  if (under.includes(of)) return [];
  const inner = [schemas[of], items, ...anyOf, ...oneOf, ...allOf, ...Object.values(properties)];
  const here = [properties.name, properties.title]
    .filter((one) => one !== undefined)
    .filter(({ type }) => type === 'string');
  return [
    ...here,
    ...inner.flatMap((one) => (one ? namesIn(one, schemas, of ? [...under, of] : under) : [])),
  ];
}

test.each([
  ['POST', '/presets', { name: '  ' }, 'name'],
  ['POST', '/workspaces', { id: 'shop', name: '\u200b', projects: [{ path: '/srv/shop' }] }, 'name'],
  ['POST', '/tasks', { title: '', prompt: 'Mend it.' }, 'title'],
  ['PUT', '/allowances', { name: ' ', limits: {}, version: 0, reason: 'It is less.' }, 'name'],
] as const)('%s %s with a name of blanks names that field', async (method, path, body, field) => {
  const api = await createTestApp();
  const answer = (await api.ask(method, path, body)).json();
  expect([answer.status, answer.fields]).toEqual([
    400,
    expect.arrayContaining([{ path: field, problem: 'must not be empty' }]),
  ]);
});

test('a key given twice counts the last time', async () => {
  const api = await createTestApp();
  const answer = await api.app.inject({
    method: 'POST',
    url: '/api/v1/runs',
    headers: { ...api.auth, ...json },
    payload: '{"prompt":"first","prompt":"last"}',
  });
  expect((await api.ask('GET', `/runs/${answer.json().id}`)).json().prompt).toBe('last');
});

test('only plain JSON is read', async () => {
  const api = await createTestApp();
  const body = '{"prompt":"x"}';
  const answers = [
    await post(api, body, { 'content-type': 'text/plain' }),
    await post(api, body, { 'content-type': 'application/x-www-form-urlencoded' }),
    await post(api, body, {}),
    await post(api, gzipSync(Buffer.alloc(50_000_000)), { ...json, 'content-encoding': 'gzip' }),
  ];
  expect(answers).toEqual(Array.from({ length: 4 }, () => [415, 'UnsupportedMediaType']));
});

test.each(['0', '-1', '9223372036854775808', 'x'.repeat(1_001), '..%2f..', '%2e%2e', '%00', 'а', '%ff'])(
  'a run called %j is refused or not there',
  async (id) => {
    const api = await createTestApp();
    const answer = await api.app.inject({ url: `/api/v1/runs/${id}`, headers: api.auth });
    expect([400, 404]).toContain(answer.statusCode);
    expect(ProblemView.parse(answer.json()).status).toBe(answer.statusCode);
  },
);

test('a known path with another method says what it takes', async () => {
  const api = await createTestApp();
  const run = await startRun(api);
  const answer = await api.app.inject({
    method: 'PATCH',
    url: `/api/v1/runs/${run.id}`,
    headers: { ...api.auth, ...json },
    payload: '{',
  });
  expect([answer.statusCode, answer.headers.allow, answer.json().code]).toEqual([
    405,
    'DELETE, GET, HEAD, OPTIONS',
    'MethodNotAllowed',
  ]);
  const stream = await api.app.inject({ method: 'HEAD', url: run.streamUrl, headers: api.auth });
  expect([stream.statusCode, stream.headers.allow]).toEqual([405, 'GET, OPTIONS']);
  expect((await api.ask('GET', '/nowhere')).json().code).toBe('NotFound');
});

test('no method of any name is answered otherwise, and OPTIONS says which there are', async () => {
  const api = await createTestApp();
  const { port } = new URL(await api.listen());
  const asked = async (method: string, path: string): Promise<(string | undefined)[]> => {
    const socket = connect(Number(port), '127.0.0.1');
    socket.write(`${method} ${path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`);
    const answer = await text(socket);
    return [answer.slice(9, 12), /^allow: (.*)\r$/im.exec(answer)?.[1]];
  };
  const unknown = ['TRACE', 'PROPFIND', 'SEARCH', 'QUERY', 'get', 'Post', 'PERDURE', 'M-SEARCH', 'x!y'];
  for (const method of unknown) {
    expect(await asked(method, '/api/v1/runs?limit=2'), method).toEqual(['405', 'GET, HEAD, OPTIONS, POST']);
    expect((await asked(method, '/api/v1/nowhere'))[0], method).toMatch(/^40[04]$/);
  }
  expect(await asked('OPTIONS', '/api/v1/prune')).toEqual(['204', 'GET, HEAD, OPTIONS, POST']);
  expect(await asked('OPTIONS', '/api/v1/nowhere')).toEqual(['404', undefined]);
  // A path of its own, though a name stands for such a part beside it.
  for (const method of ['GET', 'DELETE', 'PERDURE'])
    expect(await asked(method, '/api/v1/policies/place'), method).toEqual(['405', 'OPTIONS, PUT']);
  expect(await asked('PUT', '/api/v1/policies/places')).toEqual(['405', 'GET, HEAD, OPTIONS']);
  for (const path of ['/api/openapi.json', '/docs', '/docs/static/index.css'])
    expect(await asked('DELETE', path), path).toEqual(['405', 'GET, HEAD, OPTIONS']);
  expect(await asked('CONNECT', '/api/v1/runs')).toEqual([expect.stringMatching(/^(40\d)?$/), undefined]);
});

test('an acceptable request id is taken over and echoed, another one is replaced', async () => {
  const api = await createTestApp();
  const echoed = async (id: string) =>
    (await api.app.inject({ url: '/api/v1/health', headers: { 'x-request-id': id } })).headers[
      'x-request-id'
    ];
  expect(await echoed('trace-1.a_B')).toBe('trace-1.a_B');
  for (const bad of ['a b', 'x'.repeat(129), 'a\tb', '<script>']) expect(await echoed(bad)).not.toBe(bad);
});

test('what breaks inside is logged with its reason and answered without', async () => {
  const api = await createTestApp({
    diff: async () => {
      throw new Error('secret detail');
    },
  });
  const run = await startRun(api);
  const answer = await api.ask('GET', `/runs/${run.id}/diff`);
  expect([answer.statusCode, answer.json().code]).toEqual([500, 'InternalError']);
  expect(answer.body).not.toContain('secret detail');
  expect(api.lines.filter((line) => line.level === 50)).toEqual([
    expect.objectContaining({
      requestId: answer.headers['x-request-id'],
      err: expect.objectContaining({ message: 'secret detail' }),
    }),
  ]);
});

test('secrets are hidden in what is refused', async () => {
  const api = await createTestApp({ redact: (text) => text.replaceAll('hunter2', '***') });
  const answer = await api.ask('POST', '/runs', { prompt: 'x', hunter2: 1 });
  expect(answer.json().fields).toEqual([{ path: '***', problem: 'there is no such field here' }]);
});

test('what is not HTTP, or has too many headers, is refused on the wire', async () => {
  const api = await createTestApp();
  const url = new URL(await api.listen());
  const say = (text: string) =>
    new Promise<string>((resolve) => {
      let heard = '';
      const socket = connect(Number(url.port), url.hostname, () => socket.write(text));
      socket.on('data', (bytes) => {
        heard += bytes.toString();
      });
      socket.on('close', () => resolve(heard));
    });
  const garbage = await say('HELO there\r\n\r\n');
  const many = await say(`GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nx-much: ${'x'.repeat(64 * 1024)}\r\n\r\n`);
  const split = await say(
    `GET /api/v1/health HTTP/1.1\r\nhost: 127.0.0.1\r\nx-request-id: a\rset-cookie: b\r\n\r\n`,
  );
  const problemOf = (answer: string) => ProblemView.parse(JSON.parse(answer.split('\r\n\r\n')[1] ?? ''));
  expect([problemOf(garbage).status, problemOf(many).status, problemOf(split).status]).toEqual([
    400, 431, 400,
  ]);
  expect(problemOf(many).code).toBe('HeadersTooLarge');
});

test('without Postgres an answer comes soon and says to try again; with it all is well again', async () => {
  let proxy: CuttingProxy | undefined;
  const api = await createTestApp({
    through: async (url) => {
      const { hostname, port } = new URL(url);
      proxy = await createCuttingProxy({ host: hostname, port: Number(port || 5432) });
      return proxy.urlOf(url);
    },
  });
  expect((await api.ask('GET', '/runs')).statusCode).toBe(200);
  proxy?.goDown();
  for (const ask of [() => api.ask('GET', '/runs'), () => api.ask('POST', '/runs', { prompt: 'x' })]) {
    const answer = await ask();
    expect([answer.statusCode, answer.headers['retry-after'], answer.json().code]).toEqual([
      503,
      '1',
      'StoreUnavailable',
    ]);
  }
  proxy?.comeBack();
  // The pool may hold another connection that was cut, and not know it yet.
  await expect.poll(async () => (await api.ask('POST', '/runs', { prompt: 'x' })).statusCode).toBe(202);
});
