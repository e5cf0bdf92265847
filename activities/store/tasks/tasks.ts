// Tasks: read, made, changed and cancelled. Who writes one holds the dispatcher's lock.
import { type Selectable, sql } from 'kysely';
import { v7 as uuid } from 'uuid';
import { Failure, found } from '../../../workflows/contracts/failures.ts';
import { priorities, type Priority, type RunStatus } from '../../../workflows/contracts/run.ts';
import type { TaskCountsView, TaskRun, TaskStatus } from '../../../workflows/contracts/task.ts';
import { isTerminal } from '../../../workflows/run/transitions.ts';
import { hasEnded } from '../../../workflows/tasks/transitions.ts';
import type { Db, Queries } from '../db/database.ts';
import type { Tasks } from '../db/tables.ts';
import { type EndedRun, endUnstarted } from '../lifecycle/end-run.ts';
import type { Write } from '../log/events.ts';
import { addInput } from '../runs/inputs.ts';
import { lockRunAndConversation } from '../runs/runs.ts';
import { type ClaimRow, taskOf, type TaskRow } from './task-row.ts';
import { endClaim, endTask, setTask, tell, whySkipped } from './write-task.ts';

/** Whose change it is. */
export interface TaskAuthor {
  tenantId: string;
  by: string;
}

/** What people say of a task. */
export interface TaskFields {
  title: string;
  prompt: string;
  priority: Priority;
  labels: string[];
  files: string[];
  acceptance: string[];
  dependsOn: string[];
  retries: number;
}

export async function findTask(queries: Queries, tenantId: string, id: string): Promise<TaskRow | undefined> {
  const row = await queries
    .selectFrom('tasks')
    .selectAll()
    .where('id', '=', id)
    .where('tenant_id', '=', tenantId)
    .executeTakeFirst();
  return row && taskOf(row);
}

export async function listClaims(queries: Queries, taskId: string): Promise<ClaimRow[]> {
  return queries
    .selectFrom('task_claims')
    .selectAll()
    .where('task_id', '=', taskId)
    .orderBy('claim')
    .execute();
}

export interface TaskList {
  tenantId: string;
  limit: number;
  before?: string;
  status?: TaskStatus;
  priority?: Priority;
  label?: string;
  project?: string;
  executorId?: string;
}

/** Newest first. */
export async function listTasks(db: Db, list: TaskList): Promise<TaskRow[]> {
  const { tenantId, limit, before, status, priority, label, project, executorId } = list;
  let query = db
    .selectFrom('tasks')
    .selectAll()
    .where('tenant_id', '=', tenantId)
    .orderBy('id', 'desc')
    .limit(limit);
  if (before !== undefined) query = query.where('id', '<', before);
  if (status !== undefined) query = query.where('status', '=', status);
  if (priority !== undefined) query = query.where('priority', '=', priorities.indexOf(priority));
  if (label !== undefined) query = query.where(sql<boolean>`labels @> array[${label}]`);
  if (project !== undefined) query = query.where(sql<boolean>`run->'project'->>'path' = ${project}`);
  if (executorId !== undefined)
    query = query.where('executor_id', '=', executorId).where('status', '=', 'in_progress');
  return (await query.execute()).map(taskOf);
}

/** `letter`: the dead letter of a task for which this is tried again. */
export async function insertTask(
  write: Write,
  fields: TaskFields,
  run: TaskRun,
  { tenantId, by }: TaskAuthor,
  letter: string | null = null,
): Promise<TaskRow> {
  const dependsOn = [...new Set(fields.dependsOn)];
  const above = await dependedOn(write, tenantId, dependsOn);
  const skipped = above.map(whySkipped).find((why) => why !== undefined);
  const status = above.every((each) => each.status === 'completed') ? 'pending' : 'blocked';
  const row = await write.tx
    .insertInto('tasks')
    .values({
      ...toColumns({ ...fields, dependsOn }),
      id: uuid(),
      tenant_id: tenantId,
      run: JSON.stringify(run),
      status,
      created_by: by,
      retries_letter: letter,
    })
    .returningAll()
    .executeTakeFirstOrThrow();
  const task = taskOf(row);
  const { title, priority, labels } = fields;
  tell(write, task, [{ type: 'task-start', payload: { title, status, priority, labels, dependsOn, by } }]);
  return skipped === undefined ? task : endTask(write, task, 'skipped', skipped);
}

type Columns = Pick<
  Selectable<Tasks>,
  'title' | 'prompt' | 'priority' | 'labels' | 'files' | 'acceptance' | 'depends_on' | 'retries'
>;

function toColumns(fields: TaskFields): Columns {
  const { dependsOn, priority, title, prompt, labels, files, acceptance, retries } = fields;
  const said = { title, prompt, labels: [...new Set(labels)], files, acceptance, retries };
  return { ...said, depends_on: dependsOn, priority: priorities.indexOf(priority) };
}

function toFields(row: TaskRow): TaskFields {
  const { title, prompt, labels, files, acceptance, retries } = row;
  const priority = priorities[row.priority] ?? 'normal';
  return { title, prompt, labels, files, acceptance, retries, dependsOn: row.depends_on, priority };
}

async function dependedOn(write: Write, tenantId: string, ids: readonly string[]): Promise<TaskRow[]> {
  if (ids.length === 0) return [];
  const rows = await write.tx
    .selectFrom('tasks')
    .selectAll()
    .where('tenant_id', '=', tenantId)
    .where('id', 'in', ids)
    .execute();
  const missing = ids.find((id) => !rows.some((row) => row.id === id));
  if (missing !== undefined) {
    const problem = `There is no task ${missing} to depend on.`;
    throw new Failure('InvalidInput', problem, { fields: [{ path: 'dependsOn', problem }] });
  }
  return rows.map(taskOf);
}

/** In the version that was seen; one that an executor has, or that has ended, stays as it is. */
export async function changeTask(
  write: Write,
  id: string,
  version: number,
  change: Partial<TaskFields>,
  { tenantId, by }: TaskAuthor,
): Promise<TaskRow> {
  const task = found(await findTask(write.tx, tenantId, id), `task ${id}`);
  if (task.version !== version) {
    const detail = `Task ${id} is at version ${task.version} by now; look at that and send the change again.`;
    throw new Failure('VersionStale', detail, { version: task.version });
  }
  if (task.status !== 'pending' && task.status !== 'blocked')
    throw new Failure('TaskNotOpen', `Task ${id} is ${task.status}; only one that waits is changed.`);
  const fields = { ...toFields(task), ...change };
  const dependsOn = [...new Set(fields.dependsOn)];
  const above = await dependedOn(write, tenantId, dependsOn);
  if (change.dependsOn) await refuseCycle(write, id, dependsOn);
  const changed = await write.tx
    .updateTable('tasks')
    .set({ ...toColumns({ ...fields, dependsOn }), updated_at: new Date() })
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirstOrThrow();
  const said = Object.keys(change);
  tell(write, task, [{ type: 'task-change', payload: { fields: said, version: version + 1, by } }]);
  const skipped = above.map(whySkipped).find((why) => why !== undefined);
  if (skipped !== undefined) return endTask(write, taskOf(changed), 'skipped', skipped);
  const status = above.every((each) => each.status === 'completed') ? 'pending' : 'blocked';
  // What it waited for may be so no more.
  return setTask(write, taskOf(changed), { status, reason: task.again_at === null ? null : task.reason });
}

async function refuseCycle({ tx }: Write, id: string, dependsOn: readonly string[]): Promise<void> {
  const { rows } = await sql<{ title: string }>`with recursive above (id, depends_on, title) as (
      select id, depends_on, title from tasks where id = any(${dependsOn}::uuid[])
      union select tasks.id, tasks.depends_on, tasks.title from above join tasks on tasks.id = any(above.depends_on)
    ) select title from above where depends_on @> array[${id}]::uuid[] or id = ${id} limit 1`.execute(tx);
  const [through] = rows;
  if (!through) return;
  const problem = `These would depend on each other: “${through.title}” depends on this task already.`;
  throw new Failure('InvalidInput', problem, { fields: [{ path: 'dependsOn', problem }] });
}

/** A run that was told to stop: it is to be woken, unless it ended at once. */
export interface StoppedRun {
  runId: string;
  ended: EndedRun | undefined;
}

/** Its run, if it has one, is cancelled too; an agent that has it hears of it with what it says next. */
export async function cancelTask(
  write: Write,
  id: string,
  { tenantId, by }: TaskAuthor,
  messageId: string,
): Promise<{ task: TaskRow; stopped: StoppedRun | undefined }> {
  const task = found(await findTask(write.tx, tenantId, id), `task ${id}`);
  if (task.status === 'cancelled') return { task, stopped: undefined };
  if (hasEnded(task.status))
    throw new Failure('TaskNotOpen', `Task ${id} has ended as ${task.status}; there is nothing to cancel.`);
  const atWork = task.status === 'in_progress' && task.run_id;
  // Before the task is written: what deletes the run has its lock when it comes to the task.
  const run = atWork ? await lockRunAndConversation(write, tenantId, atWork) : undefined;
  const reason = `Cancelled by ${by}.`;
  await endClaim(write, task, 'cancelled', reason);
  const cancelled = await endTask(write, task, 'cancelled', reason);
  if (!run || isTerminal(run.status as RunStatus)) return { task: cancelled, stopped: undefined };
  await addInput(write, run, { kind: 'cancel', messageId, text: '', by });
  return { task: cancelled, stopped: { runId: run.id, ended: await endUnstarted(write, run, 'cancel') } };
}

/**
 * As the failed one was, to be tried from its beginning; what depended on that stays skipped. All it depends on was
 * completed, and may have been deleted since.
 */
export async function repeatTask(
  write: Write,
  id: string,
  author: TaskAuthor,
  letter: string,
): Promise<TaskRow> {
  const task = found(await findTask(write.tx, author.tenantId, id), `task ${id}`);
  const { rows } = await sql<{ id: string }>`select id from tasks
    where id = any(${task.depends_on}::uuid[]) and tenant_id = ${author.tenantId}`.execute(write.tx);
  const left = new Set(rows.map(({ id }) => id));
  const dependsOn = task.depends_on.filter((each) => left.has(each));
  return insertTask(write, { ...toFields(task), dependsOn }, task.run, author, letter);
}

export async function countTasks(db: Db, tenantId: string): Promise<TaskCountsView> {
  const { rows } = await sql<TaskCountsView>`select count(*) filter (where status = 'pending') as pending,
      count(*) filter (where status = 'blocked') as blocked,
      count(*) filter (where status = 'in_progress') as "inProgress"
    from tasks where tenant_id = ${tenantId} and ended_at is null`.execute(db);
  return rows[0] ?? { pending: 0, blocked: 0, inProgress: 0 };
}
