import { expect, test } from 'vitest';
import { changeLimits } from '../../../../activities/store/allowances/change-limits.ts';
import { closeAccount, type DrawingAttempt } from '../../../../activities/store/allowances/allowances.ts';
import {
  answerRaised,
  answerWithRoom,
  findLimitQuestion,
  listAnswerable,
} from '../../../../activities/store/approvals/money-questions.ts';
import { endRun } from '../../../../activities/store/lifecycle/end-run.ts';
import type { RunRow } from '../../../../activities/store/runs/runs.ts';
import {
  askForRoom,
  openTenant,
  reserved,
  closeUnused,
  type TestTenant,
} from '../../../support/allowances.ts';
import { lockedRun, openTestStore } from '../../../support/store.ts';

const store = await openTestStore();
const { log, database } = store;
const minutes = 60_000;

/** A run whose call was refused at that moment, and that asks for more. */
async function asking(
  tenant: TestTenant,
  worst: { costMicros?: number; tokens?: number },
  at?: Date,
): Promise<RunRow> {
  const run = await tenant.run();
  await store.begin(run);
  await askForRoom(store, run, worst, { at });
  return run;
}

function first(run: RunRow): DrawingAttempt {
  return { tenantId: run.tenant_id, runId: run.id, step: 1, attempt: 1 };
}

/** What a pass of the sweeper does for a tenant. Returns the runs that go on. */
async function pass(tenant: TestTenant): Promise<string[]> {
  const { found } = await listAnswerable(database.db, 1000, undefined);
  const answered: string[] = [];
  for (const question of found.filter(({ tenant_id }) => tenant_id === tenant.id))
    if (await log.write('test', (write) => answerWithRoom(write, question))) answered.push(question.run_id);
  return answered;
}

test('what was held and comes back lets those go on who waited for it: the oldest first, and no more than fit', async () => {
  const tenant = openTenant(store);
  await tenant.limit('tenant', { costMicros: 25 });
  const holder = await tenant.run();
  expect(await tenant.reserve(holder, {}, { costMicros: 25 })).toEqual(reserved);
  const runs: RunRow[] = [];
  for (const costMicros of [10, 30, 10, 10]) runs.push(await asking(tenant, { costMicros }));
  const [one, never, two, three] = runs as [RunRow, RunRow, RunRow, RunRow];
  expect(await pass(tenant)).toEqual([]);
  await closeUnused(database.db, first(holder));
  expect(await pass(tenant)).toEqual([one.id, two.id]);
  expect(await findLimitQuestion(database.db, one)).toMatchObject({
    status: 'approved',
    decided_by: 'the allowance',
    note: 'There is room for the call by now.',
  });
  // Neither has drawn yet: what they were told of is theirs.
  expect(await pass(tenant)).toEqual([]);
  for (const run of [one, two])
    expect(await tenant.reserve(run, { attempt: 2 }, { costMicros: 10 })).toEqual(reserved);
  expect(await pass(tenant)).toEqual([]);
  await tenant.closeReservation(one, { attempt: 2 }, { costMicros: 1 });
  expect(await pass(tenant)).toEqual([three.id]);
  expect(await findLimitQuestion(database.db, never)).toMatchObject({ status: 'open' });
});

test('who was told of room and found none waits again, and is told again when there is some', async () => {
  const tenant = openTenant(store);
  await tenant.limit('tenant', { costMicros: 10 });
  const holder = await tenant.run();
  await tenant.reserve(holder, {}, { costMicros: 10 });
  const run = await asking(tenant, { costMicros: 10 });
  await closeUnused(database.db, first(holder));
  expect(await pass(tenant)).toEqual([run.id]);
  const faster = await tenant.run();
  expect(await tenant.reserve(faster, {}, { costMicros: 5 })).toEqual(reserved);
  await askForRoom(store, run, { costMicros: 10 }, { attempt: 2 });
  expect(await pass(tenant)).toEqual([]);
  await closeUnused(database.db, first(faster));
  expect(await pass(tenant)).toEqual([run.id]);
});

test('the next day, and the end of the hour, let those go on who waited for it, as many as it has room for', async () => {
  const yesterday = new Date(Date.now() - 24 * 60 * minutes);
  const day = openTenant(store);
  await day.limit('tenant', { dayCostMicros: 14 });
  const spender = await day.run();
  expect(await day.reserve(spender, { at: yesterday }, { costMicros: 10 })).toEqual(reserved);
  const runs = [
    await asking(day, { costMicros: 10 }, yesterday),
    await asking(day, { costMicros: 10 }, yesterday),
  ];
  expect(await pass(day)).toEqual([runs[0]?.id]);

  const hour = openTenant(store);
  await hour.limit('tenant', { hourCalls: 2 });
  const callers = [await hour.run(), await hour.run()];
  for (const [index, caller] of callers.entries()) {
    const at = new Date(Date.now() - (index === 0 ? 61 : 30) * minutes);
    expect(await hour.reserve(caller, { at }, {})).toEqual(reserved);
  }
  const then = new Date(Date.now() - 10 * minutes);
  const waiting = [await asking(hour, {}, then), await asking(hour, {}, then)];
  expect(await pass(hour)).toEqual([waiting[0]?.id]);
  expect(await pass(hour)).toEqual([]);
});

test('tokens that a cancelled run gives back let those go on who waited for them', async () => {
  const tenant = openTenant(store);
  await tenant.limit('tenant', { tokens: 100 });
  const spender = await tenant.run();
  await tenant.reserve(spender, {}, { tokens: 90 });
  await tenant.closeReservation(spender, {}, { tokens: 90 });
  const run = await asking(tenant, { tokens: 20 });
  expect(await pass(tenant)).toEqual([]);
  await log.write('test', async (write) => {
    const end = { status: 'cancelled', reason: 'cancelled', reasonText: 'Somebody cancelled it.' } as const;
    return endRun(write, await lockedRun(write, spender.id), end);
  });
  await closeAccount(database.db, { tenantId: tenant.id, runId: spender.id });
  expect(await pass(tenant)).toEqual([run.id]);
});

test('raising one limit of an allowance answers no question about another limit of it', async () => {
  const tenant = openTenant(store);
  await tenant.limit('tenant', { costMicros: 100, dayTokens: 10 });
  const run = await asking(tenant, { tokens: 20 });
  const who = { tenantId: tenant.id, by: 'ada', reason: 'a test' };
  const raise = (limits: object, version: number) =>
    log.write('test', async (write) => {
      const changed = await changeLimits(write.tx, { ...who, name: 'tenant', model: '', limits, version });
      if (changed.kind === 'stale') throw new Error('It was changed meanwhile.');
      return answerRaised(write, changed, who);
    });
  expect(await raise({ costMicros: 200 }, 1)).toEqual([]);
  expect(await findLimitQuestion(database.db, run)).toMatchObject({ status: 'open' });
  const foreign = { ...run, tenant_id: '00000000-0000-0000-0000-000000000001' };
  expect(await findLimitQuestion(database.db, foreign)).toBeUndefined();
  expect(await raise({ dayTokens: 30 }, 2)).toEqual([run.id]);
});
