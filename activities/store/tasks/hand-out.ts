// What the dispatcher does with one look: it settles what has ended, takes back what silent agents held, and hands out
// what waits, some tasks at a time: the allowance looked at, the claims and the accepted runs in one transaction. A look
// that comes twice finds nothing left to do.
import { sql } from 'kysely';
import { type Failure, type FailureCode, failures } from '../../../workflows/contracts/failures.ts';
import type { RunStatus, StartRunBody, StopReason } from '../../../workflows/contracts/run.ts';
import type { TaskWait } from '../../../workflows/contracts/task-events.ts';
import { type Candidate, route, type Routed } from '../../../workflows/tasks/route.ts';
import { moneyProblem, moneyProblems } from '../allowances/money-problem.ts';
import type { PoolName } from '../allowances/allowances.ts';
import { holdPools } from '../allowances/run-places.ts';
import type { Db } from '../db/database.ts';
import type { Accepted } from '../lifecycle/accept-run.ts';
import { type StartNeeds, startRun } from '../lifecycle/start-run.ts';
import type { Write } from '../log/events.ts';
import { findRun } from '../runs/runs.ts';
import { claimTasks, waitingTasks, wantedBy } from './claims.ts';
import { lockDispatcher } from './dispatchers.ts';
import { listRegistered, silentAt, toCandidate } from './registered.ts';
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

// How such an end of a run reads; what more money or time would lift is no failure of the task.
const ofMoney: readonly StopReason[] = ['limit_cost', 'limit_tokens', 'limit_calls', 'allowance_denied'];

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
    default: {
      const money =
        ofMoney.includes(run.reason as StopReason) && (await moneyProblem(write.tx, poolsOf(task), at));
      if (money) await releaseTask(write, task, money);
      else if ((run.reason as StopReason) === 'executor_lost')
        await loseClaim(write, task, { reason: why, at });
      else await failAttempt(write, task, { reason: why, at });
    }
  }
}

function poolsOf(task: TaskRow, ...more: PoolName[]): { tenantId: string; names: PoolName[] } {
  const owner: PoolName[] = task.run.owner === undefined ? [] : [`owner/${task.run.owner}`];
  return { tenantId: task.tenant_id, names: ['tenant', ...owner, ...more] };
}

/** Tasks of a worker that is gone are its successor's of the same name: their runs go on there. */
export async function inheritTasks({ tx }: Write, tenantId: string): Promise<void> {
  await sql`update tasks set executor_id = live.id from executors dead
    join executors live on live.tenant_id = dead.tenant_id and live.name = dead.name and live.kind = 'worker'
      and live.ended_at is null
    where tasks.tenant_id = ${tenantId} and tasks.status = 'in_progress' and tasks.executor_id = dead.id
      and dead.kind = 'worker' and dead.ended_at is not null`.execute(tx);
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
 * what becomes of it then is written by `refuseTask`, in a transaction of its own.
 */
export async function handOut(
  write: Write,
  needs: StartNeeds,
  { tenantId, taskIds }: { tenantId: string; taskIds: readonly string[] },
  at: Date,
): Promise<Handed> {
  await lockDispatcher(write, tenantId);
  const tasks = await waitingTasks(write.tx, { tenantId, at, limit: taskIds.length, ids: taskIds });
  const registered = await listRegistered(write.tx, { tenantId, kind: 'worker' });
  const workers = registered.map((worker) => toCandidate(worker, at));
  const names = [...tasks.flatMap((task) => poolsOf(task).names), ...workers.map(poolOf)];
  const spent = await moneyProblems(write.tx, { tenantId, names }, at);
  const taken: Taken[] = [];
  for (const task of tasks) {
    const routed = route(wantedBy(task), workers);
    const wait = whyWaits(routed, (executor) => spentOf(spent, task, executor));
    if (wait) await keepWaiting(write, task, wait);
    else if (routed.executor) {
      routed.executor.load += 1;
      taken.push({ task, executor: routed.executor });
    }
  }
  // The locks of all of them first, in the one order.
  if (taken.length > 1) {
    const others = taken.flatMap(({ task, executor }) => poolsOf(task, poolOf(executor)).names);
    await holdPools(write.tx, { tenantId, others });
  }
  const begun: Accepted[] = [];
  for (const each of taken) begun.push(await begin(write, needs, each));
  const claims = taken.map((each, index) => ({ ...each, runId: begun[index]?.run.id ?? null }));
  if (claims.length > 0) await claimTasks(write, claims, at);
  return { begun, waiting: taken.length < tasks.length, workers };
}

/** `spent` says of an executor that fits which allowance has nothing left. */
export function whyWaits(
  routed: Routed,
  spent: (executor: Candidate) => string | undefined,
): TaskWait | undefined {
  if (!routed.executor) return { kind: 'no-executor', reason: routed.words };
  const reason = spent(routed.executor);
  return reason === undefined ? undefined : { kind: 'no-allowance', reason };
}

interface Taken {
  task: TaskRow;
  executor: Candidate;
}

function poolOf({ name }: Candidate): PoolName {
  return `executor/${name}`;
}

function spentOf(
  spent: ReadonlyMap<PoolName, string>,
  task: TaskRow,
  executor: Candidate,
): string | undefined {
  const { names } = poolsOf(task, poolOf(executor));
  return names.map((name) => spent.get(name)).find((problem) => problem !== undefined);
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

// Refusals that pass by themselves, beside those that the table calls so.
const passing: readonly FailureCode[] = ['NotRunnable', 'ProjectBusy'];

/** Its run was refused: it waits where that passes by itself, else an attempt has failed. */
export async function refuseTask(
  write: Write,
  { tenantId, taskId }: { tenantId: string; taskId: string },
  { code, message }: Failure,
  at: Date,
): Promise<void> {
  await lockDispatcher(write, tenantId);
  const task = await findTask(write.tx, tenantId, taskId);
  if (task?.status !== 'pending') return;
  const kind = code === 'AllowanceExceeded' ? 'no-allowance' : 'refused';
  if (failures[code].retryable || passing.includes(code))
    await keepWaiting(write, task, { kind, reason: message });
  else await failAttempt(write, task, { reason: message, at });
}

/** When the dispatcher is to look again by itself: a back-off ends, or an agent with tasks has been silent for too long. */
export async function nextLook(db: Db, tenantId: string): Promise<Date | undefined> {
  const { rows } = await sql<{ at: Date | null }>`select min(again_at) as at from tasks
    where tenant_id = ${tenantId} and status = 'pending' and again_at is not null`.execute(db);
  const agents = await listRegistered(db, { tenantId, kind: 'agent' });
  const times = [
    ...(rows[0]?.at ? [rows[0].at] : []),
    // Later by a moment: at its last instant an agent is not silent for too long yet.
    ...agents.filter(({ load }) => load > 0).map((agent) => new Date(silentAt(agent).getTime() + 1)),
  ];
  return times.sort((one, other) => one.getTime() - other.getTime())[0];
}
