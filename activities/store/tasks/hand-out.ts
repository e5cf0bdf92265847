// What the dispatcher does with one look: it settles what has ended, takes back what silent agents held, and hands out
// what waits, some tasks at a time: the allowance looked at, the claims and the accepted runs in one transaction. A look
// that comes twice finds nothing left to do.
import { sql } from 'kysely';
import { type Failure, type FailureCode, failures } from '../../../workflows/contracts/failures.ts';
import type { RunStatus, StartRunBody, StopReason } from '../../../workflows/contracts/run.ts';
import type { TaskWait } from '../../../workflows/contracts/task-events.ts';
import { backOffMs } from '../../../workflows/tasks/back-off.ts';
import type { Candidate } from '../../../workflows/tasks/route.ts';
import { shortageOf } from '../allowances/own-limits.ts';
import { holdPools } from '../allowances/run-places.ts';
import type { Db } from '../db/database.ts';
import type { Accepted } from '../lifecycle/accept-run.ts';
import { type StartNeeds, startRun } from '../lifecycle/start-run.ts';
import type { Write } from '../log/events.ts';
import { silentFrom } from '../runs/executors.ts';
import { findRun, type RunRow } from '../runs/runs.ts';
import { addSpent, choose, ownPools, poolOf, poolsOf, type Refusals } from './choose.ts';
import { claimTasks, waitingTasks, wantedBy } from './claims.ts';
import { lockDispatcher } from './dispatchers.ts';
import { listRegistered, toCandidate } from './registered.ts';
import { type TaskRow, taskMessage } from './task-row.ts';
import { findTask } from './tasks.ts';
import { endClaim, endTask, failAttempt, loseClaim, releaseTask, setTask } from './write-task.ts';

/** Tasks of our workers whose run has ended, or is not there any more. */
export async function listSettleable(db: Db, tenantId: string, limit: number): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`select tasks.id from tasks
    left join runs on runs.id = tasks.run_id left join executors executor on executor.id = tasks.executor_id
    where tasks.tenant_id = ${tenantId} and tasks.status = 'in_progress'
      and (runs.ended_at is not null or (tasks.run_id is null and executor.kind is distinct from 'agent'))
    order by runs.ended_at limit ${limit}`.execute(db);
  return rows.map(({ id }) => id);
}

// How an end reads for which a limit of the run itself or of a pool had too little left.
const ofMoney: readonly StopReason[] = ['limit_cost', 'limit_tokens', 'limit_calls'];

/** More money or time would lift it, which is no failure of the task; another try has the same limits of its own. */
async function ranOutOfPool(write: Write, run: RunRow): Promise<boolean> {
  return ofMoney.includes(run.reason as StopReason) && (await shortageOf(write.tx, run)) === undefined;
}

/** Longer each time: a try makes a run, and one that needs more than there is would make them until the next day. */
function againAfter({ claim }: TaskRow, at: Date): Date {
  // 20 s at first, as what others hold and the money of an hour come back soon.
  return new Date(at.getTime() + backOffMs(claim + 2));
}

/** The same to the sweeper and to two executions: only a task that is still at work with that run is settled. */
export async function settleTask(write: Write, tenantId: string, taskId: string, at: Date): Promise<void> {
  await lockDispatcher(write, tenantId);
  const task = await findTask(write.tx, tenantId, taskId);
  if (task?.status !== 'in_progress') return;
  const run = task.run_id === null ? undefined : await findRun(write.tx, tenantId, task.run_id);
  if (!run) {
    await failAttempt(write, task, { reason: 'Its run was deleted before its end was seen here.', at });
    return;
  }
  if (run.ended_at === null) return;
  const why = run.reason_text ?? run.status;
  switch (run.status as RunStatus) {
    case 'succeeded':
      await endClaim(write, task, 'completed', null);
      await endTask(write, task, 'completed', null, { progress: 100, last_attempt_at: at });
      return;
    // A person stopped the run, which is no failure to be made up for.
    case 'cancelled':
    case 'interrupted':
      await endClaim(write, task, 'cancelled', why);
      await endTask(write, task, 'cancelled', why);
      return;
    default:
      if (await ranOutOfPool(write, run)) await releaseTask(write, task, why, againAfter(task, at));
      else if ((run.reason as StopReason) === 'executor_lost')
        await loseClaim(write, task, { reason: why, at });
      else await failAttempt(write, task, { reason: why, at });
  }
}

/**
 * Tasks of a worker that is gone are its successor's of the same name: their runs go on there. The death of one in
 * another container is seen by nothing but its silence.
 */
export async function inheritTasks({ tx }: Write, tenantId: string, at: Date): Promise<void> {
  await sql`update tasks set executor_id = live.id from executors dead cross join lateral (
      select id from executors heir where heir.tenant_id = dead.tenant_id and heir.name = dead.name
        and heir.kind = 'worker' and heir.ended_at is null and ${silentFrom('heir')} >= ${at}
      order by id desc limit 1
    ) live
    where tasks.tenant_id = ${tenantId} and tasks.status = 'in_progress' and tasks.executor_id = dead.id
      and dead.kind = 'worker' and (dead.ended_at is not null or ${silentFrom('dead')} < ${at})`.execute(tx);
}

export interface Handed {
  /** By their order. */
  begun: Accepted[];
  /** Whether one waits, for no fault of its own. */
  waiting: boolean;
  /** The workers with what they have by now. */
  workers: Candidate[];
}

/**
 * Whether it may begin in one transaction with others: one that goes on from a run, or holds a directory, locks more than
 * the pools of its chain, and those of the next would come behind that.
 */
export function goesWithOthers({
  run: { fromRunId, project = null, workspace = null, workTree },
}: TaskRow): boolean {
  return fromRunId === undefined && ((project === null && workspace === null) || workTree === 'own');
}

/**
 * Those of the tasks that still wait, by their order. Throws what startRun throws, and none has begun: of one alone,
 * what becomes of it then is written by `refuseTask`, in a transaction of its own. Pools that are found spent join the
 * refusals.
 */
export async function handOut(
  write: Write,
  needs: StartNeeds,
  { tenantId, taskIds, refusals }: { tenantId: string; taskIds: readonly string[]; refusals: Refusals },
  at: Date,
): Promise<Handed> {
  await lockDispatcher(write, tenantId);
  const tasks = await waitingTasks(write.tx, { tenantId, at, limit: taskIds.length, ids: taskIds });
  const registered = await listRegistered(write.tx, { tenantId, kind: 'worker', at });
  const workers = registered.map(toCandidate);
  const names = [...workers.map(poolOf), ...tasks.flatMap(ownPools)];
  await addSpent(write.tx, { tenantId, names }, at, refusals);
  const taken: Taken[] = [];
  for (const task of tasks) {
    const chosen = choose(task, workers, refusals);
    if (chosen.executor) {
      chosen.executor.load += 1;
      taken.push({ task, executor: chosen.executor });
    } else await keepWaiting(write, task, chosen.wait);
  }
  // The locks of all of them first, in the one order.
  if (taken.length > 1)
    await holdPools(write.tx, {
      tenantId,
      others: taken.flatMap(({ task, executor }) => poolsOf(task, executor)),
    });
  const begun: Accepted[] = [];
  for (const each of taken) begun.push(await begin(write, needs, each));
  const claims = taken.map((each, index) => ({ ...each, runId: begun[index]?.run.id ?? null }));
  if (claims.length > 0) await claimTasks(write, claims, at);
  return { begun, waiting: taken.length < tasks.length, workers };
}

interface Taken {
  task: TaskRow;
  executor: Candidate;
}

async function begin(write: Write, needs: StartNeeds, { task, executor }: Taken): Promise<Accepted> {
  const claim = task.claim + 1;
  return startRun(
    write,
    needs,
    // As request ids are: what a log line of the run is found by.
    {
      tenantId: task.tenant_id,
      by: `task “${task.title.slice(0, 80)}”`,
      requestId: `task-${task.id}-${claim}`,
      pools: [poolOf(executor)],
    },
    requestOf(task, claim, executor),
  );
}

function requestOf(task: TaskRow, claim: number, { apart, name }: Candidate): StartRunBody {
  const { title, prompt, files, acceptance, run } = task;
  const about =
    files.length === 0 ? [] : [`It is about these files:\n${files.map((file) => `- ${file}`).join('\n')}`];
  const done =
    acceptance.length === 0 ? [] : [`It is done when:\n${acceptance.map((each) => `- ${each}`).join('\n')}`];
  return {
    // Without a person to watch, money that comes with the next day is waited for.
    ...{ overBudget: 'pause', ...run },
    ...(apart && { executor: name }),
    priority: wantedBy(task).priority,
    prompt: [title, prompt, ...about, ...done].join('\n\n'),
    messageId: taskMessage(task.id, claim),
  };
}

/** Told when it changes: a fleet that is busy all day says so once. */
async function keepWaiting(write: Write, task: TaskRow, wait: TaskWait): Promise<void> {
  const { reason, kind } = wait;
  if (task.reason === reason) return;
  await setTask(write, task, { status: 'pending', reason }, { type: 'task-wait', payload: { reason, kind } });
}

/** The same of many. */
export async function noteWaits(
  write: Write,
  tenantId: string,
  waits: readonly (TaskWait & { taskId: string })[],
): Promise<void> {
  await lockDispatcher(write, tenantId);
  for (const { taskId, ...wait } of waits) {
    const task = await findTask(write.tx, tenantId, taskId);
    if (task?.status === 'pending') await keepWaiting(write, task, wait);
  }
}

// Refusals that pass by themselves, beside those that the table calls so: Docker starts again, a run ends.
const passing: readonly FailureCode[] = ['NotRunnable', 'ProjectBusy', 'RunActive', 'SandboxUnavailable'];

/** Its run was refused: it waits where that passes by itself, and returns for what; else an attempt has failed. */
export async function refuseTask(
  write: Write,
  { tenantId, taskId }: { tenantId: string; taskId: string },
  { code, message }: Failure,
  at: Date,
): Promise<TaskWait | undefined> {
  await lockDispatcher(write, tenantId);
  const task = await findTask(write.tx, tenantId, taskId);
  if (task?.status !== 'pending') return undefined;
  if (!failures[code].retryable && !passing.includes(code)) {
    await failAttempt(write, task, { reason: message, at });
    return undefined;
  }
  const kind = code === 'AllowanceExceeded' ? 'no-allowance' : 'refused';
  const wait: TaskWait = { kind, reason: message };
  await keepWaiting(write, task, wait);
  return wait;
}

/**
 * In how many ms the dispatcher is to look again by itself: a back-off ends, or an agent with tasks has been silent for
 * too long. `since`: tasks whose back-off was over then have been looked at, and wait for something else.
 */
export async function nextLook(
  db: Db,
  { tenantId, since, at }: { tenantId: string; since: Date; at: Date },
): Promise<number[]> {
  const { rows } = await sql<{ again: Date | null }>`select min(again_at) as again from tasks
    where tenant_id = ${tenantId} and status = 'pending' and again_at > ${since}`.execute(db);
  const again = rows[0]?.again;
  const agents = await listRegistered(db, { tenantId, kind: 'agent', at });
  const inMs = [
    ...(again ? [again.getTime() - at.getTime()] : []),
    // Later by a moment: at its last instant an agent is not silent for too long yet.
    ...agents.filter(({ load }) => load > 0).map(({ silentInMs }) => Math.ceil(silentInMs) + 1),
  ];
  return inMs.map((ms) => Math.max(ms, 1));
}
