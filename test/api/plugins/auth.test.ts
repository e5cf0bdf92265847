import { connect } from 'node:net';
import { v7 as uuid } from 'uuid';
import { expect, test } from 'vitest';
import { ensureFirstToken } from '../../../activities/store/access/data-folder-token.ts';
import { hashOfToken } from '../../../activities/store/access/tokens.ts';
import { createTestApp, type TestApp } from '../../support/test-app.ts';

async function ask(api: TestApp, headers: Record<string, string | string[]>): Promise<unknown[]> {
  const answer = await api.app.inject({ url: '/api/v1/runs', headers: headers as Record<string, string> });
  return [answer.statusCode, answer.headers['www-authenticate']];
}

test.each([
  ['nothing', {}],
  ['another scheme', { authorization: 'Basic cGRyOnBkcg==' }],
  ['no token', { authorization: 'Bearer ' }],
  ['a token nobody was given', { authorization: `Bearer pdr_${'A'.repeat(43)}` }],
  ['letters no token has', { authorization: "Bearer pdr_' or 1=1 --" }],
  ['a token too long', { authorization: `Bearer ${'A'.repeat(5_000)}` }],
])('%s is no way in', async (_what, headers) => {
  const api = await createTestApp();
  expect(await ask(api, headers as Record<string, string>)).toEqual([401, 'Bearer']);
});

test('two Authorization headers are refused, although each of them is right', async () => {
  const api = await createTestApp();
  const url = new URL(await api.listen());
  const line = `authorization: Bearer ${api.token}\r\n`;
  const answerTo = (lines: string) =>
    new Promise<string>((resolve) => {
      const socket = connect(Number(url.port), url.hostname, () =>
        socket.write(`GET /api/v1/runs HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n${lines}\r\n`),
      );
      socket.once('data', (bytes) => {
        resolve(bytes.toString().slice(0, 12));
        socket.destroy();
      });
    });
  expect([await answerTo(line), await answerTo(line + line)]).toEqual(['HTTP/1.1 200', 'HTTP/1.1 401']);
});

test('a revoked token works no longer than five seconds, also when no notice of it comes', async () => {
  const api = await createTestApp();
  expect((await ask(api, api.auth))[0]).toBe(200);
  const begun = performance.now();
  await api.database.pool.query('update tokens set revoked_at = now()');
  // When the last request came that it opened; a slow machine may look again long after that.
  let workedMs = 0;
  const status = async (): Promise<unknown> => {
    const askedMs = performance.now() - begun;
    const [answered] = await ask(api, api.auth);
    if (answered === 200) workedMs = askedMs;
    return answered;
  };
  await expect.poll(status).toBe(401);
  expect(workedMs).toBeLessThan(5_000);
});

test('who asked is the token and what spoke for it, which is one of ours or the API itself', async () => {
  const api = await createTestApp();
  const names: string[] = [];
  for (const surface of [undefined, 'cli', 'page', 'Page', 'cli, page', 'someone else']) {
    const headers: Record<string, string> = surface === undefined ? {} : { 'x-perdure-surface': surface };
    const { id } = (await api.ask('POST', '/runs', { prompt: 'say hello' }, headers)).json<{ id: string }>();
    const { items } = (await api.ask('GET', `/runs/${id}/events`)).json<{
      items: { payload: { by: string } }[];
    }>();
    names.push(items[0]?.payload.by ?? '');
  }
  expect(names).toEqual([
    'first (api)',
    'first (cli)',
    'first (page)',
    'first (api)',
    'first (api)',
    'first (api)',
  ]);
});

test('the token of another tenant is no way in', async () => {
  const api = await createTestApp();
  await api.database.db
    .insertInto('tokens')
    .values({
      id: uuid(),
      tenant_id: '00000000-0000-0000-0000-000000000001',
      name: 'theirs',
      created_by: 'them',
      hash: hashOfToken('pdr_theirs'),
    })
    .execute();
  expect(await ask(api, { authorization: 'Bearer pdr_theirs' })).toEqual([401, 'Bearer']);
});

test('the first token is made once, by whoever comes first, and handed over before it counts', async () => {
  const api = await createTestApp();
  await api.database.pool.query('delete from tokens');
  const given: string[] = [];
  const attempt = () =>
    ensureFirstToken(api.database.db, api.tenantId, async (token) => void given.push(token));
  await expect(
    ensureFirstToken(api.database.db, api.tenantId, async () => {
      throw new Error('the disk is full');
    }),
  ).rejects.toThrow('the disk is full');
  expect((await Promise.all([attempt(), attempt(), attempt()])).filter(Boolean).length).toBe(1);
  expect(given).toEqual([expect.stringMatching(/^pdr_[A-Za-z0-9_-]{43}$/)]);
  expect((await ask(api, { authorization: `Bearer ${given[0]}` }))[0]).toBe(200);
});

test('every route but health asks for a token', async () => {
  const api = await createTestApp();
  const { paths } = (await api.app.inject({ url: '/api/openapi.json' })).json<{
    paths: Record<string, Record<string, unknown>>;
  }>();
  const open: string[] = [];
  for (const [path, methods] of Object.entries(paths)) {
    for (const method of Object.keys(methods)) {
      const url = path.replaceAll(/\{\w+\}/g, 'x');
      const answer = await api.app.inject({ method: method as 'GET', url });
      if (answer.statusCode !== 401) open.push(path);
    }
  }
  expect(open).toEqual(['/api/v1/health', '/api/v1/health/ready']);
});
