import { expect, test } from 'vitest';
import { sweepTasks } from '../../../../activities/store/retention/delete-tasks.ts';
import { completeTask, failTask, pullTask } from '../../../../activities/store/tasks/claims.ts';
import { cancelTask, findTask } from '../../../../activities/store/tasks/tasks.ts';
import type { TaskRow } from '../../../../activities/store/tasks/task-row.ts';
import { openTestStore } from '../../../support/store.ts';
import { openFleet } from '../tasks/handing-out.ts';

const store = await openTestStore();

test('tasks that ended long ago go with claims and events; what an open one depends on stays, and what can be tried again', async () => {
  const { db } = store.database;
  const fleet = await openFleet(store);
  const { tenantId } = fleet;
  const agent = await fleet.agent('one');
  const end = (how: typeof completeTask | typeof failTask): Promise<TaskRow> =>
    fleet.inTurn(async (write) => {
      const task = await pullTask(write, { tenantId, executorId: agent });
      if (!task) throw new Error('None waits.');
      const { task: ended } = await how(write, { tenantId, taskId: task.id, claim: task.claim }, 'So it is.');
      return ended;
    });
  const done = await fleet.task();
  await end(completeTask);
  const needed = await fleet.task();
  await end(completeTask);
  const failed = await fleet.task({ retries: 1 });
  await end(failTask);
  const open = await fleet.task({ dependsOn: [needed.id] });
  const cancelled = await fleet.task({ dependsOn: [done.id] });
  await fleet.inTurn((write) => cancelTask(write, cancelled.id, fleet.author, 'm'));
  const all = [done, needed, failed, open, cancelled];
  const left = async (): Promise<boolean[]> =>
    Promise.all(all.map(async ({ id }) => (await findTask(db, tenantId, id)) !== undefined));
  const sweep = (before: Date) =>
    db.transaction().execute((tx) => sweepTasks.batch(tx, { tenantId, before }));

  expect(await sweep(new Date(Date.now() - 60_000))).toEqual({ rows: 0, bytes: 0, more: false });
  const before = new Date(Date.now() + 60_000);
  const measured = await sweepTasks.measure(db, { tenantId, before }, 100);
  expect(measured).toEqual({ rows: 2, bytes: expect.any(Number) });
  expect(await sweep(before)).toEqual({ ...measured, more: false });
  expect(await left()).toEqual([false, true, true, true, false]);
  expect(await fleet.claims(done)).toEqual([]);
  const { rows } = await store.database.pool.query(
    `select stream from stream_heads where stream = any($1) union all select distinct stream from events where stream = any($1)`,
    [[done, cancelled].map(({ id }) => `task/${id}`)],
  );
  expect(rows).toEqual([]);
});
