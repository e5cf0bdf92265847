// One look of the dispatcher: what has ended is settled, what silent agents held is taken back, and what waits is handed
// out, first things first. What was begun is started once that has committed.
import type { AttendTasksInput, AttendTasksResult } from '../workflows/contracts/activities.ts';
import { Failure } from '../workflows/contracts/failures.ts';
import type { TaskWait } from '../workflows/contracts/task-events.ts';
import type { Candidate } from '../workflows/tasks/route.ts';
import type { ActivityDeps } from './deps.ts';
import { OwnerChanged } from './store/lifecycle/accept-run.ts';
import { afterAccept } from './store/lifecycle/after-accept.ts';
import { addSpent, choose, poolOf, type Refusals, sameAs } from './store/tasks/choose.ts';
import { waitingTasks } from './store/tasks/claims.ts';
import { takeDispatcher } from './store/tasks/dispatchers.ts';
import {
  goesWithOthers,
  handOut,
  inheritTasks,
  listSettleable,
  nextLook,
  noteWaits,
  refuseTask,
  settleTask,
} from './store/tasks/hand-out.ts';
import { listRegistered, reapSilent, toCandidate } from './store/tasks/registered.ts';
import type { TaskRow } from './store/tasks/task-row.ts';

// A third of what the activity may take.
const sliceMs = 20_000;
const pageSize = 200;
// Agents and callers wait for a tenth of a second behind them; with more, little is gained.
const batchSize = 20;
// What no row tells of is looked for again: money of a new day, a directory that another run has left.
const waitMs = 30_000;

export type LookDeps = Pick<ActivityDeps, 'log' | 'startRun' | 'wakeRun'> & {
  needs: ActivityDeps['schedules']['needs'];
};

interface Look {
  deps: LookDeps;
  tenantId: string;
  clock: () => Date;
  /** Whether the slice is over. */
  isOver(): boolean;
  /** What it has met: the next task that would meet the same costs no transaction. */
  refusals: Refusals;
}

export function createAttendTasks(
  deps: ActivityDeps,
): (input: AttendTasksInput) => Promise<AttendTasksResult> {
  return (input) => look({ ...deps, needs: deps.schedules.needs }, input);
}

/** By the clock of Postgres, as executors beat by it, unless one is given. */
export async function look(
  deps: LookDeps,
  { tenantId, generation, executionId }: AttendTasksInput,
  given?: () => Date,
): Promise<AttendTasksResult> {
  const until = performance.now() + sliceMs;
  const { log } = deps;
  const clock = await log.write('take-dispatcher', async (write) => {
    const taken = await takeDispatcher(write, { tenantId, generation, executionId });
    if (!taken) return undefined;
    const own = given ?? clockFrom(taken);
    await reapSilent(write, tenantId, own());
    await inheritTasks(write, tenantId, own());
    return own;
  });
  if (!clock) return { done: true };
  const isOver = (): boolean => performance.now() > until;
  const looking: Look = { deps, tenantId, clock, isOver, refusals: new Map() };
  if (!(await settleEnded(looking))) return { done: false, againMs: 0 };
  const since = clock();
  const waiting = await handOutAll(looking);
  if (waiting === undefined) return { done: false, againMs: 0 };
  const times = await nextLook(log.db, { tenantId, since, at: clock() });
  if (waiting) times.push(waitMs);
  return { done: false, ...(times.length > 0 && { againMs: Math.min(...times) }) };
}

function clockFrom(at: Date): () => Date {
  const since = performance.now();
  return () => new Date(at.getTime() + performance.now() - since);
}

/** False when the slice is over: there is more. */
async function settleEnded({ deps: { log }, tenantId, clock, isOver }: Look): Promise<boolean> {
  for (;;) {
    const ids = await listSettleable(log.db, tenantId, pageSize);
    for (const id of ids) {
      await log.write('settle-task', (write) => settleTask(write, tenantId, id, clock()));
      if (isOver()) return false;
    }
    if (ids.length < pageSize) return true;
  }
}

/** Returns whether tasks wait for what no row tells of, or undefined when the slice is over: there is more. */
async function handOutAll(looking: Look): Promise<boolean | undefined> {
  const { deps, tenantId, clock, isOver, refusals } = looking;
  const { log } = deps;
  const registered = await listRegistered(log.db, { tenantId, kind: 'worker', at: clock() });
  let workers = registered.map(toCandidate);
  await addSpent(log.db, { tenantId, names: ['tenant', ...workers.map(poolOf)] }, clock(), refusals);
  let waiting = false;
  let after: TaskRow | undefined;
  for (;;) {
    const page = await waitingTasks(log.db, { tenantId, at: clock(), limit: pageSize, after });
    const waits: (TaskWait & { taskId: string })[] = [];
    let rest = page;
    let alone = 0;
    while (rest.length > 0 && !isOver()) {
      const { batch, refused } = nextBatch(rest, workers, refusals, alone > 0 ? 1 : batchSize);
      const handed = await handOutBatch(looking, batch);
      alone = handed ? Math.max(alone - batch.length, 0) : Math.max(alone, batch.length);
      if (!handed) continue;
      rest = rest.slice(batch.length + refused.length);
      waiting ||= handed.waiting || refused.length > 0;
      workers = handed.workers ?? workers;
      for (const { task, ...wait } of refused)
        if (task.reason !== wait.reason) waits.push({ taskId: task.id, ...wait });
    }
    if (waits.length > 0) await log.write('note-waits', (write) => noteWaits(write, tenantId, waits));
    if (rest.length > 0) return undefined;
    if (page.length < pageSize) return waiting;
    after = page.at(-1);
  }
}

interface Chosen {
  task: TaskRow;
  executor: Candidate;
}

interface Batch {
  batch: Chosen[];
  refused: (TaskWait & { task: TaskRow })[];
}

/**
 * The next ones that can begin together, as far as can be seen without the lock, and those before or between them that
 * cannot: a fleet that is full costs no transaction for each that waits.
 */
function nextBatch(
  tasks: readonly TaskRow[],
  now: readonly Candidate[],
  refusals: Refusals,
  most: number,
): Batch {
  const workers = now.map((worker) => ({ ...worker }));
  const batch: Chosen[] = [];
  const refused: Batch['refused'] = [];
  for (const task of tasks) {
    const chosen = choose(task, now, refusals);
    if (!chosen.executor) {
      refused.push({ task, ...chosen.wait });
      continue;
    }
    const { executor } = choose(task, workers, refusals);
    // Whether those of the batch take the last places is seen when they have begun.
    if (!executor || (batch.length > 0 && !goesWithOthers(task))) break;
    batch.push({ task, executor });
    executor.load += 1;
    if (batch.length === most || !goesWithOthers(task)) break;
  }
  return { batch, refused };
}

/**
 * Undefined: none has begun, and they are to be looked at again. Where one of several is refused, they are handed out
 * alone: a refusal is that task's, and the others begin.
 */
async function handOutBatch(
  { deps, tenantId, clock, refusals }: Look,
  batch: readonly Chosen[],
): Promise<{ waiting: boolean; workers?: Candidate[] } | undefined> {
  const [first] = batch;
  if (!first) return { waiting: false };
  const { log, needs } = deps;
  const at = clock();
  const taskIds = batch.map(({ task }) => task.id);
  try {
    const handing = { tenantId, taskIds, refusals };
    const handed = await log.write('hand-out', (write) => handOut(write, needs, handing, at));
    for (const accepted of handed.begun) {
      const { start, wake } = await afterAccept(log, accepted);
      for (const run of start) deps.startRun(run);
      for (const runId of wake) deps.wakeRun(runId);
    }
    return handed;
  } catch (error) {
    if (!(error instanceof Failure) || error instanceof OwnerChanged) throw error;
    if (batch.length > 1) return undefined;
    const { pool } = error.extra;
    if (error.code === 'AllowanceExceeded' && typeof pool === 'string' && !refusals.has(pool)) {
      refusals.set(pool, { kind: 'no-allowance', reason: error.message });
      return undefined;
    }
    const refusal = { tenantId, taskId: first.task.id };
    const wait = await log.write('refuse-task', (write) => refuseTask(write, refusal, error, at));
    if (wait) refusals.set(sameAs(first.task, first.executor), wait);
    return { waiting: true };
  }
}
