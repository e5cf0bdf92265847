import { beforeEach, expect, test } from 'vitest';
import { reserve, closeReservation } from '../../activities/store/allowances/allowances.ts';
import { awayFromMidnight } from '../support/midnight.ts';
import { anAttempt, storeOver } from '../support/store.ts';
import { createTestApp } from '../support/test-app.ts';
import { pool, use } from './spending.ts';

beforeEach(awayFromMidnight);

test('what was used is summed as asked, the ledger comes in pages, and looking leaves no trace', async () => {
  const api = await createTestApp();
  const store = storeOver('', api.database, api.log);
  const one = await store.started({ projectPath: '/projects/one' });
  const two = await store.started();
  await use(api, one, 1, 1000);
  await use(api, one, 2, 500);
  await use(api, two, 1, 200);
  const row = {
    calls: 2,
    inputTokens: 20,
    cachedInputTokens: 0,
    outputTokens: 20,
    costMicros: 1500,
    estimatedCostMicros: 0,
    possibleCostMicros: 0,
    ceilingCostMicros: 0,
    refundedTokens: 0,
  };
  const held = { tokens: 0, costMicros: 0 };
  const other = { ...row, calls: 1, inputTokens: 10, outputTokens: 10, costMicros: 200 };
  const all = { ...row, calls: 3, inputTokens: 30, outputTokens: 30, costMicros: 1700 };
  const usage = async (query: string) => (await api.ask('GET', `/usage?${query}`)).json();
  const today = new Date().toISOString().slice(0, 10);
  // The tenant's stream is told of runs a moment later.
  const count = `select count(*) from events where stream not like 'tenant/%'`;
  const before = await api.database.pool.query(count);
  expect(await usage('by=run')).toEqual({
    by: 'run',
    items: [
      { key: one.id, ...row },
      { key: two.id, ...other },
    ],
    held,
  });
  expect((await usage('by=conversation')).items[0].key).toBe(one.conversation_id);
  expect((await usage('by=project')).items).toEqual([
    { key: '/projects/one', ...row },
    { key: null, ...other },
  ]);
  expect((await usage('by=model')).items).toEqual([{ key: 'scripted/hello', ...all }]);
  expect(await usage(`from=${today}&to=${today}`)).toEqual({
    by: 'day',
    items: [{ key: today, ...all }],
    held,
  });
  expect((await usage('to=2025-01-01')).items).toEqual([]);
  for (const query of ['by=week', 'from=2025-02-30', 'to=0000-01-01', 'from=1', 'limit=0'])
    expect((await api.ask('GET', `/usage?${query}`)).statusCode).toBe(400);

  const first = (await api.ask('GET', `/allowances/ledger?limit=4&runId=${one.id}`)).json();
  expect(first.items.map(({ kind, step }: { kind: string; step: number }) => `${kind} ${step}`)).toEqual([
    'settle 2',
    'reserve 2',
    'settle 1',
    'reserve 1',
  ]);
  const rest = await api.ask('GET', `/allowances/ledger?runId=${one.id}&cursor=${first.nextCursor}`);
  expect(rest.json()).toEqual({ items: [], nextCursor: null });
  expect((await api.ask('GET', '/allowances/ledger?cursor=-1')).statusCode).toBe(400);
  expect((await pool(api)).used).toMatchObject({ dayCostMicros: 1700, dayTokens: 60, dayRuns: 2 });
  const after = await api.database.pool.query(count);
  expect(after.rows).toEqual(before.rows);
});

test('without a first day usage is of the thirty days up to the last', async () => {
  const api = await createTestApp();
  const run = await storeOver('', api.database, api.log).started();
  const daysAgo = (days: number) => new Date(Date.now() - days * 86_400_000);
  const dayOf = (at: Date) => at.toISOString().slice(0, 10);
  for (const [index, days] of [40, 30, 29].entries()) {
    const key = { tenantId: api.tenantId, runId: run.id, step: index + 1, attempt: 1, at: daysAgo(days) };
    const worst = { inputTokens: 1, outputTokens: 1, costMicros: 1 };
    await reserve(api.database.db, { ...key, model: 'scripted/hello', worst });
    await closeReservation(api.database.db, key, { ...worst, cachedInputTokens: 0, estimated: false });
  }
  const days = async (query: string) =>
    (await api.ask('GET', `/usage${query}`)).json().items.map(({ key }: { key: string }) => key);
  expect(await days('')).toEqual([dayOf(daysAgo(29))]);
  expect(await days(`?to=${dayOf(daysAgo(30))}`)).toEqual([dayOf(daysAgo(30)), dayOf(daysAgo(40))]);
  expect(await days(`?from=${dayOf(daysAgo(40))}`)).toHaveLength(3);
});

test('what is held is told apart from what was spent, and what was charged at a ceiling from a bill', async () => {
  const api = await createTestApp();
  const store = storeOver('', api.database, api.log);
  const run = await store.started();
  const worst = { inputTokens: 10, outputTokens: 90, costMicros: 960_000 };
  const key = { tenantId: api.tenantId, runId: run.id, attempt: 1 };
  const use = {
    ...{ model: run.model, status: 'answered' as const, ...worst, costMicros: 7_000, cachedInputTokens: 0 },
    estimated: false,
  };
  for (const [step, priced] of [
    [1, false],
    [2, true],
  ] as const) {
    await reserve(api.database.db, { ...key, step, model: run.model, worst });
    const attempt = anAttempt(run, `model/${step}`);
    await store.open(attempt);
    await store.answer(attempt, { use: { ...use, priced } });
    await closeReservation(api.database.db, { ...key, step }, use);
  }
  await reserve(api.database.db, { ...key, step: 3, model: run.model, worst });
  const money = { costMicros: 14_000, ceilingCostMicros: 7_000, heldCostMicros: 960_000 };
  expect((await api.ask('GET', `/runs/${run.id}`)).json()).toMatchObject(money);
  expect((await api.ask('GET', '/runs')).json().items).toMatchObject([money]);
  expect((await api.ask('GET', `/conversations/${run.conversation_id}`)).json().runs).toMatchObject([money]);
  expect((await api.ask('GET', '/usage?by=run')).json()).toMatchObject({
    items: [{ key: run.id, costMicros: 14_000, estimatedCostMicros: 7_000, ceilingCostMicros: 7_000 }],
    held: { tokens: 100, costMicros: 960_000 },
  });
  const ledger = (await api.ask('GET', `/allowances/ledger?runId=${run.id}&kind=settle`)).json().items;
  expect(ledger).toMatchObject([
    { step: 2, estimated: false },
    { step: 1, estimated: true },
  ]);
  expect(await pool(api)).toMatchObject({
    used: { costMicros: 14_000, dayCostMicros: 14_000 },
    held: { costMicros: 960_000, dayCostMicros: 960_000 },
  });
  await closeReservation(api.database.db, { ...key, step: 3 }, { ...use, costMicros: 0 });
  expect((await api.ask('GET', `/runs/${run.id}`)).json()).toMatchObject({ ...money, heldCostMicros: 0 });
  expect((await api.ask('GET', '/usage?by=run')).json().held).toEqual({ tokens: 0, costMicros: 0 });
});
