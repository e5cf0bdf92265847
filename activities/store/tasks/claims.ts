// Claims: who has a task, what they say of it, and what comes too late. Who writes one holds the dispatcher's lock.
import { sql } from 'kysely';
import { Failure, found } from '../../../workflows/contracts/failures.ts';
import { priorities } from '../../../workflows/contracts/run.ts';
import { type Candidate, route } from '../../../workflows/tasks/route.ts';
import { hasEnded } from '../../../workflows/tasks/transitions.ts';
import type { Queries } from '../db/database.ts';
import type { Write } from '../log/events.ts';
import { theAgent, toCandidate } from './registered.ts';
import { taskOf, type TaskRow } from './task-row.ts';
import { findTask } from './tasks.ts';
import { type Claimed, endClaim, endTask, failAttempt, setClaimed, setTask, tell } from './write-task.ts';

interface Claim {
  task: TaskRow;
  executor: Pick<Candidate, 'id' | 'name'>;
  /** Null: an agent's, which does it without a run of ours. */
  runId: string | null;
}

/** Gives each waiting task to an executor, under its next number. */
export async function claimTasks(write: Write, claims: readonly Claim[], at: Date): Promise<TaskRow[]> {
  const claimed = await setClaimed(write, claims.map(toClaimed), at);
  for (const { task, executor, runId } of claims)
    tell(write, task, [
      {
        type: 'task-claim',
        payload: { claim: task.claim + 1, executorId: executor.id, executor: executor.name, runId },
      },
    ]);
  return claimed;
}

function toClaimed({ task, executor, runId }: Claim): Claimed {
  return { taskId: task.id, executorId: executor.id, executor: executor.name, runId };
}

interface Pulling {
  tenantId: string;
  executorId: string;
}

/** An agent takes this task; refused where another has it, it waits for its next attempt, or the agent does not fit. */
export async function claimByAgent(
  write: Write,
  { tenantId, executorId }: Pulling,
  taskId: string,
): Promise<TaskRow> {
  const at = new Date();
  const agent = toCandidate(await theAgent(write, tenantId, executorId));
  const task = found(await findTask(write.tx, tenantId, taskId), `task ${taskId}`);
  if (task.status !== 'pending' || (task.again_at !== null && task.again_at > at)) {
    const why =
      task.status === 'pending' ? `waits until ${task.again_at?.toISOString()}` : `is ${task.status}`;
    throw new Failure('TaskNotOpen', `Task ${taskId} ${why}: it cannot be claimed now.`);
  }
  const routed = route(wantedBy(task), [agent]);
  if (!routed.executor) throw new Failure(routed.code, routed.words);
  return claimOne(write, task, agent, at);
}

async function claimOne(write: Write, task: TaskRow, executor: Candidate, at: Date): Promise<TaskRow> {
  const [claimed] = await claimTasks(write, [{ task, executor, runId: null }], at);
  return claimed ?? task;
}

/** An agent takes what comes first of what fits it; undefined: nothing does, or it has no room. */
export async function pullTask(
  write: Write,
  { tenantId, executorId }: Pulling,
): Promise<TaskRow | undefined> {
  const at = new Date();
  const agent = toCandidate(await theAgent(write, tenantId, executorId));
  if (agent.state === 'draining' || agent.load >= agent.places) return undefined;
  const [task] = await waitingTasks(write.tx, { tenantId, at, limit: 1, agent });
  return task && claimOne(write, task, agent, at);
}

export function wantedBy({ priority, labels, run }: TaskRow) {
  const { executor, workspace, container } = run;
  const atHome = executor === null || workspace != null || container != null;
  return { priority: priorities[priority] ?? ('normal' as const), labels, executor, atHome };
}

interface Waiting {
  tenantId: string;
  at: Date;
  limit: number;
  /** Only those that fit it: with no other labels, and that need no other. */
  agent?: Pick<Candidate, 'id' | 'name' | 'capabilities'>;
  after?: Pick<TaskRow, 'priority' | 'created_at' | 'id'> | undefined;
  /** Only of these. */
  ids?: readonly string[];
}

/** Whose time has come: by priority, then age, then id. */
export async function waitingTasks(
  queries: Queries,
  { tenantId, at, limit, agent, after, ids }: Waiting,
): Promise<TaskRow[]> {
  let query = queries
    .selectFrom('tasks')
    .selectAll()
    .where('tenant_id', '=', tenantId)
    .where('status', '=', 'pending')
    .where((eb) => eb.or([eb('again_at', 'is', null), eb('again_at', '<=', at)]))
    .orderBy('priority')
    .orderBy('created_at')
    .orderBy('id')
    .limit(limit);
  if (ids) query = query.where('id', '=', sql<string>`any(${[...ids]}::uuid[])`);
  if (agent)
    query = query.where(
      sql<boolean>`labels <@ ${[...agent.capabilities]}::text[]
        and coalesce(run->>'executor', ${agent.name}) in (${agent.name}, ${agent.id})`,
    );
  if (after)
    query = query.where(
      sql<boolean>`(priority, created_at, id) > (${after.priority}, ${after.created_at}, ${after.id})`,
    );
  return (await query.execute()).map(taskOf);
}

/** What an agent said of a claim: the task as it is now, and why that was refused. */
export interface Said {
  task: TaskRow;
  refused?: string;
}

interface Saying {
  tenantId: string;
  taskId: string;
  claim: number;
}

/** The task under the claim, or why what is said of it counts no more; that is noted with the claim. */
async function under(write: Write, { tenantId, taskId, claim }: Saying, what: string): Promise<Said> {
  const task = found(await findTask(write.tx, tenantId, taskId), `task ${taskId}`);
  if (task.status === 'in_progress' && task.claim === claim) return { task };
  const noted = await write.tx
    .updateTable('task_claims')
    .set({ late: what, late_at: new Date() })
    .where('task_id', '=', taskId)
    .where('claim', '=', claim)
    .executeTakeFirst();
  const known = noted.numUpdatedRows === 1n;
  // A stream that has ended takes no more; the claim says it.
  if (known && !hasEnded(task.status)) tell(write, task, [{ type: 'task-late', payload: { claim, what } }]);
  const how =
    task.status === 'in_progress' ? `another has it, by claim ${task.claim}` : `it is ${task.status}`;
  return { task, refused: `Claim ${claim} of task ${taskId} counts no more: ${how}. Stop working on it.` };
}

/** Its run alone says how it ended. */
function refuseOfRun({ id, run_id: runId }: TaskRow): void {
  if (runId !== null)
    throw new Failure(
      'TaskNotOpen',
      `Task ${id} is at work as run ${runId}, which says how it ends; cancel one of them.`,
    );
}

export async function progressTask(
  write: Write,
  saying: Saying,
  { progress, note }: { progress: number; note: string | undefined },
): Promise<Said> {
  const said = await under(write, saying, `progress of ${progress} %`);
  if (said.refused !== undefined) return said;
  const { task } = said;
  return {
    task: await setTask(
      write,
      task,
      { status: task.status, progress, ...(note !== undefined && { note }) },
      { type: 'task-progress', payload: { claim: task.claim, progress, note: note ?? null } },
    ),
  };
}

export async function completeTask(write: Write, saying: Saying, note: string | undefined): Promise<Said> {
  const said = await under(write, saying, 'its completion');
  if (said.refused !== undefined) return said;
  refuseOfRun(said.task);
  await endClaim(write, said.task, 'completed', note ?? null);
  const change = { progress: 100, last_attempt_at: new Date(), ...(note !== undefined && { note }) };
  return { task: await endTask(write, said.task, 'completed', null, change) };
}

export async function failTask(write: Write, saying: Saying, reason: string): Promise<Said> {
  const said = await under(write, saying, `its failure: ${reason}`);
  if (said.refused !== undefined) return said;
  refuseOfRun(said.task);
  return { task: await failAttempt(write, said.task, { reason, at: new Date() }) };
}
