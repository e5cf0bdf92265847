// Runs: reading them, locking them in the one lock order, and the view people get. Accepting and ending a run
// have files of their own.
import { type ExpressionBuilder, type Selectable, sql } from 'kysely';
import { streamOf } from '../../../workflows/contracts/event.ts';
import {
  type AskedMode,
  type OverBudget,
  type Priority,
  priorities,
  type RunStatus,
  type RunView,
} from '../../../workflows/contracts/run.ts';
import type { ContainerRef } from '../../../workflows/contracts/container.ts';
import type { HomecomingView } from '../../../workflows/contracts/checkpoint.ts';
import type { DelegationView } from '../../../workflows/contracts/delegation.ts';
import type { ExternalTool } from '../../../workflows/contracts/external-tool.ts';
import { activeStatuses } from '../../../workflows/run/transitions.ts';
import type { Db, Queries } from '../db/database.ts';
import { executorViewOf } from './on-executor.ts';
import { presetViewOf } from './preset-of-run.ts';
import { workspaceOf } from './workspace-of-run.ts';
import { Superseded, type Write } from '../log/events.ts';
import type { DB, Inputs, Runs } from '../db/tables.ts';

export type RunRow = Selectable<Runs>;

/** Where the events of a run go. */
export function streamFor(run: Pick<RunRow, 'id' | 'tenant_id' | 'conversation_id'>): {
  tenantId: string;
  stream: string;
  conversationId: string;
} {
  return { tenantId: run.tenant_id, stream: streamOf('run', run.id), conversationId: run.conversation_id };
}

export async function findRun(db: Queries, tenantId: string, id: string): Promise<RunRow | undefined> {
  return db
    .selectFrom('runs')
    .selectAll()
    .where('id', '=', id)
    .where('tenant_id', '=', tenantId)
    .executeTakeFirst();
}

/** What was sent into a run and waits for it. */
export type WaitingInput = Pick<Selectable<Inputs>, 'id' | 'kind' | 'message_id' | 'text'>;

/**
 * With what waits for it, in the order it came, and the attempts that hold its fences: all of it changes only under this
 * lock.
 */
export type LockedRun = RunRow & { waiting: WaitingInput[]; fences: Record<string, number> };

/**
 * Locks the run: all that a run at work needs. The lock order everywhere: pools by id, conversation, runs from root to
 * leaf; the heads of streams and conversations come last, with the appends.
 */
export function lockRun(write: Write, tenantId: string, id: string): Promise<LockedRun | undefined> {
  return lock(write, tenantId, id, false);
}

/** Locks its conversation first: for what may end the run, promote the next, or accept another. */
export function lockRunAndConversation(
  write: Write,
  tenantId: string,
  id: string,
): Promise<LockedRun | undefined> {
  return lock(write, tenantId, id, true);
}

async function lock(
  { tx }: Write,
  tenantId: string,
  id: string,
  conversation: boolean,
): Promise<LockedRun | undefined> {
  const { rows } = await sql<LockedRun>`select (locked.run).*, locked.waiting, locked.fences
    from lock_run(${tenantId}, ${id}, ${conversation}) locked`.execute(tx);
  return rows[0];
}

/** The run of an attempt. A run that was deleted had ended: a worker still at it comes too late. */
export function requireRun<Row>(run: Row | undefined, id: string): Row {
  if (run === undefined) throw new Superseded(`There is no run ${id} any more.`);
  return run;
}

export interface RunList {
  tenantId: string;
  limit: number;
  /** The id of the last run of the page before; ids are ordered by time. */
  before?: string;
  status?: RunStatus;
  conversationId?: string;
  active?: boolean;
  /** The path of its project. */
  project?: string;
  /** Also runs that other runs have asked for. */
  subagents?: boolean;
}

/** Newest first. */
export async function listRuns(db: Db, list: RunList): Promise<RunRow[]> {
  let query = db
    .selectFrom('runs')
    .selectAll()
    .where('tenant_id', '=', list.tenantId)
    .orderBy('id', 'desc')
    .limit(list.limit);
  if (!list.subagents) query = query.where('kind', '=', 'main');
  if (list.before) query = query.where('id', '<', list.before);
  if (list.status) query = query.where('status', '=', list.status);
  if (list.conversationId) query = query.where('conversation_id', '=', list.conversationId);
  if (list.project) query = query.where('project_path', '=', list.project);
  if (list.active === true) query = query.where('status', 'in', activeStatuses);
  if (list.active === false) query = query.where('status', 'not in', activeStatuses);
  return query.execute();
}

/** The main run a conversation is busy with; parked ones wait behind it. */
export async function activeRunOf(
  db: Queries,
  tenantId: string,
  conversationId: string,
): Promise<RunRow | undefined> {
  return db
    .selectFrom('runs')
    .selectAll()
    .where('conversation_id', '=', conversationId)
    .where('tenant_id', '=', tenantId)
    .where('kind', '=', 'main')
    .where('parked', '=', false)
    .where('status', 'in', activeStatuses)
    .executeTakeFirst();
}

/**
 * The main run that was accepted last, whatever became of it: what it was told stands for the next. Ids are made under
 * the conversation's lock and are ordered by time, so they are in the order of acceptance.
 */
export async function latestRunOf(
  queries: Queries,
  tenantId: string,
  conversationId: string,
): Promise<RunRow | undefined> {
  return queries
    .selectFrom('runs')
    .selectAll()
    .where('conversation_id', '=', conversationId)
    .where('tenant_id', '=', tenantId)
    .where('kind', '=', 'main')
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirst();
}

/**
 * The run that the next one of a conversation goes on from: the main run that ended last with a snapshot, never a failed
 * or cancelled one, never a subagent's; or an earlier one that a message went on from since.
 */
export async function parentFor(
  queries: Queries,
  tenantId: string,
  conversationId: string,
): Promise<string | null> {
  const row = await queries
    .selectFrom('conversations')
    .select('head_run_id')
    .where('id', '=', conversationId)
    .where('tenant_id', '=', tenantId)
    .executeTakeFirst();
  return row?.head_run_id ?? null;
}

/**
 * Accepted runs that no workflow has begun for a while, oldest first: starting their workflow once more cannot hurt.
 * Some wait for a worker to have room for them; those that wait for a place are not to be started yet.
 */
export async function listUnstarted(
  db: Db,
  olderThanMs: number,
  limit: number,
  afterId?: string,
): Promise<RunRow[]> {
  let query = db
    .selectFrom('runs')
    .selectAll()
    .where('status', 'in', activeStatuses)
    .where('parked', '=', false)
    .where('execution_id', 'is', null)
    .where('created_at', '<', new Date(Date.now() - olderThanMs))
    .where(hasPlace)
    .orderBy('id')
    .limit(limit);
  if (afterId) query = query.where('id', '>', afterId);
  return query.execute();
}

/** Whether a run may be started: it waits for no place. */
function hasPlace({ not, exists, selectFrom }: ExpressionBuilder<DB, 'runs'>) {
  return not(
    exists(
      selectFrom('allowance_runs')
        .select('run_id')
        .whereRef('run_id', '=', 'runs.id')
        .where('state', '=', 'waiting'),
    ),
  );
}

/** Runs that were told to stop or were answered and have not heard of it: their workflow is woken again. */
export async function listUndrained(db: Db, olderThanMs: number, limit: number): Promise<{ id: string }[]> {
  const before = new Date(Date.now() - olderThanMs);
  return (
    db
      .selectFrom('inputs')
      .innerJoin('runs', 'runs.id', 'inputs.run_id')
      .select('runs.id')
      .distinct()
      .where('inputs.status', '=', 'accepted')
      // Only stops: steers and settlements are read at the next model call, however often the workflow is woken.
      .where('inputs.kind', 'in', ['interrupt', 'cancel'])
      .where('inputs.created_at', '<', before)
      // One that no worker had room for yet has not begun, and is to hear of it all the same.
      .where('runs.parked', '=', false)
      .where('runs.status', 'in', activeStatuses)
      .union(
        db
          .selectFrom('approvals')
          .innerJoin('runs', 'runs.id', 'approvals.run_id')
          .select('runs.id')
          .where('approvals.status', '<>', 'open')
          .where('approvals.delivered', '=', false)
          .where('approvals.decided_at', '<', before)
          .where('runs.execution_id', 'is not', null)
          .where('runs.status', 'in', activeStatuses),
      )
      .union(
        // Of subagents: a report that the run waits for.
        db
          .selectFrom('delegations')
          .innerJoin('runs', 'runs.id', 'delegations.parent_id')
          .select('runs.id')
          .where('delegations.state', '=', 'reported')
          .where('delegations.reported_at', '<', before)
          .where((eb) => eb.or([eb('async', '=', false), eb('runs.status', '=', 'waiting_workers')]))
          .where('runs.execution_id', 'is not', null)
          .where('runs.status', 'in', activeStatuses),
      )
      .union(
        // And a question that its stream has not told of.
        db
          .selectFrom('approvals')
          .innerJoin('delegations', 'delegations.child_id', 'approvals.run_id')
          .innerJoin('runs', 'runs.id', 'delegations.root_id')
          .select('runs.id')
          .where('approvals.status', '=', 'open')
          .where('approvals.surfaced', '=', false)
          .where('approvals.created_at', '<', before)
          .where('runs.execution_id', 'is not', null)
          .where('runs.status', 'in', activeStatuses),
      )
      .limit(limit)
      .execute()
  );
}

/** Runs whose workflows should exist, begun or not, oldest first; not of those that wait for a place. */
export async function listActive(db: Db, limit: number, afterId?: string): Promise<RunRow[]> {
  let query = db
    .selectFrom('runs')
    .selectAll()
    .where('status', 'in', activeStatuses)
    .where('parked', '=', false)
    .where(hasPlace)
    .orderBy('id')
    .limit(limit);
  if (afterId) query = query.where('id', '>', afterId);
  return query.execute();
}

/** Which of these runs have ended. */
export async function endedAmong(db: Db, runIds: string[]): Promise<string[]> {
  if (runIds.length === 0) return [];
  const rows = await db
    .selectFrom('runs')
    .select('id')
    .where('id', 'in', runIds)
    .where('ended_at', 'is not', null)
    .execute();
  return rows.map((row) => row.id);
}

/** The kind of its sandbox, as a request asks for it. */
export function askedMode(run: Pick<RunRow, 'brings_home' | 'exec_mode'>): AskedMode {
  return run.brings_home ? 'hybrid' : (run.exec_mode as AskedMode);
}

export function priorityOf(value: number): Priority {
  return priorities[value] ?? 'normal';
}

/** Where its request does not say, a run asks people when it is attended, else it fails. */
export function overBudgetOf({
  over_budget,
  attended,
}: Pick<RunRow, 'over_budget' | 'attended'>): OverBudget {
  return (over_budget as OverBudget | null) ?? (attended ? 'pause' : 'fail');
}

/** Of the money of a run, what its row does not hold. */
export type RunMoney = Pick<RunView, 'ceilingCostMicros' | 'heldCostMicros'>;

export function toRunView(
  row: RunRow,
  { ceilingCostMicros, heldCostMicros }: RunMoney,
  delegation: DelegationView | null,
  homecoming: HomecomingView | null,
): RunView {
  return {
    id: row.id,
    conversationId: row.conversation_id,
    kind: row.kind as RunView['kind'],
    parentId: row.parent_id,
    alternativeOf: row.alternative_of,
    delegation,
    subagents: row.children,
    status: row.status as RunStatus,
    parked: row.parked,
    stuck: row.stuck,
    reason: row.reason as RunView['reason'],
    reasonText: row.reason_text,
    prompt: row.prompt,
    model: row.model,
    policy: row.policy,
    priority: priorityOf(row.priority),
    project: row.project_path === null ? null : { path: row.project_path },
    limits: row.limits as RunView['limits'],
    metadata: row.metadata as RunView['metadata'],
    attended: row.attended,
    overBudget: overBudgetOf(row),
    execMode: askedMode(row),
    container: row.container as ContainerRef | null,
    workTree: row.work_tree as RunView['workTree'],
    homecoming,
    owner: row.owner,
    ...{ workspace: workspaceOf(row), executor: executorViewOf(row), preset: presetViewOf(row) },
    externalTools: (row.external_tools as unknown as ExternalTool[]).map(({ name }) => name),
    sources: row.sources as RunView['sources'],
    acceptNoContainment: row.accept_no_containment,
    deniedCalls: row.denied_calls as RunView['deniedCalls'],
    steps: row.steps,
    usage: {
      inputTokens: row.input_tokens,
      cachedInputTokens: row.cached_input_tokens,
      outputTokens: row.output_tokens,
    },
    costMicros: row.cost_micros,
    ceilingCostMicros,
    heldCostMicros,
    createdAt: row.created_at.toISOString(),
    startedAt: row.started_at?.toISOString() ?? null,
    endedAt: row.ended_at?.toISOString() ?? null,
    finalMessage: row.final_message,
  };
}
