import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { v7 as uuid } from 'uuid';
import { keepHistory } from '../histories/keep.ts';
import { type Kernel, withKernel } from '../support/kernel.ts';
import { defaultTenant } from '../../activities/store/db/database.ts';
import { beat, registerExecutor } from '../../activities/store/runs/executors.ts';
import { lockDispatcher } from '../../activities/store/tasks/dispatchers.ts';
import type { TaskRow } from '../../activities/store/tasks/task-row.ts';
import { findTask, insertTask, listClaims } from '../../activities/store/tasks/tasks.ts';
import { workflowId } from '../../workflows/contracts/messages.ts';
import { hasEnded } from '../../workflows/tasks/transitions.ts';

const author = { tenantId: defaultTenant, by: 'test' };
// Far above what a busy machine takes, two attempts and five seconds between them included.
const longestMs = 60_000;

async function addTask(
  kernel: Kernel,
  model: string,
  fields: { dependsOn?: string[]; retries?: number } = {},
) {
  const words = { title: 'A task', prompt: 'Go.', priority: 'normal' as const, retries: 3 };
  const lists = { labels: [], files: [], acceptance: [], dependsOn: [] };
  const { log } = kernel.store;
  const [dispatcher, task] = await log.write('test', async (write) => [
    await lockDispatcher(write, defaultTenant),
    await insertTask(write, { ...words, ...lists, ...fields }, { model, project: null }, author),
  ]);
  if (dispatcher.execution_id === null) kernel.dispatchers.started(dispatcher);
  else kernel.dispatchers.wake(dispatcher.id);
  return task;
}

/** Waits for the end of all of them; `worker` lives meanwhile. */
async function ended(kernel: Kernel, worker: string, ...tasks: TaskRow[]): Promise<TaskRow[]> {
  const { db } = kernel.store.database;
  const deadline = Date.now() + longestMs;
  for (;;) {
    await beat(db, worker);
    const found = await Promise.all(tasks.map(({ id }) => findTask(db, defaultTenant, id)));
    const rows = found.filter((row) => row !== undefined && hasEnded(row.status)) as TaskRow[];
    if (rows.length === tasks.length) return rows;
    if (Date.now() > deadline) throw new Error(`They did not end: ${JSON.stringify(found)}`);
    await sleep(100);
  }
}

withKernel(
  (kernel) => {
    test('tasks become runs in their turn, are tried again after a pause, and go on when the dispatcher was ended', async () => {
      const { db } = kernel.store.database;
      const worker = uuid();
      await registerExecutor(db, {
        ...{
          id: worker,
          tenantId: defaultTenant,
          host: 'elsewhere',
          pid: 1,
          startedTicks: '1',
          queues: [],
          capacity: {},
        },
        offers: { name: 'box', capabilities: [], sandboxes: [], places: 4, codeVersion: 'test' },
      });
      const model = await kernel.script({ text: 'Done.' });
      const failing = await addTask(kernel, await kernel.script({ error: { kind: 'bad_request' } }), {
        retries: 2,
      });
      const first = await addTask(kernel, model);
      const second = await addTask(kernel, model, { dependsOn: [first.id] });
      const [one, two, lost] = await ended(kernel, worker, first, second, failing);
      expect([one?.status, two?.status]).toEqual(['completed', 'completed']);
      const runs = await Promise.all([one, two].map((task) => kernel.store.run(task?.run_id ?? '')));
      expect(runs.map(({ status, message_id: id }) => [status, id])).toEqual([
        ['succeeded', `task/${first.id}/1`],
        ['succeeded', `task/${second.id}/1`],
      ]);
      expect(lost).toMatchObject({
        status: 'failed',
        attempts: 2,
        reason: expect.stringMatching(/^max retries exceeded: /),
      });
      const [before, after] = await listClaims(db, failing.id);
      const pause = (after?.claimed_at.getTime() ?? 0) - (before?.ended_at?.getTime() ?? 0);
      expect(pause).toBeGreaterThanOrEqual(4900);

      // An operator ends it: another execution goes on where that one was.
      const id = workflowId('dispatch', defaultTenant);
      const handle = kernel.client.workflow.getHandle(id);
      await handle.terminate('a test');
      keepHistory(kernel.client, id, (await handle.describe()).runId);
      const upkeep = kernel.upkeep.find(({ kind }) => kind.name === 'dispatch');
      const [row] = (await upkeep?.kind.listActive(db, 9)) ?? [];
      if (!upkeep || !row) throw new Error('There is no dispatcher.');
      await upkeep.endLost(row);
      await upkeep.executions.settled();
      const third = await addTask(kernel, model);
      const [last] = await ended(kernel, worker, third);
      expect(last).toMatchObject({ status: 'completed', claim: 1 });
    });
  },
  { replay: 'never' },
);
