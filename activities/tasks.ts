// One look of the dispatcher: what has ended is settled, what silent agents held is taken back, and what waits is handed
// out, first things first. What was begun is started once that has committed.
import type { AttendTasksInput, AttendTasksResult } from '../workflows/contracts/activities.ts';
import { Failure } from '../workflows/contracts/failures.ts';
import type { TaskWait } from '../workflows/contracts/task-events.ts';
import { type Candidate, route } from '../workflows/tasks/route.ts';
import type { ActivityDeps } from './deps.ts';
import { moneyProblem } from './store/allowances/money-problem.ts';
import { OwnerChanged } from './store/lifecycle/accept-run.ts';
import { afterAccept } from './store/lifecycle/after-accept.ts';
import { waitingTasks, wantedBy } from './store/tasks/claims.ts';
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
  whyWaits,
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
}

export function createAttendTasks(
  deps: ActivityDeps,
): (input: AttendTasksInput) => Promise<AttendTasksResult> {
  const clock = (): Date => new Date();
  return (input) => look({ ...deps, needs: deps.schedules.needs }, input, clock);
}

/** With a clock of the caller's. */
export async function look(
  deps: LookDeps,
  { tenantId, generation, executionId }: AttendTasksInput,
  clock: () => Date,
): Promise<AttendTasksResult> {
  const until = performance.now() + sliceMs;
  const looking: Look = { deps, tenantId, clock, isOver: () => performance.now() > until };
  const { log } = deps;
  const own = await log.write('take-dispatcher', async (write) => {
    const row = await takeDispatcher(write, { tenantId, generation, executionId });
    if (!row) return false;
    await reapSilent(write, tenantId, clock());
    await inheritTasks(write, tenantId);
    return true;
  });
  if (!own) return { done: true };
  if (!(await settleEnded(looking))) return { done: false, againMs: 0 };
  const waiting = await handOutAll(looking);
  if (waiting === undefined) return { done: false, againMs: 0 };
  const next = await nextLook(log.db, tenantId);
  const times = [
    ...(next ? [Math.max(next.getTime() - clock().getTime(), 1)] : []),
    ...(waiting ? [waitMs] : []),
  ];
  return { done: false, ...(times.length > 0 && { againMs: Math.min(...times) }) };
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
  const { deps, tenantId, clock, isOver } = looking;
  const { log } = deps;
  const problem = await moneyProblem(log.db, { tenantId, names: ['tenant'] }, clock());
  const registered = await listRegistered(log.db, { tenantId, kind: 'worker' });
  let workers = registered.map((worker) => toCandidate(worker, clock()));
  let waiting = false;
  let after: TaskRow | undefined;
  for (;;) {
    const page = await waitingTasks(log.db, { tenantId, at: clock(), limit: pageSize, after });
    const waits: (TaskWait & { taskId: string })[] = [];
    for (let rest = page; rest.length > 0; ) {
      const { batch, refused } = nextBatch(rest, workers, problem);
      rest = rest.slice(batch.length + refused.length);
      for (const { task, ...wait } of refused) {
        waiting = true;
        if (task.reason !== wait.reason) waits.push({ taskId: task.id, ...wait });
      }
      if (batch.length === 0) continue;
      const handed = await handOutBatch(looking, batch);
      waiting ||= handed.waiting;
      workers = handed.workers ?? workers;
      if (isOver()) return undefined;
    }
    if (waits.length > 0) await log.write('note-waits', (write) => noteWaits(write, tenantId, waits));
    if (page.length < pageSize) return waiting;
    after = page.at(-1);
  }
}

interface Batch {
  batch: TaskRow[];
  refused: (TaskWait & { task: TaskRow })[];
}

/**
 * The next ones that can begin together, as far as can be seen without the lock, and those before or between them that
 * cannot: a fleet that is full costs no transaction for each that waits.
 */
function nextBatch(tasks: readonly TaskRow[], now: readonly Candidate[], problem: string | undefined): Batch {
  const workers = now.map((worker) => ({ ...worker }));
  const batch: TaskRow[] = [];
  const refused: Batch['refused'] = [];
  for (const task of tasks) {
    const routed = route(wantedBy(task), now);
    // Without money nothing is handed out, even if an executor would fit.
    const wait: TaskWait | undefined =
      problem === undefined ? whyWaits(routed, () => undefined) : { kind: 'no-allowance', reason: problem };
    if (wait) {
      refused.push({ task, ...wait });
      continue;
    }
    const { executor } = route(wantedBy(task), workers);
    // Whether those of the batch take the last places is seen when they have begun.
    if (!executor || (batch.length > 0 && !goesWithOthers(task))) break;
    batch.push(task);
    executor.load += 1;
    if (batch.length === batchSize || !goesWithOthers(task)) break;
  }
  return { batch, refused };
}

/** Where one of several is refused, each is handed out alone: a refusal is that task's, and the others begin. */
async function handOutBatch(
  looking: Look,
  tasks: readonly TaskRow[],
): Promise<{ waiting: boolean; workers?: Candidate[] }> {
  const { deps, tenantId, clock } = looking;
  const { log, needs } = deps;
  const at = clock();
  const taskIds = tasks.map(({ id }) => id);
  try {
    const handed = await log.write('hand-out', (write) => handOut(write, needs, { tenantId, taskIds }, at));
    for (const accepted of handed.begun) {
      const { start, wake } = await afterAccept(log, accepted);
      for (const run of start) deps.startRun(run);
      for (const runId of wake) deps.wakeRun(runId);
    }
    return handed;
  } catch (error) {
    if (!(error instanceof Failure) || error instanceof OwnerChanged) throw error;
    const [taskId] = taskIds;
    if (taskId !== undefined && taskIds.length === 1) {
      await log.write('refuse-task', (write) => refuseTask(write, { tenantId, taskId }, error, at));
      return { waiting: true };
    }
  }
  let last: { waiting: boolean; workers?: Candidate[] } = { waiting: false };
  for (const task of tasks) {
    const { waiting, workers = last.workers } = await handOutBatch(looking, [task]);
    last = { waiting: last.waiting || waiting, ...(workers && { workers }) };
  }
  return last;
}
