import { expect, test } from 'vitest';
import { createCuttingProxy } from '../../support/cutting-proxy.ts';
import { createTestApp, type TestApp } from '../../support/test-app.ts';

const body = { prompt: 'say hello' };
const key = { 'idempotency-key': 'order-17' };

async function runsIn(api: TestApp): Promise<number> {
  const { items } = (await api.ask('GET', '/runs')).json<{ items: unknown[] }>();
  return items.length;
}

test('the same request again gets the same answer and does nothing', async () => {
  const api = await createTestApp();
  const first = await api.ask('POST', '/runs', body, key);
  const again = await api.ask('POST', '/runs', body, key);
  expect([again.statusCode, again.body]).toEqual([first.statusCode, first.body]);
  expect(first.headers['idempotent-replayed']).toBeUndefined();
  expect(again.headers['idempotent-replayed']).toBe('true');
  expect(again.headers['content-type']).toBe(first.headers['content-type']);
  expect(await runsIn(api)).toBe(1);
  expect(api.told).toEqual([`started ${first.json().id}`]);
});

test('the same key with another body is refused, on another path it is another key', async () => {
  const api = await createTestApp();
  const run = (await api.ask('POST', '/runs', body, key)).json<{ id: string }>();
  const other = await api.ask('POST', '/runs', { prompt: 'something else' }, key);
  expect([other.statusCode, other.json().code]).toEqual([422, 'IdempotencyKeyReused']);
  const elsewhere = await api.ask('POST', `/runs/${run.id}/steer`, { text: 'hi' }, key);
  expect(elsewhere.statusCode).toBe(202);
});

test('a refusal is an answer too: it comes again, and nothing of it was written', async () => {
  const api = await createTestApp();
  const { conversationId } = (await api.ask('POST', '/runs', body)).json<{ conversationId: string }>();
  const busy = await api.ask('POST', `/conversations/${conversationId}/messages`, body, key);
  const again = await api.ask('POST', `/conversations/${conversationId}/messages`, body, key);
  expect([busy.statusCode, busy.json().code]).toEqual([409, 'ConversationBusy']);
  expect([again.statusCode, again.body]).toEqual([409, busy.body]);
  expect(again.headers['content-type']).toBe('application/problem+json; charset=utf-8');
  expect(await runsIn(api)).toBe(1);
});

test('of many at once one does it and the others get its answer or are told to wait', async () => {
  const api = await createTestApp();
  const answers = await Promise.all(Array.from({ length: 12 }, () => api.ask('POST', '/runs', body, key)));
  const accepted = answers.filter((answer) => answer.statusCode === 202);
  const waiting = answers.filter((answer) => answer.json().code === 'RequestInFlight');
  expect(accepted.length).toBeGreaterThan(0);
  expect(accepted.length + waiting.length).toBe(12);
  expect(new Set(accepted.map((answer) => answer.body)).size).toBe(1);
  expect(await runsIn(api)).toBe(1);
});

test('an answer older than a day is forgotten', async () => {
  const api = await createTestApp();
  const first = await api.ask('POST', '/runs', body, key);
  await api.database.pool.query("update idempotency_keys set created_at = now() - interval '25 hours'");
  const later = await api.ask('POST', '/runs', body, key);
  expect(later.json().id).not.toBe(first.json().id);
  expect((await api.ask('POST', '/runs', body, key)).body).toBe(later.body);
});

test.each([
  ['', 'empty'],
  ['has blank', 'a blank'],
  ['é', 'not ASCII'],
  ['x'.repeat(256), 'too long'],
])('a key that is %j is refused', async (bad) => {
  const api = await createTestApp();
  const answer = await api.ask('POST', '/runs', body, { 'idempotency-key': bad });
  expect([answer.statusCode, answer.json().code]).toEqual([400, 'InvalidInput']);
  expect(await runsIn(api)).toBe(0);
});

test('two requests with one message id and no key make one run', async () => {
  const api = await createTestApp();
  const message = { ...body, messageId: 'm-1' };
  const answers = await Promise.all(Array.from({ length: 8 }, () => api.ask('POST', '/runs', message)));
  expect(answers.map((answer) => answer.statusCode)).toEqual(Array.from({ length: 8 }, () => 202));
  expect(new Set(answers.map((answer) => answer.json().id)).size).toBe(1);
  expect(await runsIn(api)).toBe(1);
});

test('a connection cut between COMMIT and its answer: the retry finds what was done', async () => {
  const api = await createTestApp({
    through: async (url) => {
      const { hostname, port } = new URL(url);
      proxy = await createCuttingProxy({ host: hostname, port: Number(port || 5432) });
      return proxy.urlOf(url);
    },
  });
  const cut = proxy?.cutNextCommit();
  const unknown = await api.ask('POST', '/runs', body, key);
  await cut;
  expect([unknown.statusCode, unknown.json().code]).toEqual([503, 'StoreUnavailable']);
  expect(unknown.headers['retry-after']).toBe('1');
  const retried = await api.ask('POST', '/runs', body, key);
  expect(retried.statusCode).toBe(202);
  expect(retried.headers['idempotent-replayed']).toBe('true');
  expect(await runsIn(api)).toBe(1);
});
let proxy: Awaited<ReturnType<typeof createCuttingProxy>> | undefined;
