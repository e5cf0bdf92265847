// What one look makes of executors and directories that refuse: the others go on, and none is tried in vain for long.
import { beforeAll, expect, test } from 'vitest';
import { changeLimits } from '../../../../activities/store/allowances/change-limits.ts';
import type { TaskRow } from '../../../../activities/store/tasks/task-row.ts';
import type { TaskRun } from '../../../../workflows/contracts/task.ts';
import { openTestStore, type TestStore } from '../../../support/store.ts';
import { endRunOf, type Fleet, openFleet } from './handing-out.ts';

let store: TestStore;
beforeAll(async () => {
  store = await openTestStore();
});

async function seen(fleet: Fleet, tasks: readonly TaskRow[]) {
  const rows = await Promise.all(tasks.map(fleet.see));
  return rows.map(({ status, executor_id: executor, reason }) => ({ status, executor, reason }));
}

test('an executor whose runs of the day are used up is passed over, and the others get the tasks', async () => {
  const fleet = await openFleet(store);
  const [box, other] = [await fleet.worker('box', 4), await fleet.worker('other', 2)];
  const pool = { tenantId: fleet.tenantId, name: 'executor/box' as const, model: '' };
  const reason = { version: 0, by: 'test', reason: 'a test' };
  await changeLimits(store.database.db, { ...pool, limits: { dayRuns: 1 }, ...reason });
  const tasks: TaskRow[] = [];
  for (let made = 0; made < 4; made += 1) tasks.push(await fleet.task());
  expect((await fleet.look()).started).toHaveLength(3);
  expect(await seen(fleet, tasks)).toEqual([
    { status: 'in_progress', executor: box, reason: null },
    { status: 'in_progress', executor: other, reason: null },
    { status: 'in_progress', executor: other, reason: null },
    {
      status: 'pending',
      executor: null,
      reason: expect.stringContaining('The allowance executor/box has room for 1 runs a day'),
    },
  ]);
});

test('an executor whose money is used up is passed over, and where none else fits that is what is waited for', async () => {
  const fleet = await openFleet(store);
  await fleet.worker('box', 9, ['gpu']);
  const other = await fleet.worker('other', 2);
  const pool = { tenantId: fleet.tenantId, name: 'executor/box' as const, model: '' };
  const reason = { version: 0, by: 'test', reason: 'a test' };
  await changeLimits(store.database.db, { ...pool, limits: { costMicros: 5 }, ...reason });
  await store.database.pool.query(
    `update allowances set used_cost_micros = 5 where tenant_id = $1 and name = 'executor/box'`,
    [fleet.tenantId],
  );
  const tasks = [
    await fleet.task({ labels: ['gpu'] }),
    await fleet.task(),
    await fleet.task({ labels: ['arm'] }),
  ];
  expect((await fleet.look()).started).toHaveLength(1);
  expect(await seen(fleet, tasks)).toEqual([
    {
      status: 'pending',
      executor: null,
      reason: 'The allowance executor/box has used up its money.',
    },
    { status: 'in_progress', executor: other, reason: null },
    { status: 'pending', executor: null, reason: 'No executor fits: the nearest, box, lacks arm.' },
  ]);
});

test('of many tasks in one directory two are tried, and what comes behind them begins in the same look', async () => {
  const tried: string[] = [];
  const fleet = await openFleet(store, {
    async realPath(folder) {
      tried.push(folder);
      return folder;
    },
  });
  await fleet.worker('box', 50);
  const inPlace = (path: string): TaskRun => ({
    ...{ project: { path }, workTree: 'in-place', policy: 'trusted-mount-autonomous' },
  });
  const tasks: TaskRow[] = [];
  // Of any model, with any limits.
  for (let made = 0; made < 9; made += 1)
    tasks.push(await fleet.task({}, { ...inPlace('/shop'), limits: { steps: made + 1 } }));
  tasks.push(await fleet.task({}, inPlace('/other')));
  expect(await fleet.look()).toMatchObject({ started: [expect.any(String), expect.any(String)] });
  expect(tried).toEqual(['/shop', '/shop', '/other']);
  const rows = await Promise.all(tasks.map(fleet.see));
  expect(rows.map(({ status, attempts, reason }) => ({ status, attempts, reason }))).toEqual(
    rows.map((_, index) =>
      index === 0 || index === 9
        ? { status: 'in_progress', attempts: 0, reason: null }
        : {
            ...{ status: 'pending', attempts: 0 },
            reason: expect.stringMatching(/^Run \S+ works in this directory/),
          },
    ),
  );
});

test('a task that waits after a failed attempt for what is not there is looked at as seldom as others', async () => {
  const fleet = await openFleet(store);
  await fleet.worker('box', 1);
  const first = await fleet.task();
  await fleet.look();
  await fleet.task();
  await endRunOf(store, fleet, first, 'failed');
  expect(await fleet.look()).toMatchObject({ started: [expect.any(String)], againMs: 5000 });
  fleet.pass(5000);
  expect(await fleet.look()).toEqual({ started: [], againMs: 30_000, done: false });
  expect(await fleet.see(first)).toMatchObject({
    status: 'pending',
    reason: 'No executor fits: box, which could take it, is full with 1 of 1.',
  });
});
