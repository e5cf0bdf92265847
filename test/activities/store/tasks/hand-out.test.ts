import { beforeAll, expect, test } from 'vitest';
import { v7 as uuid } from 'uuid';
import { changeLimits } from '../../../../activities/store/allowances/change-limits.ts';
import { listDeadLetters } from '../../../../activities/store/runs/dead-letters.ts';
import { claimByAgent } from '../../../../activities/store/tasks/claims.ts';
import { deregisterAgent } from '../../../../activities/store/tasks/registered.ts';
import { listUnseenTasks } from '../../../../activities/store/tasks/dispatchers.ts';
import type { TaskRow } from '../../../../activities/store/tasks/task-row.ts';
import { cancelTask } from '../../../../activities/store/tasks/tasks.ts';
import { Failure } from '../../../../workflows/contracts/failures.ts';
import { openTestStore, type TestStore } from '../../../support/store.ts';
import { endRunOf, openFleet, runOf } from './handing-out.ts';

let store: TestStore;
beforeAll(async () => {
  store = await openTestStore();
});

test('tasks are handed out by priority, then age, as runs with what they are about, and are completed by them', async () => {
  const fleet = await openFleet(store);
  const worker = await fleet.worker('box', 2);
  const low = await fleet.task({ priority: 'low' });
  const old = await fleet.task({ title: 'Mend it', files: ['cart.ts'], acceptance: ['The test passes.'] });
  const young = await fleet.task();
  const critical = await fleet.task({ priority: 'critical' });
  const { started, againMs } = await fleet.look();
  const first = await runOf(store, fleet, critical);
  const second = await runOf(store, fleet, old);
  expect(started).toEqual([first.id, second.id]);
  expect(second).toMatchObject({
    prompt: 'Mend it\n\nGo.\n\nIt is about these files:\n- cart.ts\n\nIt is done when:\n- The test passes.',
    message_id: `task/${old.id}/1`,
    over_budget: 'pause',
    accepted_by: 'task “Mend it”',
  });
  expect(againMs).toBe(30_000);
  expect(await Promise.all([low, young].map(fleet.see))).toMatchObject(
    Array.from({ length: 2 }, () => ({
      status: 'pending',
      attempts: 0,
      reason: 'No executor fits: box, which could take it, is full with 2 of 2.',
    })),
  );
  await endRunOf(store, fleet, critical, 'succeeded');
  const next = await fleet.look();
  expect(next.started).toEqual([(await fleet.see(young)).run_id]);
  expect(await fleet.see(critical)).toMatchObject({ status: 'completed', progress: 100 });
  expect(await fleet.claims(critical)).toMatchObject([
    { claim: 1, executor_id: worker, executor: 'box', run_id: first.id, outcome: 'completed' },
  ]);
});

test('a failed run is tried again after 5 and 10 seconds, and the third failure is the last', async () => {
  const fleet = await openFleet(store);
  await fleet.worker('box', 1);
  const task = await fleet.task();
  const waits: (number | undefined)[] = [];
  for (const ms of [0, 5000, 10_000]) {
    fleet.pass(ms);
    expect((await fleet.look()).started).toHaveLength(1);
    await endRunOf(store, fleet, task, 'failed');
    waits.push((await fleet.look()).againMs);
    fleet.pass(-1);
    expect((await fleet.look()).started).toEqual([]);
    fleet.pass(1);
  }
  expect(waits).toEqual([5000, 10_000, undefined]);
  expect(await fleet.see(task)).toMatchObject({
    status: 'failed',
    attempts: 3,
    reason: 'max retries exceeded: It failed.',
  });
  expect((await fleet.claims(task)).map(({ outcome }) => outcome)).toEqual(['failed', 'failed', 'failed']);
  const letters = await listDeadLetters(store.database.db, {
    tenantId: fleet.tenantId,
    limit: 9,
    open: true,
  });
  expect(letters).toMatchObject([{ kind: 'task', task_id: task.id, attempts: 3 }]);
});

test('a fleet that is busy for a day, and money that is used up for one, fail nothing', async () => {
  const fleet = await openFleet(store);
  await fleet.worker('box', 1);
  const [first, second] = [await fleet.task(), await fleet.task()];
  await fleet.look();
  const before = (await fleet.see(second)).version;
  for (let hour = 0; hour < 24; hour += 1) {
    fleet.pass(3_600_000);
    expect(await fleet.look()).toEqual({ started: [], againMs: 30_000, done: false });
  }
  expect(await fleet.see(second)).toMatchObject({ status: 'pending', attempts: 0, version: before });
  await endRunOf(store, fleet, first, 'succeeded');
  const day = fleet.now().toISOString().slice(0, 10);
  const spend = `update allowances set day = $2, day_used_cost_micros = day_cost_micros where tenant_id = $1`;
  await store.database.pool.query(spend, [fleet.tenantId, day]);
  expect(await fleet.look()).toMatchObject({ started: [] });
  expect(await fleet.see(second)).toMatchObject({
    status: 'pending',
    attempts: 0,
    reason: 'The allowance tenant has used up the money of today, until midnight UTC.',
  });
  fleet.pass(86_400_000);
  expect((await fleet.look()).started).toHaveLength(1);
});

test('an executor is held to an allowance of its own', async () => {
  const fleet = await openFleet(store);
  await fleet.worker('box', 4);
  const pool = { tenantId: fleet.tenantId, name: 'executor/box' as const, model: '' };
  const reason = { version: 0, by: 'test', reason: 'a test' };
  await changeLimits(store.database.db, { ...pool, limits: { dayRuns: 1 }, ...reason });
  const [first, second] = [await fleet.task(), await fleet.task()];
  expect((await fleet.look()).started).toHaveLength(1);
  expect(await fleet.see(first)).toMatchObject({ status: 'in_progress' });
  expect(await fleet.see(second)).toMatchObject({
    status: 'pending',
    attempts: 0,
    reason: expect.stringContaining('The allowance executor/box has room for 1 runs a day'),
  });
});

test('of many that are handed out together one that is refused fails alone, and each worker has its share', async () => {
  const fleet = await openFleet(store);
  const large = await fleet.worker('large', 32);
  const small = await fleet.worker('small', 8);
  const tasks: TaskRow[] = [];
  for (let made = 0; made < 42; made += 1)
    tasks.push(await fleet.task({}, made === 3 ? { model: 'none/there' } : {}));
  const { started } = await fleet.look();
  const seen = await Promise.all(tasks.map(fleet.see));
  const atWork = seen.filter(({ status }) => status === 'in_progress');
  expect(started).toEqual(atWork.map(({ run_id: id }) => id));
  const heldBy = (executor: string) => atWork.filter(({ executor_id: id }) => id === executor).length;
  expect([heldBy(large), heldBy(small)]).toEqual([32, 8]);
  const left = seen.filter(({ status }) => status !== 'in_progress');
  expect(left.map(({ id, status, attempts, reason }) => ({ id, status, attempts, reason }))).toEqual([
    {
      ...{ id: tasks[3]?.id, status: 'pending', attempts: 1 },
      reason: expect.stringContaining('Attempt 1 failed: No provider here has the model none/there'),
    },
    {
      ...{ id: tasks[41]?.id, status: 'pending', attempts: 0 },
      reason: 'No executor fits: large, which could take it, is full with 32 of 32.',
    },
  ]);
  expect(await fleet.claims(atWork[39] as TaskRow)).toMatchObject([
    { claim: 1, run_id: atWork[39]?.run_id, executor: expect.any(String), outcome: null },
  ]);
});

test('what can never begin fails as an attempt, what passes by itself waits', async () => {
  let problem: Failure | undefined;
  const fleet = await openFleet(store, {
    async realPath(folder) {
      if (problem) throw problem;
      return folder;
    },
  });
  await fleet.worker('box', 4);
  const task = await fleet.task({ retries: 1 }, { project: { path: '/shop' } });
  for (const code of ['ProjectBusy', 'SandboxUnavailable', 'RunActive', 'NotRunnable'] as const) {
    problem = new Failure(code, `It says ${code}.`);
    expect(await fleet.look()).toEqual({ started: [], againMs: 30_000, done: false });
    const reason = `It says ${code}.`;
    expect(await fleet.see(task)).toMatchObject({ status: 'pending', attempts: 0, reason });
  }
  problem = new Failure('InvalidInput', 'There is no directory.');
  await fleet.look();
  expect(await fleet.see(task)).toMatchObject({
    status: 'failed',
    attempts: 1,
    reason: 'max retries exceeded: There is no directory.',
  });
  problem = undefined;
});

test('a run that people stop ends its task as cancelled, and a cancelled task stops its run', async () => {
  const fleet = await openFleet(store);
  await fleet.worker('box', 4);
  const [stopped, cancelled] = [await fleet.task(), await fleet.task()];
  await fleet.look();
  await endRunOf(store, fleet, stopped, 'cancelled');
  await fleet.inTurn((write) => cancelTask(write, cancelled.id, fleet.author, 'm'));
  expect(await fleet.look()).toEqual({ started: [], againMs: undefined, done: false });
  expect(await fleet.see(stopped)).toMatchObject({
    status: 'cancelled',
    attempts: 0,
    reason: 'It cancelled.',
  });
  expect(await fleet.see(cancelled)).toMatchObject({ status: 'cancelled', reason: 'Cancelled by test.' });
  expect(await runOf(store, fleet, cancelled)).toMatchObject({ status: 'cancelled' });
});

test('what its dispatcher has not seen is found by the sweeper: ends, tasks, silent agents and new workers', async () => {
  const fleet = await openFleet(store);
  const { db, pool } = store.database;
  const unseen = async (): Promise<boolean> =>
    (await listUnseenTasks(db, -1000, 100)).some(({ id }) => id === fleet.tenantId);
  const agent = await fleet.agent('visitor');
  expect(await unseen()).toBe(false);
  await fleet.look();
  const task = await fleet.task();
  expect(await unseen()).toBe(true);
  // What the first one writes is a change since it began.
  await fleet.look();
  await fleet.look();
  expect(await unseen()).toBe(false);
  await fleet.worker('box', 1);
  expect(await unseen()).toBe(true);
  await fleet.look();
  expect(await unseen()).toBe(false);
  await endRunOf(store, fleet, task, 'succeeded');
  expect(await unseen()).toBe(true);
  await fleet.look();
  const other = await fleet.task();
  const pulling = { tenantId: fleet.tenantId, executorId: agent };
  await fleet.inTurn((write) => claimByAgent(write, pulling, other.id));
  expect(await unseen()).toBe(false);
  await pool.query(`update executors set heartbeat_at = now() - interval '2 minutes' where id = $1`, [agent]);
  expect(await unseen()).toBe(true);
});

test('a task that was given back without a word to the dispatcher is found by the sweeper, one that was looked at is not', async () => {
  const fleet = await openFleet(store);
  const { db, pool } = store.database;
  const unseen = async (): Promise<boolean> =>
    (await listUnseenTasks(db, -1000, 100)).some(({ id }) => id === fleet.tenantId);
  const agent = await fleet.agent('visitor');
  const task = await fleet.task();
  const pulling = { tenantId: fleet.tenantId, executorId: agent };
  await fleet.inTurn((write) => claimByAgent(write, pulling, task.id));
  await fleet.look();
  expect(await unseen()).toBe(false);
  await fleet.inTurn((write) => deregisterAgent(write, fleet.tenantId, agent));
  expect(await fleet.see(task)).toMatchObject({
    status: 'pending',
    reason: 'Its executor visitor deregistered.',
  });
  expect(await unseen()).toBe(true);
  await fleet.look();
  await fleet.look();
  // Its back-off was over before that.
  await pool.query(`update tasks set again_at = now() - interval '1 minute' where id = $1`, [task.id]);
  expect(await unseen()).toBe(false);
  await pool.query(`update dispatchers set looked_at = now() - interval '2 minutes' where id = $1`, [
    fleet.tenantId,
  ]);
  await pool.query(`update tasks set updated_at = now() - interval '3 minutes' where id = $1`, [task.id]);
  expect(await unseen()).toBe(true);
});

test('what a pool has too little of for a run is waited for, longer each time; what the run itself may use is an attempt', async () => {
  const fleet = await openFleet(store);
  await fleet.worker('box', 1);
  const task = await fleet.task();
  await fleet.look();
  for (const [ms, reason] of [
    [20_000, 'limit_cost'],
    [40_000, 'limit_tokens'],
    [80_000, 'limit_calls'],
  ] as const) {
    await endRunOf(store, fleet, task, 'failed', reason);
    expect(await fleet.look()).toEqual({ started: [], againMs: ms, done: false });
    expect(await fleet.see(task)).toMatchObject({ status: 'pending', attempts: 0, reason: 'It failed.' });
    fleet.pass(ms);
    expect((await fleet.look()).started).toHaveLength(1);
  }
  await store.database.pool.query(
    `update runs set cost_micros = (limits->>'costMicros')::bigint where id = (select run_id from tasks where id = $1)`,
    [task.id],
  );
  await endRunOf(store, fleet, task, 'failed', 'limit_cost');
  await fleet.look();
  expect(await fleet.see(task)).toMatchObject({ attempts: 1, reason: 'Attempt 1 failed: It failed.' });
  expect((await fleet.claims(task)).map(({ outcome }) => outcome)).toEqual([
    ...['released', 'released', 'released', 'failed'],
  ]);
});

test('one execution hands out: any other is told to end', async () => {
  const fleet = await openFleet(store);
  expect(await fleet.look('one')).toMatchObject({ done: false });
  expect(await fleet.look(uuid())).toMatchObject({ done: true });
});
