// Tasks, and the runs and tasks that they name.
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { v7 as uuid } from 'uuid';
import { lockRunAndConversation } from '../../activities/store/runs/runs.ts';
import { createTestApp, type TestApp } from '../support/test-app.ts';
import { endOfRun, startRun } from './stream/streams.ts';

const mend = { title: 'Mend it', prompt: 'Round once.', run: { project: null } };

async function asked(api: TestApp, ...request: Parameters<TestApp['ask']>) {
  const { statusCode, payload } = await api.ask(...request);
  return [statusCode, JSON.parse(payload)] as const;
}

async function isWaiting({ database }: TestApp): Promise<boolean> {
  const { rows } = await database.pool.query(
    `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
  );
  return rows.length === 1;
}

test('a dead letter is retried without what its task depended on and is deleted by now', async () => {
  const api = await createTestApp();
  const [, agent] = await asked(api, 'POST', '/executors', { name: 'box', places: 9 });
  const work = async (id: string, how: 'complete' | 'fail') => {
    await asked(api, 'POST', `/tasks/${id}/claim`, { executorId: agent.id });
    return asked(api, 'POST', `/tasks/${id}/${how}`, { claim: 1, ...(how === 'fail' && { reason: 'No.' }) });
  };
  const [, old] = await asked(api, 'POST', '/tasks', mend);
  const [, kept] = await asked(api, 'POST', '/tasks', mend);
  const dependsOn = [old.id, kept.id];
  const [, task] = await asked(api, 'POST', '/tasks', { ...mend, retries: 1, dependsOn });
  for (const id of dependsOn) await work(id, 'complete');
  await work(task.id, 'fail');
  // As the night does.
  await api.database.pool.query('delete from tasks where id = $1', [old.id]);
  const [, { items }] = await asked(api, 'GET', '/dead-letters');
  const [, { retriedAs }] = await asked(api, 'POST', `/dead-letters/${items[0].id}/retry`);
  expect(await asked(api, 'GET', `/tasks/${retriedAs}`)).toMatchObject([
    200,
    { status: 'pending', dependsOn: [kept.id] },
  ]);
});

test('a task that is to go on from a run which leaves nothing to go on from is refused when it is made', async () => {
  const api = await createTestApp();
  const failed = await startRun(api);
  const active = await startRun(api);
  const make = (fromRunId: string) => asked(api, 'POST', '/tasks', { ...mend, run: { fromRunId } });
  await endOfRun(api, failed, 'failed');
  expect(await make(failed.id)).toMatchObject([422, { code: 'NothingToGoOnFrom' }]);
  expect(await make(active.id)).toMatchObject([409, { code: 'RunActive', activeRunId: active.id }]);
  expect(await make(uuid())).toMatchObject([404, {}]);
  await api.database.pool.query(
    `update runs set status = 'succeeded', started_at = now(), ended_at = now() where id = $1`,
    [active.id],
  );
  expect(await make(active.id)).toMatchObject([201, { run: { fromRunId: active.id } }]);
});

test('a task is cancelled while the run that it had is being deleted', async () => {
  const api = await createTestApp();
  const run = await startRun(api);
  const [, task] = await asked(api, 'POST', '/tasks', mend);
  await api.database.pool.query(
    `update tasks set status = 'in_progress', run_id = $1, executor_id = $1, claim = 1 where id = $2`,
    [run.id, task.id],
  );
  // Its locks, in its order.
  const [cancelled] = await api.log.write('test', async (write) => {
    await lockRunAndConversation(write, api.tenantId, run.id);
    const cancelling = asked(api, 'POST', `/tasks/${task.id}/cancel`);
    await expect.poll(() => isWaiting(api)).toBe(true);
    await sql`update tasks set note = 'as a deletion does' where run_id = ${run.id}`.execute(write.tx);
    return [cancelling];
  });
  expect(await cancelled).toMatchObject([200, { status: 'cancelled' }]);
});
