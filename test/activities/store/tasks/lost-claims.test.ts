import { beforeAll, expect, test, vi } from 'vitest';
import { v7 as uuid } from 'uuid';
import { listDeadLetters } from '../../../../activities/store/runs/dead-letters.ts';
import { claimByAgent } from '../../../../activities/store/tasks/claims.ts';
import { beatAgent, listRegistered, toExecutorView } from '../../../../activities/store/tasks/registered.ts';
import { look } from '../../../../activities/tasks.ts';
import { startNeeds } from '../../../support/start-needs.ts';
import { openTestStore, type TestStore } from '../../../support/store.ts';
import { endRunOf, openFleet, runOf } from './handing-out.ts';

let store: TestStore;
beforeAll(async () => {
  store = await openTestStore();
});

test('a silent agent is gone, and what it held is tried again; a worker that is gone leaves its tasks to its successor', async () => {
  const fleet = await openFleet(store);
  const agent = await fleet.agent('visitor');
  const task = await fleet.task();
  const pulling = { tenantId: fleet.tenantId, executorId: agent };
  await fleet.inTurn((write) => claimByAgent(write, pulling, task.id));
  const { againMs } = await fleet.look();
  expect(againMs).toBeGreaterThan(50_000);
  // It was heard by the clock of Postgres, and that of the fleet has stood still since before.
  fleet.pass(3_600_000);
  expect(await fleet.look()).toEqual({ started: [], againMs: 30_000, done: false });
  expect(await fleet.see(task)).toMatchObject({ status: 'pending', attempts: 0, executor_id: null });
  expect(await fleet.claims(task)).toMatchObject([
    { outcome: 'lost', reason: 'Its executor visitor was silent for more than 60 s.' },
  ]);
  const first = await fleet.worker('box', 4);
  await fleet.look();
  expect(await fleet.see(task)).toMatchObject({ status: 'in_progress', executor_id: first });
  await fleet.leave(first);
  const second = await fleet.worker('box', 4);
  await fleet.look();
  expect(await fleet.see(task)).toMatchObject({ status: 'in_progress', executor_id: second, claim: 2 });
});

test('what a worker has whose death none saw is that of its newest successor, as soon as it is silent', async () => {
  const fleet = await openFleet(store);
  const first = await fleet.worker('box', 1);
  const [task, next] = [await fleet.task(), await fleet.task()];
  await fleet.look();
  const second = await fleet.worker('box', 0);
  const third = await fleet.worker('box', 1);
  const executors = async () =>
    (await Promise.all([task, next].map(fleet.see))).map((row) => row.executor_id);
  fleet.silence(first);
  expect(await fleet.look()).toMatchObject({ started: [] });
  expect(await executors()).toEqual([third, null]);
  fleet.silence(third);
  await fleet.look();
  expect(await executors()).toEqual([second, null]);
});

test('an executor is judged by the clock of Postgres, whatever time it is where it is looked at or beats', async () => {
  const fleet = await openFleet(store);
  const { db } = store.database;
  const { tenantId } = fleet;
  await fleet.worker('box', 1);
  const stateThere = async (name: string, ms: number) => {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + ms });
    try {
      const rows = await listRegistered(db, { tenantId });
      return rows.map(toExecutorView).find((view) => view.name === name)?.state;
    } finally {
      vi.useRealTimers();
    }
  };
  expect([await stateThere('box', 3_600_000), await stateThere('box', -3_600_000)]).toEqual([
    ...['available', 'available'],
  ]);
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() - 3_600_000 });
  const agent = await fleet.agent('visitor').finally(() => vi.useRealTimers());
  const deps = { log: store.log, needs: startNeeds, startRun: () => undefined, wakeRun: () => undefined };
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 3_600_000 });
  await look(deps, { tenantId, generation: 0, executionId: 'one' }).finally(() => vi.useRealTimers());
  await fleet.inTurn((write) => beatAgent(write, tenantId, agent, undefined));
  expect(await stateThere('visitor', 0)).toBe('available');
});

test('a task goes to another machine with its labels when the first is dead, before it had the task and after', async () => {
  const fleet = await openFleet(store);
  const [one, two] = [await fleet.machine('one', ['gpu']), await fleet.machine('two', ['gpu'])];
  fleet.silence(one);
  const task = await fleet.task({ labels: ['gpu'] });
  expect((await fleet.look()).started).toHaveLength(1);
  expect(await runOf(store, fleet, task)).toMatchObject({ executor: 'two' });
  fleet.silence(two);
  await endRunOf(store, fleet, task, 'failed', 'executor_lost');
  expect(await fleet.look()).toEqual({ started: [], againMs: 30_000, done: false });
  expect(await fleet.see(task)).toMatchObject({
    status: 'pending',
    attempts: 0,
    reason: 'No executor fits: one, which could take it, is offline.',
  });
  fleet.hear(one);
  expect((await fleet.look()).started).toHaveLength(1);
  expect(await runOf(store, fleet, task)).toMatchObject({ executor: 'one' });
  await endRunOf(store, fleet, task, 'succeeded');
  await fleet.look();
  expect(await fleet.see(task)).toMatchObject({ status: 'completed', attempts: 0 });
  const claims = await fleet.claims(task);
  expect(claims.map(({ executor, outcome, reason }) => ({ executor, outcome, reason }))).toEqual([
    { executor: 'two', outcome: 'lost', reason: 'It failed.' },
    { executor: 'one', outcome: 'completed', reason: null },
  ]);
});

test('a task with which twenty executors were lost goes to no other', async () => {
  const fleet = await openFleet(store);
  await fleet.worker('box', 1);
  const task = await fleet.task({ retries: 1 });
  await store.database.pool.query(
    `insert into task_claims (task_id, claim, tenant_id, executor_id, executor, claimed_at, ended_at, outcome)
      select $1, -n, $2, $3, 'other', now(), now(), 'lost' from generate_series(1, 18) n`,
    [task.id, fleet.tenantId, uuid()],
  );
  for (const _lost of [19, 20]) {
    expect((await fleet.look()).started).toHaveLength(1);
    await endRunOf(store, fleet, task, 'failed', 'executor_lost');
  }
  expect(await fleet.look()).toEqual({ started: [], againMs: undefined, done: false });
  const reason = 'lost with 20 executors: It failed.';
  expect(await fleet.see(task)).toMatchObject({ status: 'failed', attempts: 0, reason });
  const letters = await listDeadLetters(store.database.db, {
    tenantId: fleet.tenantId,
    limit: 9,
    open: true,
  });
  expect(letters).toMatchObject([{ task_id: task.id, reason: `Task “A task”: ${reason}` }]);
});
