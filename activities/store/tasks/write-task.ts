// Writes what becomes of tasks. The caller holds the dispatcher's lock: nothing else changes a task of that tenant.
import { type Selectable, sql } from 'kysely';
import { type NewEvent, streamOf } from '../../../workflows/contracts/event.ts';
import type { TaskStatus } from '../../../workflows/contracts/task.ts';
import { backOffMs } from '../../../workflows/tasks/back-off.ts';
import { canBecome, hasEnded } from '../../../workflows/tasks/transitions.ts';
import type { Tasks } from '../db/tables.ts';
import type { Write } from '../log/events.ts';
import { addTaskLetter } from '../runs/dead-letters.ts';
import { type ClaimOutcome, taskOf, type TaskRow } from './task-row.ts';

type Change = Partial<
  Pick<
    TaskRow,
    | 'progress'
    | 'note'
    | 'attempts'
    | 'last_attempt_at'
    | 'reason'
    | 'again_at'
    | 'claim'
    | 'executor_id'
    | 'claimed_at'
    | 'run_id'
    | 'ended_at'
  >
> & { status: TaskStatus };

/** Where a task goes from `status` to `status` nothing but its other columns changes. */
export async function setTask(
  write: Write,
  task: TaskRow,
  change: Change,
  ...events: NewEvent[]
): Promise<TaskRow> {
  if (change.status !== task.status && !canBecome(task.status, change.status))
    throw new Error(`Task ${task.id} is ${task.status} and cannot become ${change.status}.`);
  const row = await write.tx
    .updateTable('tasks')
    .set({ ...change, updated_at: sql<Date>`clock_timestamp()`, version: sql`version + 1` })
    .where('id', '=', task.id)
    .returningAll()
    .executeTakeFirstOrThrow();
  tell(write, task, events);
  return taskOf(row);
}

export interface Claimed {
  taskId: string;
  executorId: string;
  executor: string;
  runId: string | null;
}

/** Tasks that wait, many in one statement: each is at work under its next claim, which gets its row. In their order. */
export async function setClaimed(write: Write, tasks: readonly Claimed[], at: Date): Promise<TaskRow[]> {
  const { rows } = await sql<Selectable<Tasks>>`
    with given as (
      select * from unnest(${tasks.map(({ taskId }) => taskId)}::uuid[],
        ${tasks.map(({ executorId }) => executorId)}::uuid[], ${tasks.map(({ executor }) => executor)}::text[],
        ${tasks.map(({ runId }) => runId)}::uuid[]) with ordinality as given (task_id, executor_id, executor, run_id, n)
    ), claimed as (
      update tasks set status = 'in_progress', claim = claim + 1, executor_id = given.executor_id, claimed_at = ${at},
        run_id = given.run_id, reason = null, again_at = null, progress = 0, note = null, updated_at = now(),
        version = version + 1
      from given where id = task_id and status = 'pending' returning tasks.*
    ), noted as (
      insert into task_claims (task_id, claim, tenant_id, executor_id, executor, run_id, claimed_at)
      select id, claim, tenant_id, given.executor_id, given.executor, given.run_id, ${at}
      from claimed join given on task_id = id
    )
    select claimed.* from claimed join given on task_id = id order by n`.execute(write.tx);
  if (rows.length !== tasks.length) throw new Error('Of the tasks to be claimed one does not wait.');
  return rows.map(taskOf);
}

export function tell(
  write: Write,
  { id, tenant_id: tenantId }: Pick<TaskRow, 'id' | 'tenant_id'>,
  events: NewEvent[],
): void {
  if (events.length === 0) return;
  const end = events.some(({ type }) => type === 'task-end');
  write.append({
    tenantId,
    stream: streamOf('task', id),
    conversationId: null,
    events,
    ...(end && { end: true }),
  });
}

/** Ends it, and what that means for those that depend on it: their turn, or that they are skipped. */
export async function endTask(
  write: Write,
  task: TaskRow,
  status: 'completed' | 'failed' | 'cancelled' | 'skipped',
  reason: string | null,
  change: Omit<Change, 'status' | 'reason' | 'ended_at'> = {},
): Promise<TaskRow> {
  const ended = await setTask(
    write,
    task,
    { ...change, status, reason, again_at: null, ended_at: new Date() },
    { type: 'task-end', payload: { final: true, status, reason } },
  );
  if (status === 'completed') await readyDependants(write, ended);
  else await skipDependants(write, ended);
  return ended;
}

async function readyDependants(write: Write, { id, tenant_id: tenantId }: TaskRow): Promise<void> {
  const { rows } = await sql<{
    id: string;
  }>`update tasks set status = 'pending', reason = null, updated_at = now(),
      version = version + 1
    where tenant_id = ${tenantId} and status = 'blocked' and depends_on @> array[${id}]::uuid[] and not exists (
      select from tasks other where other.id = any(tasks.depends_on) and other.status <> 'completed'
    ) returning id`.execute(write.tx);
  for (const ready of rows)
    tell(write, { ...ready, tenant_id: tenantId }, [{ type: 'task-ready', payload: {} }]);
}

/** Level by level: what depends on a skipped one is skipped too. */
async function skipDependants(write: Write, { tenant_id: tenantId, ...first }: TaskRow): Promise<void> {
  let above: Pick<TaskRow, 'id' | 'title' | 'status'>[] = [first];
  while (above.length > 0) {
    const next: typeof above = [];
    for (const { id, title, status } of above) {
      const reason = `It depends on “${title}”, which ${ended[status]}.`;
      const { rows } = await sql<{ id: string; title: string }>`update tasks set status = 'skipped',
          reason = ${reason}, ended_at = now(), updated_at = now(), version = version + 1
        where tenant_id = ${tenantId} and status = 'blocked' and depends_on @> array[${id}]::uuid[]
        returning id, title`.execute(write.tx);
      for (const row of rows) {
        tell(write, { id: row.id, tenant_id: tenantId }, [
          { type: 'task-end', payload: { final: true, status: 'skipped', reason } },
        ]);
        next.push({ ...row, status: 'skipped' });
      }
    }
    above = next;
  }
}

const ended: Record<TaskStatus, string> = {
  blocked: 'waits',
  pending: 'waits',
  in_progress: 'is at work',
  completed: 'was completed',
  failed: 'failed',
  cancelled: 'was cancelled',
  skipped: 'was skipped',
};

/** Why one with this dependency is skipped at once; undefined: that can still be completed, or is. */
export function whySkipped({ title, status }: Pick<TaskRow, 'title' | 'status'>): string | undefined {
  return hasEnded(status) && status !== 'completed'
    ? `It depends on “${title}”, which ${ended[status]}.`
    : undefined;
}

const none = { executor_id: null, claimed_at: null };

/** Closes the claim that counts, if there is one. */
export async function endClaim(
  write: Write,
  task: TaskRow,
  outcome: ClaimOutcome,
  reason: string | null,
): Promise<void> {
  if (task.status !== 'in_progress') return;
  await write.tx
    .updateTable('task_claims')
    .set({ outcome, reason, ended_at: new Date() })
    .where('task_id', '=', task.id)
    .where('claim', '=', task.claim)
    .where('ended_at', 'is', null)
    .execute();
}

interface Why {
  reason: string;
  at: Date;
}

/** A real failure, with an executor or before one had it: it is tried again, or was the last attempt. */
export async function failAttempt(write: Write, task: TaskRow, { reason: why, at }: Why): Promise<TaskRow> {
  await endClaim(write, task, 'failed', why);
  const attempts = task.attempts + 1;
  const counted = { ...none, attempts, last_attempt_at: at };
  if (attempts >= task.retries) {
    tell(write, task, [{ type: 'task-error', payload: { attempt: attempts, reason: why, againAt: null } }]);
    return giveUp(write, task, `max retries exceeded: ${why}`, counted);
  }
  const again = new Date(at.getTime() + backOffMs(attempts));
  const reason = `Attempt ${attempts} failed: ${why}`;
  return setTask(
    write,
    task,
    { ...counted, status: 'pending', reason, again_at: again },
    { type: 'task-error', payload: { attempt: attempts, reason: why, againAt: again.toISOString() } },
  );
}

// As many as a task may have attempts: one that is to blame for it would go from one to the next for ever.
const mostLost = 20;

/** Its executor is lost, which is no attempt: it waits for another. */
export async function loseClaim(write: Write, task: TaskRow, { reason, at }: Why): Promise<TaskRow> {
  await endClaim(write, task, 'lost', reason);
  const { rows } = await sql`select from task_claims where task_id = ${task.id} and outcome = 'lost'`.execute(
    write.tx,
  );
  const change = { ...none, last_attempt_at: at };
  if (rows.length >= mostLost)
    return giveUp(write, task, `lost with ${rows.length} executors: ${reason}`, change);
  return setTask(
    write,
    task,
    { ...change, status: 'pending', reason },
    { type: 'task-release', payload: { claim: task.claim, reason } },
  );
}

/** It has failed for good, and is a dead letter. */
async function giveUp(
  write: Write,
  task: TaskRow,
  reason: string,
  change: Omit<Change, 'status' | 'reason' | 'ended_at'>,
): Promise<TaskRow> {
  const letter = {
    ...{ tenantId: task.tenant_id, taskId: task.id, reason: `Task “${task.title}”: ${reason}` },
    attempts: change.attempts ?? task.attempts,
  };
  tell(write, task, [await addTaskLetter(write, letter)]);
  return endTask(write, task, 'failed', reason, change);
}

/** It goes back among those that wait, and no attempt has failed. */
export async function releaseTask(
  write: Write,
  task: TaskRow,
  reason: string,
  again: Date | null = null,
): Promise<TaskRow> {
  await endClaim(write, task, 'released', reason);
  return setTask(
    write,
    task,
    { ...none, status: 'pending', reason, again_at: again },
    { type: 'task-release', payload: { claim: task.claim, reason } },
  );
}
