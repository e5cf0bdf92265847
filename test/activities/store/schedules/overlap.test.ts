// Occurrences of one schedule that are open side by side: who begins when, and who hears of it.
import { beforeAll, expect, test } from 'vitest';
import { seedTenantAllowance } from '../../../../activities/store/allowances/change-limits.ts';
import { defaultTenant } from '../../../../activities/store/db/database.ts';
import { ensureBuiltIns } from '../../../../activities/store/policies/policies.ts';
import { listUnseen } from '../../../../activities/store/schedules/occurrence-lists.ts';
import { occurrencesOf } from '../../../support/occurrences.ts';
import { openTestStore, type TestStore } from '../../../support/store.ts';

let store: TestStore;
beforeAll(async () => {
  store = await openTestStore();
  await ensureBuiltIns(store.database.db, defaultTenant);
  await seedTenantAllowance(store.database.db, defaultTenant);
});

const { schedule, begin, look, end, edit } = occurrencesOf(() => store);

test('where several were at work as their schedule was edited to queue-one, the next waits for them all', async () => {
  const of = await schedule({ overlap: 'allow' });
  const [first, second] = [await look(await begin(of)), await look(await begin(of))];
  await edit(of, { overlap: 'queue-one' });
  const third = await begin(of);
  expect(third).toMatchObject({
    outcome: 'waiting',
    reason: expect.stringMatching(/^Waits for the one due/),
  });
  expect(await begin(of)).toMatchObject({
    outcome: 'merged',
    reason: expect.stringMatching(/^Another waits/),
  });
  for (const [running, next] of [
    [first, undefined],
    [second, third.id],
  ] as const) {
    if (!running.row) throw new Error('It did not begin.');
    await end(running, 'succeeded');
    expect((await look(running.row)).next).toBe(next);
  }
  expect((await look(third)).row).toMatchObject({ outcome: 'running' });
});

test('where several were at work as their schedule was edited to cancel-old, all are cancelled for the next', async () => {
  const of = await schedule({ overlap: 'allow', attempts: 2 });
  const running = [await look(await begin(of)), await look(await begin(of))];
  const toTry = await begin(of);
  await end(await look(toTry), 'failed');
  await look(toTry);
  await edit(of, { overlap: 'cancel-old' });
  const next = await begin(of);
  expect(next).toMatchObject({
    outcome: 'waiting',
    reason: expect.stringMatching(/was cancelled for it\.$/),
  });
  expect((await look(toTry)).row).toMatchObject({
    outcome: 'failed',
    reason: 'The next due time took its place.',
  });
  for (const { row } of running) {
    if (!row) throw new Error('It did not begin.');
    expect((await look(row)).row).toMatchObject({
      outcome: 'failed',
      reason: 'Cancelled before it started.',
    });
  }
  expect((await look(next)).row).toMatchObject({ outcome: 'running' });
});

test('one whose run has failed is not tried again once the next has taken its place', async () => {
  const of = await schedule({ overlap: 'cancel-old', attempts: 3 });
  const first = await begin(of);
  await end(await look(first), 'failed');
  const second = await begin(of);
  expect(await look(first)).toMatchObject({
    row: { outcome: 'failed', reason: 'The next due time took its place.' },
    next: second.id,
  });
  expect((await look(second)).row).toMatchObject({ outcome: 'running' });
});

test('the end of one that others may run beside is told to one of those that have not begun', async () => {
  const of = await schedule({ overlap: 'allow' });
  const [first, second] = [await look(await begin(of)), await look(await begin(of))];
  const [third] = [await begin(of), await begin(of)];
  if (!first.row || !second.row || !third) throw new Error('They did not begin.');
  await end(first, 'succeeded');
  expect((await look(first.row)).next).toBeUndefined();
  await end(second, 'succeeded');
  expect((await look(second.row)).next).toBe(third.id);
});

test('the sweeper finds one that waits for its next attempt after its time, once it is its turn', async () => {
  const of = await schedule({ overlap: 'allow', attempts: 2 });
  const toTry = await begin(of);
  await end(await look(toTry), 'failed');
  await look(toTry);
  const running = await look(await begin(of));
  if (!running.row) throw new Error('It did not begin.');
  await edit(of, { overlap: 'queue-one' });
  const behind = await begin(of);
  await look(behind);
  const { db } = store.database;
  const unseen = async () =>
    (await listUnseen(db, -1000, 1000)).map(({ id }) => id).filter((id) => id.startsWith(of.id));
  expect(await unseen()).toEqual([]);
  await end(running, 'succeeded');
  await look(running.row);
  // Its time has not come; then it has.
  expect(await unseen()).toEqual([]);
  await db.updateTable('occurrences').set({ again_at: new Date() }).where('id', '=', toTry.id).execute();
  expect(await unseen()).toEqual([toTry.id]);
  expect((await look(toTry)).row).toMatchObject({ outcome: 'running', attempts: 2 });
  expect(await unseen()).toEqual([]);
});
