import { expect, test } from 'vitest';
import {
  closeAccount,
  listUnclosed,
  lostReservations,
  closeLost,
} from '../../../../activities/store/allowances/allowances.ts';
import { beginAttempt } from '../../../../activities/store/runs/attempts.ts';
import type { RunRow } from '../../../../activities/store/runs/runs.ts';
import { readLedger, readUsage } from '../../../../activities/store/allowances/ledger.ts';
import { allOf, askForRoom, openTenant, reserved, sums } from '../../../support/allowances.ts';
import { anAttempt, executorId, lockedRun, openTestStore } from '../../../support/store.ts';

const store = await openTestStore({ connections: 40 });
const { db } = store.database;

test('a raised limit lets the runs go on that wait for it, until they have reserved or ended', async () => {
  const tenant = openTenant(store);
  await tenant.limit('tenant', { costMicros: 100 });
  await tenant.limit('owner/user/ada', { tokens: 10 });
  // One after the other: they are told of room in the order of their conversations.
  const runs: RunRow[] = [];
  while (runs.length < 4) runs.push(await tenant.run(['owner/user/ada']));
  const [first, second, third, other] = runs;
  if (!first || !second || !third || !other) throw new Error('There are four.');
  for (const run of runs) await store.begin(run);
  for (const run of [first, second, third]) await askForRoom(store, run, { costMicros: 200 });
  await askForRoom(store, other, { tokens: 20 });
  await store.end(third, { status: 'cancelled', reason: 'cancelled' });
  expect(await tenant.limit('tenant', { costMicros: 250 })).toEqual([first.id, second.id]);
  expect(await tenant.reserve(first, {}, { costMicros: 200 })).toEqual(reserved);
  await askForRoom(store, second, { costMicros: 200 });
  expect(await tenant.limit('tenant', { costMicros: 300 })).toEqual([second.id]);
  expect(await tenant.limit('owner/user/ada', { tokens: 0 })).toEqual([other.id]);
});

test('a dead attempt is closed at what is known of it by the next one, and is told so when it comes back', async () => {
  const tenant = openTenant(store);
  await tenant.limit('tenant', {});
  const run = await tenant.run();
  await store.begin(run);
  // Half of the tokens are the prompt's; one of the answer costs nine micro-dollars.
  const worst = { tokens: 20_000, costMicros: 100_000, promptCostMicros: 10_000 };
  await tenant.reserve(run, { attempt: 1 }, worst);
  const attempt = anAttempt(run, 'model/1', 1);
  await store.open(attempt);
  const text = 'x'.repeat(3000);
  await store.log.append({
    tenantId: tenant.id,
    stream: `run/${run.id}`,
    conversationId: run.conversation_id,
    events: [{ type: 'text-delta', payload: { step: 1, block: 0, text } }],
    fence: attempt,
  });
  expect(await tenant.reserve(run, { attempt: 2 }, { costMicros: 60, tokens: 7 })).toEqual(reserved);
  // A thousand tokens were streamed, and two thousand are the margin.
  const [tokens, costMicros] = [10_000 + 3000, 10_000 + 9 * 3000];
  expect(sums(await tenant.pool('tenant'))).toEqual(allOf([costMicros, 60], [tokens, 7]));
  expect((await tenant.closeReservation(run, { attempt: 1 }, { costMicros: 1 })).kind).toBe('closed');
  expect((await tenant.reserve(run, { attempt: 1 }, { costMicros: 1 })).kind).toBe('closed');
  expect(sums(await tenant.pool('tenant'))).toEqual(allOf([costMicros, 60], [tokens, 7]));
  const [entry] = (
    await readLedger(db, { tenantId: tenant.id, limit: 10, runId: run.id, kind: 'settle' })
  ).map((each) => [each.attempt, each.costMicros, each.estimated, each.possibleCostMicros, each.reason]);
  const reason = 'The attempt died: its prompt, what it streamed, and a margin.';
  expect(entry).toEqual([1, costMicros, true, 100_000 - costMicros, reason]);
  const today = await readUsage(db, { tenantId: tenant.id, by: 'day', limit: 10 });
  expect(today).toMatchObject([
    { costMicros, estimatedCostMicros: costMicros, possibleCostMicros: 100_000 - costMicros },
  ]);
});

test('what an executor that died had reserved is closed at once, so that no run waits for it in vain', async () => {
  const tenant = openTenant(store);
  await tenant.limit('tenant', { costMicros: 100 });
  const [run, ended, other] = [await tenant.run(), await tenant.run(), await tenant.run()];
  for (const each of [run, ended]) {
    await store.begin(each);
    const attempt = anAttempt(each, 'model/1');
    await store.log.write('test', async (write) =>
      beginAttempt(write, await lockedRun(write, each.id), attempt),
    );
    await tenant.reserve(each, {}, { costMicros: 40 });
  }
  await store.end(ended);
  const waits = () => tenant.reserve(other, {}, { costMicros: 70 });
  expect(await waits()).toMatchObject({ kind: 'exceeded', passing: true });
  const lost = async () =>
    (await lostReservations(db, executorId)).filter(({ run: { tenant_id } }) => tenant_id === tenant.id);
  const [reservation, ...others] = await lost();
  const { id, tenant_id, conversation_id } = run;
  expect([reservation, others]).toEqual([
    { run: { id, tenant_id, conversation_id }, step: 1, attempt: 1 },
    // The account of a run that has ended is closed by others.
    [],
  ]);
  if (!reservation) throw new Error('There is one.');
  const closed = await Promise.all([closeLost(db, reservation), closeLost(db, reservation)]);
  expect(closed.map(({ kind }) => kind).toSorted()).toEqual(['closed', 'settled']);
  expect(await lost()).toEqual([]);
  await closeAccount(db, { tenantId: tenant.id, runId: ended.id });
  expect(sums(await tenant.pool('tenant')).costMicros).toEqual([80, 0]);
  expect(await waits()).toMatchObject({ kind: 'exceeded', passing: false });
  // The next attempt of the run finds nothing left to close.
  expect(await tenant.reserve(run, { attempt: 2 }, { costMicros: 20 })).toEqual({
    kind: 'reserved',
    crossed: [],
  });
  expect(sums(await tenant.pool('tenant')).costMicros).toEqual([80, 20]);
});

test('an answer that was booked and not closed is closed with what was booked', async () => {
  const tenant = openTenant(store);
  await tenant.limit('tenant', {});
  const run = await tenant.run();
  await tenant.reserve(run, {}, { costMicros: 100, tokens: 11 });
  await store.begin(run);
  await store.step(run, 1, {
    use: {
      model: 'openai/gpt',
      status: 'answered',
      inputTokens: 5,
      cachedInputTokens: 2,
      outputTokens: 3,
      costMicros: 40,
      priced: true,
      estimated: false,
    },
  });
  expect(await tenant.reserve(run, { step: 2 }, { costMicros: 1 })).toEqual(reserved);
  expect(sums(await tenant.pool('tenant')).costMicros).toEqual([40, 1]);
  expect(sums(await tenant.pool('tenant')).tokens).toEqual([8, 0]);
});

test.for([
  // Half of Monday's 101 tokens and half of Tuesday's 101, rounded down.
  { status: 'failed', reason: 'model_failed', back: [50, 50] },
  { status: 'cancelled', reason: 'cancelled', back: [101, 101] },
  { status: 'interrupted', reason: 'interrupted', back: [0, 0] },
  { status: 'succeeded', reason: 'finished', back: [0, 0] },
] as const)(
  'of a run that $status these tokens come back, of its money nothing, and only once',
  async (end) => {
    const tenant = openTenant(store);
    const monday = new Date('2025-03-03T12:00:00Z');
    const tuesday = new Date('2025-03-04T12:00:00Z');
    await tenant.limit('tenant', {});
    await tenant.limit('owner/others', {});
    const [run, other] = [await tenant.run(), await tenant.run(['owner/others'])];
    await store.begin(run);
    const calls = [
      [run, 1, 101, monday],
      [run, 2, 51, tuesday],
      [other, 1, 1000, tuesday],
    ] as const;
    for (const [who, step, tokens, at] of calls) {
      await tenant.reserve(who, { step, at }, { costMicros: 10, tokens });
      await tenant.closeReservation(who, { step, at }, { costMicros: 10, tokens });
    }
    // What is under way when the run ends is charged too, here at its worst case since the price of its prompt is not
    // known, and comes back as the rest does.
    await tenant.reserve(run, { step: 3, at: tuesday }, { costMicros: 10, tokens: 50 });
    const account = { tenantId: tenant.id, runId: run.id, at: tuesday };
    expect(await closeAccount(db, account)).toEqual({ kind: 'closed', crossed: [] });
    await store.end(run, end);
    expect(await closeAccount(db, account)).toEqual({ kind: 'settled', crossed: [] });
    expect(await closeAccount(db, account)).toEqual({ kind: 'closed', crossed: [] });
    const [onMonday, onTuesday] = end.back;
    expect(sums(await tenant.pool('tenant', tuesday))).toEqual({
      costMicros: [40, 0],
      tokens: [1202 - onMonday - onTuesday, 0],
      dayCostMicros: [30, 0],
      dayTokens: [1101 - onTuesday, 0],
    });
    expect(sums(await tenant.pool('owner/others', tuesday))).toEqual(allOf([10, 0], [1000, 0]));
    const refunds = await readLedger(db, { tenantId: tenant.id, limit: 100, kind: 'refund' });
    const both = [
      ['2025-03-03', onMonday, 0],
      ['2025-03-04', onTuesday, 0],
    ];
    expect(new Set(refunds.map(({ day, tokens, costMicros }) => [day, tokens, costMicros]))).toEqual(
      new Set(both.filter(([, tokens]) => tokens !== 0)),
    );
  },
);

test('an ended run reserves nothing more, and its account is on the list until somebody has closed it', async () => {
  const tenant = openTenant(store);
  await tenant.limit('tenant', {});
  const run = await tenant.run();
  await store.begin(run);
  await tenant.reserve(run, {}, { costMicros: 10 });
  await store.end(run);
  expect(await tenant.reserve(run, { step: 2 }, {})).toEqual({
    kind: 'denied',
    crossed: [],
    reason: 'The run has ended.',
  });
  const unclosed = async () => (await listUnclosed(db, 1000)).filter(({ runId }) => runId === run.id);
  expect(await unclosed()).toEqual([{ tenantId: tenant.id, runId: run.id }]);
  const closings = await Promise.all(
    Array.from({ length: 8 }, () => closeAccount(db, { tenantId: tenant.id, runId: run.id })),
  );
  expect(closings.filter(({ kind }) => kind === 'settled')).toHaveLength(1);
  expect(await unclosed()).toEqual([]);
  expect(sums(await tenant.pool('tenant')).costMicros).toEqual([10, 0]);
  expect((await tenant.closeReservation(run, {}, { costMicros: 1 })).kind).toBe('closed');
});
