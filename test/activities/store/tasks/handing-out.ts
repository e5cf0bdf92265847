// A tenant with workers and tasks, and a dispatcher whose clock the test moves. Runs end when the test says so.
import { hostname } from 'node:os';
import { onTestFinished } from 'vitest';
import { v7 as uuid } from 'uuid';
import { look } from '../../../../activities/tasks.ts';
import { seedTenantAllowance } from '../../../../activities/store/allowances/change-limits.ts';
import type { Write } from '../../../../activities/store/log/events.ts';
import { ensureBuiltIns } from '../../../../activities/store/policies/policies.ts';
import { endExecutor, registerExecutor } from '../../../../activities/store/runs/executors.ts';
import type { RunRow } from '../../../../activities/store/runs/runs.ts';
import { lockDispatcher } from '../../../../activities/store/tasks/dispatchers.ts';
import { registerAgent } from '../../../../activities/store/tasks/registered.ts';
import type { TaskRow } from '../../../../activities/store/tasks/task-row.ts';
import {
  findTask,
  insertTask,
  listClaims,
  type TaskFields,
} from '../../../../activities/store/tasks/tasks.ts';
import type { StartNeeds } from '../../../../activities/store/lifecycle/start-run.ts';
import { queueOn } from '../../../../workflows/contracts/messages.ts';
import type { StopReason } from '../../../../workflows/contracts/run.ts';
import type { TaskRun } from '../../../../workflows/contracts/task.ts';
import { startNeeds } from '../../../support/start-needs.ts';
import type { TestStore } from '../../../support/store.ts';

export interface Fleet {
  tenantId: string;
  author: { tenantId: string; by: string };
  /** In a transaction that holds the lock of its dispatcher. */
  inTurn<Done>(act: (write: Write) => Promise<Done>): Promise<Done>;
  /** Moves the clock. */
  pass(ms: number): void;
  now(): Date;
  worker(name: string, places: number, capabilities?: string[]): Promise<string>;
  /** One with a machine of its own. */
  machine(name: string, capabilities: string[]): Promise<string>;
  /** Nothing is heard of that worker, until it is heard again. */
  silence(executorId: string): void;
  hear(executorId: string): void;
  leave(executorId: string): Promise<void>;
  agent(name: string, ttlSeconds?: number): Promise<string>;
  task(fields?: Partial<TaskFields>, run?: TaskRun): Promise<TaskRow>;
  /** One look of the dispatcher; the ids of runs that it started, in order, and when it wants to look again. */
  look(executionId?: string): Promise<{ started: string[]; againMs: number | undefined; done: boolean }>;
  see(task: { id: string }): Promise<TaskRow>;
  claims(task: { id: string }): ReturnType<typeof listClaims>;
}

type Workers = Pick<Fleet, 'worker' | 'machine' | 'silence' | 'hear' | 'leave'> & {
  beat(): Promise<unknown>;
};

/** Each beats by the clock of the test, unless it is silent. */
function openWorkers({ database: { db, pool } }: TestStore, tenantId: string, now: () => Date): Workers {
  const live: string[] = [];
  const silent = new Set<string>();
  onTestFinished(async () => {
    for (const id of live) await endExecutor(db, id);
  });
  async function register(name: string, places: number, capabilities: string[], queues: string[]) {
    const id = uuid();
    live.push(id);
    await registerExecutor(db, {
      ...{ id, tenantId, host: hostname(), pid: 1, startedTicks: '1', queues, capacity: {} },
      offers: { name, capabilities, sandboxes: ['bubblewrap'], places, codeVersion: 'test' },
    });
    return id;
  }
  return {
    worker: (name, places, capabilities = []) => register(name, places, capabilities, []),
    machine: (name, capabilities) => register(name, 4, capabilities, [queueOn('tools', name)]),
    silence: (id) => void silent.add(id),
    hear: (id) => void silent.delete(id),
    leave: (id) => endExecutor(db, id),
    beat: () =>
      pool.query(
        `update executors set heartbeat_at = case when id = any($3) then $2::timestamptz - interval '1 hour' else $2 end
          where tenant_id = $1 and kind = 'worker'`,
        [tenantId, now(), [...silent]],
      ),
  };
}

/** A tenant of its own, so that tests of one file do not meet. */
export async function openFleet(store: TestStore, needs: Partial<StartNeeds> = {}): Promise<Fleet> {
  const { log, database } = store;
  const { db } = database;
  const tenantId = uuid();
  const author = { tenantId, by: 'test' };
  await ensureBuiltIns(db, tenantId);
  await seedTenantAllowance(db, tenantId);
  let at = Date.now();
  const started: string[] = [];
  const workers = openWorkers(store, tenantId, () => new Date(at));
  const deps = {
    log,
    needs: { ...startNeeds, ...needs },
    startRun: ({ id }: { id: string }) => void started.push(id),
    wakeRun: () => {},
  };
  const inTurn: Fleet['inTurn'] = (act) =>
    log.write('test', async (write) => {
      await lockDispatcher(write, tenantId);
      return act(write);
    });
  return {
    tenantId,
    author,
    inTurn,
    pass(ms) {
      at += ms;
    },
    now: () => new Date(at),
    ...workers,
    async agent(name, ttlSeconds = 60) {
      const offer = { name, places: 1, capabilities: [], ttlSeconds };
      return (await inTurn((write) => registerAgent(write, tenantId, offer))).id;
    },
    task: (fields = {}, run = { project: null }) =>
      inTurn((write) =>
        insertTask(
          write,
          {
            ...{ title: 'A task', prompt: 'Go.', priority: 'normal', retries: 3 },
            ...{ labels: [], files: [], acceptance: [], dependsOn: [] },
            ...fields,
          },
          run,
          author,
        ),
      ),
    async look(executionId = 'one') {
      started.length = 0;
      await workers.beat();
      const { done, againMs } = await look(
        deps,
        { tenantId, generation: 0, executionId },
        () => new Date(at),
      );
      return { started: [...started], againMs, done };
    },
    async see({ id }) {
      const task = await findTask(db, tenantId, id);
      if (!task) throw new Error(`There is no task ${id}.`);
      return task;
    },
    claims: ({ id }) => listClaims(db, id),
  };
}

export async function runOf(
  { database: { db } }: TestStore,
  fleet: Fleet,
  task: { id: string },
): Promise<RunRow> {
  const { run_id: id } = await fleet.see(task);
  const row = await db.selectFrom('runs').selectAll().where('id', '=', id).executeTakeFirst();
  if (!row) throw new Error('It has no run.');
  return row;
}

const reasons = { succeeded: 'finished', failed: 'model_failed', cancelled: 'cancelled' } as const;

export async function endRunOf(
  store: TestStore,
  fleet: Fleet,
  task: { id: string },
  status: keyof typeof reasons,
  reason: StopReason = reasons[status],
): Promise<void> {
  const run = await runOf(store, fleet, task);
  if (status !== 'cancelled') await store.begin(run);
  await store.end(run, { status, reason, reasonText: `It ${status}.` });
}
