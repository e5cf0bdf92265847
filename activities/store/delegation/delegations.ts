// Subagents: runs that another run has asked for by a call. Each reports once: the transaction that ends it sets its
// report down, and its parent takes that under its own lock, as the result of the call or as a message.
import { type Selectable, sql } from 'kysely';
import { v7 as uuid } from 'uuid';
import { type NewEvent, streamOf } from '../../../workflows/contracts/event.ts';
import { type DelegationView, usualWakeUpSeconds } from '../../../workflows/contracts/delegation.ts';
import type { RunStatus } from '../../../workflows/contracts/run.ts';
import { activeStatuses, isTerminal } from '../../../workflows/run/transitions.ts';
import type { Queries } from '../db/database.ts';
import type { Delegations } from '../db/tables.ts';
import type { Write } from '../log/events.ts';
import { addInput } from '../runs/inputs.ts';
import { lockRun, type RunRow, streamFor } from '../runs/runs.ts';

export type DelegationRow = Selectable<Delegations>;

/** The subagent that a call has asked for. */
export async function childOfCall(
  queries: Queries,
  parentId: string,
  callId: string,
): Promise<DelegationRow | undefined> {
  return queries
    .selectFrom('delegations')
    .selectAll()
    .where('parent_id', '=', parentId)
    .where('call_id', '=', callId)
    .executeTakeFirst();
}

/** What a subagent's own run is to the others of its tree; undefined for a main run. */
export async function placeInTree(
  queries: Queries,
  run: Pick<RunRow, 'id' | 'kind'>,
): Promise<DelegationRow | undefined> {
  if (run.kind === 'main') return undefined;
  return queries.selectFrom('delegations').selectAll().where('child_id', '=', run.id).executeTakeFirst();
}

/** What these runs are to those that asked for them, by their ids. */
export async function delegationsOf(
  queries: Queries,
  runs: readonly Pick<RunRow, 'id' | 'kind'>[],
): Promise<Map<string, DelegationView>> {
  const ids = runs.filter(({ kind }) => kind === 'subagent').map(({ id }) => id);
  if (ids.length === 0) return new Map();
  const rows = await queries.selectFrom('delegations').selectAll().where('child_id', 'in', ids).execute();
  return new Map(rows.map((row) => [row.child_id, toView(row)]));
}

function toView(row: DelegationRow): DelegationView {
  return {
    runId: row.parent_id,
    callId: row.call_id,
    rootId: row.root_id,
    name: row.name,
    depth: row.ancestors.length,
    async: row.async,
    state: row.state as DelegationView['state'],
  };
}

/** The runs of a run's subagents at all depths, in the order in which they were asked for. */
export async function listTree(queries: Queries, tenantId: string, runId: string): Promise<RunRow[]> {
  return queries
    .selectFrom('runs')
    .selectAll('runs')
    .innerJoin('delegations', 'delegations.child_id', 'runs.id')
    .where('delegations.tenant_id', '=', tenantId)
    .where(sql<boolean>`delegations.root_id = (
      select coalesce((select root_id from delegations where child_id = ${runId}), ${runId}::uuid)
    ) and ${runId}::uuid = any(delegations.ancestors)`)
    .orderBy('runs.id')
    .execute();
}

/** The subagents that a run has asked for, in the order in which it did. */
export async function childrenOf(queries: Queries, parentId: string): Promise<DelegationRow[]> {
  return queries
    .selectFrom('delegations')
    .selectAll()
    .where('parent_id', '=', parentId)
    .orderBy('child_id')
    .execute();
}

/**
 * Sets the report of a run down that has just ended, in its own transaction: for its parent, or where that has ended, for
 * the mailbox of the conversation. The lock of the conversation, which the caller holds, keeps the parent from ending
 * meanwhile. Returns whom to wake.
 */
export async function reportEnd(write: Write, child: RunRow): Promise<string[]> {
  const row = await write.tx
    .updateTable('delegations')
    .set({
      state: sql<string>`coalesce((select case
          when parent.status = any(${activeStatuses}::text[]) then 'reported'
          when delegations.async and parent.kind = 'main' and parent.status <> 'cancelled' then 'posted'
        end from runs parent where parent.id = delegations.parent_id), 'late')`,
      reported_at: new Date(),
    })
    .where('child_id', '=', child.id)
    .where('state', '=', 'working')
    .returningAll()
    .executeTakeFirst();
  if (row?.state === 'reported') return [row.parent_id];
  if (row?.state === 'late') noteLate(write, row);
  return [];
}

/** The stream of the parent has ended, or ends with this. */
function noteLate(write: Write, row: DelegationRow): void {
  write.tell({
    tenantId: row.tenant_id,
    source: streamOf('run', row.parent_id),
    events: [
      {
        type: 'late-write',
        payload: {
          runId: row.parent_id,
          unit: `call/${row.call_id}`,
          attempt: 0,
          what: `the report of the subagent ${row.name}, run ${row.child_id}`,
        },
      },
    ],
  });
}

/**
 * What the end of a run means for its subagents. Those that a main run does not wait for go on and their reports stay in
 * the mailbox, unless it was cancelled. All others that are at work are told to stop, from it down, and what they have
 * reported and it was not told yet is late. The caller holds the locks of the conversation and of the run. Returns whom
 * to wake.
 */
export async function leaveChildren(write: Write, ended: RunRow): Promise<string[]> {
  const staying = ended.kind === 'main' && ended.status !== 'cancelled';
  const untold = await write.tx
    .updateTable('delegations')
    .set({ state: sql<string>`case when async and ${staying} then 'posted' else 'late' end` })
    .where('parent_id', '=', ended.id)
    .where('state', '=', 'reported')
    .returningAll()
    .execute();
  for (const row of untold) if (row.state === 'late') noteLate(write, row);
  const working = await write.tx
    .selectFrom('delegations')
    .select(['child_id', 'async'])
    .where('parent_id', '=', ended.id)
    .where('state', '=', 'working')
    .orderBy('child_id')
    .execute();
  const stopped = working.filter(({ async }) => !(async && staying));
  if (stopped.length < working.length) await expectReports(write, ended);
  const kind = ended.status === 'cancelled' ? 'cancel' : 'interrupt';
  for (const { child_id } of stopped) {
    const child = await lockRun(write, ended.tenant_id, child_id);
    if (!child || isTerminal(child.status as RunStatus)) continue;
    await addInput(write, child, { kind, messageId: uuid(), text: '', by: `the end of run ${ended.id}` });
  }
  return stopped.map(({ child_id }) => child_id);
}

/** From now on the conversation waits for them; what it waits for already keeps its time, unless that is over. */
async function expectReports(write: Write, { conversation_id: id }: RunRow): Promise<void> {
  await sql`update conversations
    set wake_at = case when wake_at > now() then wake_at
      else now() + make_interval(secs => coalesce(wake_up_seconds, ${usualWakeUpSeconds})) end
    where id = ${id} and wake_up = 'auto'`.execute(write.tx);
}

/** A run waits for its subagents, or does not any more; the caller holds its lock. */
export async function setWaiting(write: Write, run: RunRow, waits: boolean): Promise<void> {
  const [from, to]: RunStatus[] = waits ? ['running', 'waiting_workers'] : ['waiting_workers', 'running'];
  if (run.status !== from || to === undefined) return;
  run.status = to;
  await write.tx.updateTable('runs').set({ status: to }).where('id', '=', run.id).execute();
}

export function startOf(row: DelegationRow): NewEvent {
  return {
    type: 'delegation-start',
    payload: { callId: row.call_id, runId: row.child_id, name: row.name, async: row.async },
  };
}

/**
 * Questions of subagents at any depth that this main run's stream has not told of; those who watch the run are to
 * answer them. The caller holds its lock.
 */
export async function surfaceQuestions(write: Write, root: RunRow): Promise<void> {
  const { rows } = await sql<{
    id: string;
    runId: string;
    name: string;
    text: string;
    deadlineAt: Date;
  }>`
    with asked as (
      select approvals.id, name from approvals join delegations on run_id = child_id
      where root_id = ${root.id} and approvals.status = 'open' and not surfaced
      -- What is being answered right now is not waited for: its subagent's lock comes after this run's.
      for no key update of approvals skip locked
    )
    update approvals set surfaced = true from asked where approvals.id = asked.id
    returning approvals.id, run_id as "runId", name, text, deadline_at as "deadlineAt"`.execute(write.tx);
  if (rows.length === 0) return;
  write.append({
    ...streamFor(root),
    events: rows.map(({ id, runId, name, text, deadlineAt }) => ({
      type: 'delegation-approval',
      payload: {
        runId,
        name,
        approvalId: id,
        text: text.slice(0, 4000),
        deadlineAt: deadlineAt.toISOString(),
      },
    })),
  });
}
