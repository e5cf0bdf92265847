// Deletes finished runs with everything that is theirs, for good. What others descend from stays, audit and ledger stay,
// and so does how far the conversation has come: its readers are told what they cannot have any more.
import { sql, type Transaction } from 'kysely';
import { streamOf } from '../../../workflows/contracts/event.ts';
import type { RunStatus } from '../../../workflows/contracts/run.ts';
import { isTerminal, snapshotStatuses } from '../../../workflows/run/transitions.ts';
import type { Queries } from '../db/database.ts';
import type { DB } from '../db/tables.ts';
import { dropMemory } from '../presets/memory.ts';
import type { RunRow } from '../runs/runs.ts';
import { raiseFloors } from './fold-events.ts';
import { forgetTold } from './forget-told.ts';
import type { Amount, Sweep } from './sweep.ts';
import { isUntold } from './untold.ts';

export interface Deleted {
  runs: number;
  /** The conversation that went with its last run. */
  conversationId: string | null;
  events: number;
  messages: number;
  calls: number;
  approvals: number;
  bytes: number;
}

/** Runs outside of these that have one of them as their parent: at most `most` of them, the oldest first. */
export async function descendantsOf(
  queries: Queries,
  runIds: readonly string[],
  most: number,
): Promise<string[]> {
  const rows = await queries
    .selectFrom('runs')
    .select('id')
    .where('parent_id', 'in', runIds)
    .where('id', 'not in', runIds)
    .orderBy('id')
    .limit(most)
    .execute();
  return rows.map(({ id }) => id);
}

/** The run above a subagent that is still at work and may yet have to be told what became of it. */
export async function activeAbove(queries: Queries, runId: string): Promise<string | undefined> {
  const above = await queries
    .selectFrom('delegations')
    .innerJoin('runs', (join) => join.on(sql<boolean>`runs.id = any(delegations.ancestors)`))
    .select('runs.id')
    .where('delegations.child_id', '=', runId)
    .where('runs.ended_at', 'is', null)
    .orderBy('runs.id')
    .limit(1)
    .executeTakeFirst();
  return above?.id;
}

/** A task that is at work by one of these runs: it takes note of how that has ended, and would begin anew without it. */
export async function taskBy(
  queries: Queries,
  runIds: readonly string[],
): Promise<{ id: string; run_id: string | null } | undefined> {
  return queries
    .selectFrom('tasks')
    .select(['id', 'run_id'])
    .where('run_id', 'in', runIds)
    .where('status', '=', 'in_progress')
    .limit(1)
    .executeTakeFirst();
}

/** A subagent at work below a run, whose report waits for the next run of the conversation. */
export async function activeBelow(
  queries: Queries,
  { id, conversation_id: conversationId }: Pick<RunRow, 'id' | 'conversation_id'>,
): Promise<string | undefined> {
  const below = await queries
    .selectFrom('delegations')
    .select('child_id')
    .where('conversation_id', '=', conversationId)
    .where('state', '=', 'working')
    .where(sql<boolean>`${id}::uuid = any(ancestors)`)
    .orderBy('child_id')
    .limit(1)
    .executeTakeFirst();
  return below?.child_id;
}

/** All runs of a conversation, locked when the caller holds the lock of the conversation. */
export async function runsOf(
  queries: Queries,
  tenantId: string,
  conversationId: string,
  locked = true,
): Promise<{ id: string; active: boolean; rewinding: boolean }[]> {
  const query = queries
    .selectFrom('runs')
    .select(['id', 'status', 'rewind_id'])
    .where('conversation_id', '=', conversationId)
    .where('tenant_id', '=', tenantId)
    .orderBy('id');
  const rows = await (locked ? query.forUpdate() : query).execute();
  return rows.map(({ id, status, rewind_id: rewind }) => ({
    id,
    active: !isTerminal(status as RunStatus),
    rewinding: rewind !== null,
  }));
}

// In the order of their references.
const rowsOfRuns = [
  'checkpoints',
  'rewinds',
  'allowance_waits',
  'allowance_untold',
  'allowance_places',
  'allowance_runs',
  'dead_letters',
  'inputs',
  'model_calls',
  'attempts',
] as const;

/**
 * Finished runs of one conversation, which the caller has locked with them: none is active, being
 * rewound or a subagent of one that is active, no task is at work by them, nothing descends from them, and their
 * accounts are closed.
 */
export async function deleteRuns(
  tx: Transaction<DB>,
  { tenantId, conversationId, runIds }: { tenantId: string; conversationId: string; runIds: string[] },
): Promise<Deleted> {
  const streams = runIds.map((id) => streamOf('run', id));
  const bytesOf = async (table: 'events' | 'messages' | 'calls' | 'approvals') => {
    const mine = table === 'events' ? sql`stream = any(${streams})` : sql`run_id = any(${runIds}::uuid[])`;
    const { rows } = await sql<{ bytes: number; count: number; seq: number | null }>`
      with gone as (delete from ${sql.table(table)} gone where ${mine} returning pg_column_size(gone.*) as bytes
        ${table === 'events' ? sql`, conversation_seq` : sql`, null::bigint as conversation_seq`})
      select coalesce(sum(bytes), 0)::bigint as bytes, count(*) as count, max(conversation_seq) as seq from gone`.execute(
      tx,
    );
    return rows[0] ?? { bytes: 0, count: 0, seq: null };
  };
  // The ledger's entries stay: that they were charged at a ceiling is known of their calls alone.
  await sql`update allowance_entries entry set estimated = true from model_calls booked
    where entry.run_id = any(${runIds}::uuid[]) and entry.kind = 'settle' and not booked.priced
      and booked.run_id = entry.run_id and booked.step = entry.step and booked.attempt = entry.attempt`.execute(
    tx,
  );
  for (const table of rowsOfRuns) await tx.deleteFrom(table).where('run_id', 'in', runIds).execute();
  const approvals = await bytesOf('approvals');
  const calls = await bytesOf('calls');
  const messages = await bytesOf('messages');
  const events = await bytesOf('events');
  const told = await forgetTold(tx, tenantId, streams);
  await tx.deleteFrom('remembered_answers').where('scope', '=', 'run').where('key', 'in', runIds).execute();
  await moveHeadBack(tx, conversationId, runIds);
  await tx.deleteFrom('runs').where('id', 'in', runIds).execute();
  await tx.deleteFrom('stream_heads').where('stream', 'in', streams).execute();
  const gone = await deleteEmpty(tx, tenantId, conversationId);
  if (!gone) await forgetForeignHead(tx, conversationId);
  if (!gone && events.seq !== null)
    await raiseFloors(tx, [
      { stream: streams[0] ?? '', seq: 0, conversation_id: conversationId, conversation_seq: events.seq },
    ]);
  return {
    runs: runIds.length,
    conversationId: gone ? conversationId : null,
    events: events.count,
    messages: messages.count,
    calls: calls.count,
    approvals: approvals.count,
    bytes: events.bytes + messages.bytes + calls.bytes + approvals.bytes + told,
  };
}

/** A conversation whose head goes goes on from the run before that, or from the one of what is left that ended last. */
async function moveHeadBack(tx: Queries, conversationId: string, runIds: readonly string[]): Promise<void> {
  await sql`update conversations set head_run_id = coalesce(
      (select parent_id from runs where id = head_run_id and parent_id <> all(${runIds}::uuid[])),
      (select id from runs where conversation_id = ${conversationId} and kind = 'main'
        and status = any(${snapshotStatuses}::text[]) and id <> all(${runIds}::uuid[])
        and (opens or parent_id is not null or started_at is not null)
        order by ended_at desc, id desc limit 1))
    where id = ${conversationId} and head_run_id = any(${runIds}::uuid[])`.execute(tx);
}

/** A head in another conversation stays there as long as a run of this one goes on from it; then it may go. */
async function forgetForeignHead(tx: Queries, conversationId: string): Promise<void> {
  await sql`update conversations set head_run_id = null where id = ${conversationId}
    and not exists (select from runs where id = head_run_id and conversation_id = ${conversationId})
    and not exists (select from runs where parent_id = head_run_id and conversation_id = ${conversationId})`.execute(
    tx,
  );
}

async function deleteEmpty(queries: Queries, tenantId: string, conversationId: string): Promise<boolean> {
  const left = await queries
    .selectFrom('runs')
    .select('id')
    .where('conversation_id', '=', conversationId)
    .limit(1)
    .executeTakeFirst();
  if (left) return false;
  await dropMemory(queries, { tenantId, scope: 'conversation', key: conversationId });
  await queries.deleteFrom('conversation_heads').where('conversation_id', '=', conversationId).execute();
  await queries
    .deleteFrom('conversations')
    .where('id', '=', conversationId)
    .where('tenant_id', '=', tenantId)
    .execute();
  return true;
}

// A report that waits in a mailbox has been told to none; that of an archived conversation is waited for no more.
const deletable = sql<boolean>`runs.ended_at is not null and runs.rewind_id is null
  and not exists (select from runs child where child.parent_id = runs.id)
  and not exists (select from delegations join runs above on above.id = any(ancestors)
    where child_id = runs.id and above.ended_at is null)
  and not exists (select from delegations
    where delegations.conversation_id = runs.conversation_id and state = 'working' and runs.id = any(ancestors))
  and not exists (select from delegations join conversations waiting on waiting.id = delegations.conversation_id
    where child_id = runs.id and state = 'posted' and waiting.archived_at is null)
  and not exists (select from tasks where tasks.run_id = runs.id and tasks.status = 'in_progress')
  and not exists (select from allowance_runs account where account.run_id = runs.id and account.closed_at is null)
  and not ${isUntold(sql`runs.tenant_id`, sql`'run/' || runs.id`)}`;

/** Runs that ended before; the newest of a chain first, since what others descend from stays. */
export const sweepRuns: Sweep = {
  async measure(queries, { tenantId, before }, most) {
    const { rows } = await sql<Amount>`
      with recursive old as (
        -- From the end of each chain back, as long as the runs are old.
        select runs.id, runs.parent_id from runs
        where tenant_id = ${tenantId} and ended_at < ${before} and ${deletable}
        union
        select runs.id, runs.parent_id from runs join old on old.parent_id = runs.id
        where ended_at < ${before} and not exists (
          select from runs child where child.parent_id = runs.id and (child.ended_at is null or child.ended_at >= ${before})
        )
      ),
      counted as (select id from old limit ${most})
      select count(*) as rows, coalesce(sum((
          select sum(pg_column_size(event.*)) from events event where stream = 'run/' || counted.id
        )), 0)::bigint as bytes from counted`.execute(queries);
    return rows[0] ?? { rows: 0, bytes: 0 };
  },
  async batch(queries, { tenantId, before }) {
    const { rows } = await sql<{ id: string; conversation_id: string }>`
      select id, conversation_id from runs where tenant_id = ${tenantId} and ended_at < ${before} and ${deletable}
      order by ended_at limit 1`.execute(queries);
    const [old] = rows;
    if (!old) return { rows: 0, bytes: 0, more: false };
    const run = { tenantId, conversationId: old.conversation_id, runIds: [old.id] };
    if (!(await lockFinished(queries, run))) return { rows: 0, bytes: 0, more: true };
    const { bytes } = await deleteRuns(queries as Transaction<DB>, run);
    return { rows: 1, bytes, more: true };
  },
};

/** Conversation before run, the one lock order. False when it is not there or not finished any more. */
async function lockFinished(
  queries: Queries,
  { tenantId, conversationId, runIds }: { tenantId: string; conversationId: string; runIds: string[] },
): Promise<boolean> {
  await sql`select from conversations where id = ${conversationId} for update`.execute(queries);
  const { rows } = await sql`select id from runs
    where id = any(${runIds}::uuid[]) and tenant_id = ${tenantId} and ${deletable} for update`.execute(
    queries,
  );
  return rows.length === runIds.length;
}
