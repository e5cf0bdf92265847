// Tokens over the API: the value is given once, a revoked one counts for nothing at once, and everything is in the audit.
import { expect, onTestFinished, test, vi } from 'vitest';
import { createKnownTokens } from '../../api/known-tokens.ts';
import { createClient } from '../../api/client/client.ts';
import { remakeFolderToken } from '../../activities/store/access/data-folder-token.ts';
import { tokensChannel } from '../../activities/store/log/notifier.ts';
import type { CreatedTokenView, RevokedTokenView, TokenListView } from '../../workflows/contracts/token.ts';
import type { ProblemView } from '../../workflows/contracts/system.ts';
import { createTestApp, type TestApp } from '../support/test-app.ts';
import { readStream, startRun } from './stream/streams.ts';

const bearer = (value: string | null) => ({ authorization: `Bearer ${value}` });

async function create(api: TestApp, body: object, headers = {}): Promise<CreatedTokenView> {
  const answer = await api.ask('POST', '/tokens', body, headers);
  expect([answer.statusCode, answer.headers['cache-control']]).toEqual([201, 'no-store']);
  return answer.json<CreatedTokenView>();
}

async function statusWith(api: TestApp, value: string | null): Promise<number> {
  return (await api.ask('GET', '/runs', undefined, bearer(value))).statusCode;
}

async function list(api: TestApp, query = ''): Promise<TokenListView['items']> {
  return (await api.ask('GET', `/tokens${query}`)).json<TokenListView>().items;
}

/** An answer about a token without when that was used: it is noted a second later, between two answers. */
function withoutUse(answer: { body: string }): object {
  return JSON.parse(answer.body, (name, value) => (name === 'lastUsedAt' ? undefined : value));
}

/** Whether the API hears of what is revoked elsewhere: what it was told before that is lost. */
async function hears({ database }: TestApp): Promise<boolean> {
  const { rowCount } = await database.pool.query(
    `select from pg_stat_activity where datname = current_database() and application_name = 'perdure-api-listen'
       and state = 'idle' and query = $1`,
    [`listen "${tokensChannel}"`],
  );
  return rowCount === 1;
}

test('a token is made, acts under its name, and counts for nothing as soon as it is revoked', async () => {
  const api = await createTestApp();
  const { value, note, ...made } = await create(api, { name: 'ci', expiresInDays: 90 });
  expect(value).toMatch(/^pdr_[\w-]{43}$/);
  expect(note).toContain('shown this once');
  expect(made).toEqual({
    id: made.id,
    name: 'ci',
    state: 'usable',
    inDataFolder: false,
    createdAt: made.createdAt,
    createdBy: 'first (api)',
    expiresAt: new Date(Date.parse(made.createdAt) + 90 * 86_400_000).toISOString(),
    lastUsedAt: null,
    revokedAt: null,
  });
  const other = await api.ask('POST', '/tokens', { name: 'by ci' }, bearer(value));
  expect(other.json<CreatedTokenView>().createdBy).toBe('ci (api)');
  expect((await list(api)).map(({ name }) => name)).toEqual(['by ci', 'ci', 'first']);
  const revoked = await api.ask('DELETE', `/tokens/${made.id}`);
  const { lastUsedAt: _, ...known } = made;
  expect([revoked.statusCode, withoutUse(revoked)]).toEqual([
    200,
    { ...known, state: 'revoked', revokedAt: expect.any(String) as string, warning: null },
  ]);
  expect(await statusWith(api, value)).toBe(401);
  const again = await api.ask('DELETE', `/tokens/${made.id}`);
  expect([again.statusCode, withoutUse(again)]).toEqual([200, withoutUse(revoked)]);
  expect((await list(api)).map(({ name }) => name)).toEqual(['by ci', 'first']);
  const { items } = (await api.ask('GET', '/audit')).json<{
    items: { actor: string; action: string; detail: { name: string } }[];
  }>();
  const facts = items.map(({ actor, action, detail }) => `${actor}: ${action} ${detail.name}`);
  expect(facts.filter((fact) => fact.includes('token-'))).toEqual([
    'first (api): token-revoke ci',
    'ci (api): token-create by ci',
    'first (api): token-create ci',
    'first start: token-create first',
  ]);
});

test('the answer comes again under its key without the value, which is nowhere in the database', async () => {
  const api = await createTestApp();
  const key = { 'idempotency-key': 'one' };
  const first = await create(api, { name: 'ci' }, key);
  const again = await create(api, { name: 'ci' }, key);
  expect(again).toEqual({ ...first, value: null, note: expect.stringContaining('make another') as string });
  expect(await statusWith(api, first.value)).toBe(200);
  const { rows } = await api.database.pool.query<{ text: string }>(
    `select string_agg(t::text, '') as text from (select * from idempotency_keys) t
     union all select string_agg(t::text, '') from tokens t union all select string_agg(t::text, '') from audit t`,
  );
  expect(rows.map(({ text }) => text).join('')).not.toContain(first.value);
  expect(JSON.stringify(api.lines)).not.toContain(first.value);
});

test('a client whose answer was lost on the way has a token with a value in the end, and only that one counts', async () => {
  const api = await createTestApp();
  const url = await api.listen();
  let lost = 0;
  const losing: typeof fetch = async (input, init) => {
    const response = await fetch(input, init);
    if (init?.method !== 'POST' || lost > 0) return response;
    lost += 1;
    throw new TypeError('the connection broke');
  };
  const client = createClient({ url, token: api.token, fetch: losing, retryForMs: 60_000 });
  const { value, id } = await client.createToken({ name: 'ci' });
  expect([lost, await statusWith(api, value)]).toEqual([1, 200]);
  expect((await list(api, '?all=true')).map(({ name, state }) => [name, state])).toEqual([
    ['ci', 'usable'],
    ['ci', 'revoked'],
    ['first', 'usable'],
  ]);
  expect((await list(api))[0]?.id).toBe(id);
});

test('streams of a revoked token end, and another process that revokes is heard of', async () => {
  // Nothing looks at intervals whether the token of a stream counts: the API was told, or the stream does not end.
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  onTestFinished(() => void vi.useRealTimers());
  const api = await createTestApp();
  const url = await api.listen();
  const run = await startRun(api);
  const { value, id } = await create(api, { name: 'reader' });
  const follow = (token: string | null) => {
    const opened = Promise.withResolvers<void>();
    const reading = readStream(`${url}${run.streamUrl}`, bearer(token), () => {
      opened.resolve();
      return false;
    });
    return { opened: opened.promise, reading };
  };
  const [mine, first] = [follow(value), follow(api.token)];
  await Promise.all([mine.opened, first.opened]);
  await expect.poll(() => hears(api)).toBe(true);
  await api.ask('DELETE', `/tokens/${id}`);
  expect((await mine.reading).comments.at(-1)).toBe('the token does not count any more');
  let remade = '';
  const file = {
    read: async () => undefined,
    write: async (made: string) => {
      remade = made;
    },
  };
  await remakeFolderToken(api.database.db, api.tenantId, file);
  expect((await first.reading).comments.at(-1)).toBe('the token does not count any more');
  expect([await statusWith(api, api.token), await statusWith(api, remade)]).toEqual([401, 200]);
});

test('the last usable token can be revoked, and that is said with the way back', async () => {
  const api = await createTestApp();
  const { id: extra } = await create(api, { name: 'extra' });
  const [first] = (await list(api)).filter(({ inDataFolder }) => inDataFolder);
  const warn = async (id: string) =>
    (await api.ask('DELETE', `/tokens/${id}`)).json<RevokedTokenView>().warning;
  expect(await warn(extra)).toBeNull();
  expect(await warn(first?.id ?? '')).toBe(
    'This was the last usable token: `perdure tokens remake`, called on the machine of the server, makes another.',
  );
  expect(await statusWith(api, api.token)).toBe(401);
});

test('an expired token is refused in that moment, although it was just used', async () => {
  const api = await createTestApp();
  const { value, expiresAt } = await create(api, { name: 'short', expiresInDays: 1 });
  const end = Date.parse(expiresAt ?? '');
  vi.useFakeTimers({ toFake: ['Date'] });
  onTestFinished(() => void vi.useRealTimers());
  const ask = (at: number, path: string, headers = {}) => {
    vi.setSystemTime(at);
    // An id that the API makes then would have that time, and so would all that this process makes behind it.
    return api.ask('GET', path, undefined, { 'x-request-id': 'later', ...headers });
  };
  const before = await ask(end - 1, '/runs', bearer(value));
  const after = await ask(end, '/runs', bearer(value));
  expect([before.statusCode, after.statusCode]).toEqual([200, 401]);
  const { items } = (await ask(end, '/tokens?all=true')).json<TokenListView>();
  expect(items[0]).toMatchObject({ name: 'short', state: 'expired' });
});

test('when a token was used last is known after a moment, and costs a request nothing', async () => {
  const api = await createTestApp();
  const { value, id } = await create(api, { name: 'ci' });
  const tokens = createKnownTokens({ ...api.deps, db: api.database.db });
  onTestFinished(() => tokens.close());
  const before = Date.now();
  expect(await tokens.verify(value ?? '')).toEqual({ id, name: 'ci', tenantId: api.tenantId });
  expect(await tokens.live([id])).toEqual(new Set([id]));
  await tokens.close();
  const [{ lastUsedAt } = { lastUsedAt: null }] = await list(api);
  const usedAt = Date.parse(lastUsedAt ?? '');
  expect([usedAt >= before, usedAt <= Date.now()]).toEqual([true, true]);
});

test('bad input is refused by the name of its field, and makes nothing', async () => {
  const api = await createTestApp();
  const wrong: [object, string][] = [
    [{}, 'name'],
    [{ name: '' }, 'name'],
    [{ name: 'first' }, 'name'],
    [{ name: ' ci' }, 'name'],
    [{ name: 'ci (cli)' }, 'name'],
    [{ name: 'c\u202ei' }, 'name'],
    [{ name: 'c\u001b[2Ji' }, 'name'],
    [{ name: 'x'.repeat(65) }, 'name'],
    [{ name: 'ci', expiresInDays: 0 }, 'expiresInDays'],
    [{ name: 'ci', expiresInDays: 1.5 }, 'expiresInDays'],
    [{ name: 'ci', expiresInDays: 3_651 }, 'expiresInDays'],
    [{ name: 'ci', value: 'pdr_mine' }, 'value'],
  ];
  for (const [body, field] of wrong) {
    const answer = await api.ask('POST', '/tokens', body);
    const fields = new Set(answer.json<ProblemView>().fields?.map(({ path }) => path));
    expect([body, answer.statusCode, fields]).toEqual([body, 400, new Set([field])]);
  }
  await create(api, { name: "José's laptop" });
  const taken = await api.ask('POST', '/tokens', { name: "José's laptop" });
  expect([taken.statusCode, taken.json<ProblemView>().code]).toEqual([409, 'TokenExists']);
  expect((await api.ask('DELETE', '/tokens/0193d5a4-55d0-7a11-8c3f-90b4a7c1de02')).statusCode).toBe(404);
  expect((await api.ask('DELETE', '/tokens/nonsense')).statusCode).toBe(400);
  expect((await list(api, '?all=true')).map(({ name }) => name)).toEqual(["José's laptop", 'first']);
});
