import { expect, test } from 'vitest';
import { closeAccount } from '../../../../activities/store/allowances/allowances.ts';
import { readLedger, readUsage } from '../../../../activities/store/allowances/ledger.ts';
import type { UsageBy } from '../../../../workflows/contracts/allowance.ts';
import { openTenant } from '../../../support/allowances.ts';
import { openTestStore } from '../../../support/store.ts';

const store = await openTestStore();
const { db } = store.database;
const monday = new Date('2025-03-03T12:00:00Z');
const tuesday = new Date('2025-03-04T12:00:00Z');

test('usage is summed by run, conversation, model, project and day, with what is uncertain and what came back', async () => {
  const tenant = openTenant(store);
  await tenant.limit('tenant', {});
  const first = await tenant.run([], { projectPath: '/projects/one' });
  const second = await tenant.run();
  const calls = [
    { run: first, step: 1, at: monday, model: 'openai/gpt', tokens: 10, costMicros: 100, estimated: false },
    { run: second, step: 1, at: monday, model: 'local/free', tokens: 7, costMicros: 0, estimated: false },
    { run: first, step: 2, at: tuesday, model: 'openai/gpt', tokens: 20, costMicros: 200, estimated: true },
  ];
  for (const { run, step, at, ...use } of calls) {
    await tenant.reserve(run, { step, at }, { ...use, costMicros: 1000 });
    await tenant.closeReservation(run, { step, at }, use);
  }
  await tenant.reserve(second, { step: 2, at: tuesday }, { tokens: 1, costMicros: 50 });
  await store.end(first, { status: 'cancelled', reason: 'cancelled' });
  await closeAccount(db, { tenantId: tenant.id, runId: first.id, at: tuesday });

  const usage = (by: UsageBy, range: { from?: string; to?: string } = {}) =>
    readUsage(db, { tenantId: tenant.id, by, limit: 10, ...range });
  const dear = {
    calls: 2,
    inputTokens: 15,
    cachedInputTokens: 0,
    outputTokens: 15,
    costMicros: 300,
    estimatedCostMicros: 200,
    possibleCostMicros: 0,
    refundedTokens: 30,
  };
  const free = {
    calls: 1,
    inputTokens: 3,
    cachedInputTokens: 0,
    outputTokens: 4,
    costMicros: 0,
    estimatedCostMicros: 0,
    possibleCostMicros: 0,
    refundedTokens: 0,
  };
  const of = (one: string | null, other: string | null) => [
    { key: one, ...dear },
    { key: other, ...free },
  ];
  expect(await usage('run')).toEqual(of(first.id, second.id));
  expect(await usage('conversation')).toEqual(of(first.conversation_id, second.conversation_id));
  expect(await usage('model')).toEqual(of('openai/gpt', 'local/free'));
  expect(await usage('project')).toEqual(of('/projects/one', null));
  const onTuesday = {
    ...dear,
    calls: 1,
    inputTokens: 10,
    outputTokens: 10,
    costMicros: 200,
    refundedTokens: 20,
  };
  const onMonday = {
    ...dear,
    calls: 2,
    inputTokens: 8,
    outputTokens: 9,
    costMicros: 100,
    estimatedCostMicros: 0,
    possibleCostMicros: 0,
    refundedTokens: 10,
  };
  expect(await usage('day')).toEqual([
    { key: '2025-03-04', ...onTuesday },
    { key: '2025-03-03', ...onMonday },
  ]);
  expect(await usage('day', { from: '2025-03-04' })).toEqual([{ key: '2025-03-04', ...onTuesday }]);
  expect(await usage('day', { to: '2025-03-03' })).toEqual([{ key: '2025-03-03', ...onMonday }]);
});

test('the ledger has every reservation, close, refund and change in order, in pages', async () => {
  const tenant = openTenant(store);
  await tenant.limit('tenant', {});
  const run = await tenant.run();
  await tenant.reserve(run, { at: monday }, { tokens: 4, costMicros: 9 });
  await tenant.closeReservation(run, { at: monday }, { tokens: 2, costMicros: 3 });
  await store.end(run, { status: 'cancelled', reason: 'cancelled' });
  await closeAccount(db, { tenantId: tenant.id, runId: run.id, at: monday });
  const entries = await readLedger(db, { tenantId: tenant.id, limit: 10 });
  expect(
    entries.map(({ kind, tokens, costMicros, estimated, by, reason }) => [
      kind,
      tokens,
      costMicros,
      estimated,
      by,
      reason,
    ]),
  ).toEqual([
    ['refund', 2, 0, false, 'allowances', 'The run was cancelled: its tokens.'],
    ['settle', 2, 3, false, 'allowances', 'What the call used.'],
    ['reserve', 4, 9, true, 'allowances', 'The worst case of the call.'],
    ['limit', 0, 0, false, 'test', 'a test'],
  ]);
  const [newest, ...older] = entries;
  expect(await readLedger(db, { tenantId: tenant.id, limit: 10, before: newest?.id ?? 0 })).toEqual(older);
  expect(await readLedger(db, { tenantId: tenant.id, limit: 10, kind: 'limit' })).toEqual(entries.slice(3));
  const ofRun = {
    tenantId: tenant.id,
    limit: 1,
    runId: run.id,
    kind: 'settle',
    before: newest?.id ?? 0,
  } as const;
  expect(await readLedger(db, ofRun)).toEqual(entries.slice(1, 2));
  expect(await readLedger(db, { ...ofRun, before: entries[1]?.id ?? 0 })).toEqual([]);
});
