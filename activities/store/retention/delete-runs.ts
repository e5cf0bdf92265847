// Deletes finished runs with everything that is theirs, for good. What others descend from stays, audit and ledger stay,
// and so does how far the conversation has come: its readers are told what they cannot have any more.
import { sql, type Transaction } from 'kysely';
import { streamOf } from '../../../workflows/contracts/event.ts';
import { activeStatuses } from '../../../workflows/run/transitions.ts';
import type { Queries } from '../db/database.ts';
import type { DB } from '../db/tables.ts';
import { raiseFloors } from './fold-events.ts';
import type { Amount, Sweep } from './sweep.ts';

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

/** All runs of a conversation, locked when the caller holds the lock of the conversation. */
export async function runsOf(
  queries: Queries,
  tenantId: string,
  conversationId: string,
  locked = true,
): Promise<{ id: string; active: boolean }[]> {
  const query = queries
    .selectFrom('runs')
    .select(['id', 'status'])
    .where('conversation_id', '=', conversationId)
    .where('tenant_id', '=', tenantId)
    .orderBy('id');
  const rows = await (locked ? query.forUpdate() : query).execute();
  return rows.map(({ id, status }) => ({ id, active: (activeStatuses as string[]).includes(status) }));
}

// In the order of their references.
const rowsOfRuns = [
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
 * Finished runs of one conversation, which the caller has locked with them: none is active, nothing descends from them,
 * and their accounts are closed.
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
  await tx.deleteFrom('remembered_answers').where('scope', '=', 'run').where('key', 'in', runIds).execute();
  await tx.deleteFrom('runs').where('id', 'in', runIds).execute();
  await tx.deleteFrom('stream_heads').where('stream', 'in', streams).execute();
  const gone = await deleteEmpty(tx, tenantId, conversationId);
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
    bytes: events.bytes + messages.bytes + calls.bytes + approvals.bytes,
  };
}

async function deleteEmpty(queries: Queries, tenantId: string, conversationId: string): Promise<boolean> {
  const left = await queries
    .selectFrom('runs')
    .select('id')
    .where('conversation_id', '=', conversationId)
    .limit(1)
    .executeTakeFirst();
  if (left) return false;
  await queries.deleteFrom('conversation_heads').where('conversation_id', '=', conversationId).execute();
  await queries
    .deleteFrom('conversations')
    .where('id', '=', conversationId)
    .where('tenant_id', '=', tenantId)
    .execute();
  return true;
}

const deletable = sql<boolean>`runs.ended_at is not null
  and not exists (select from runs child where child.parent_id = runs.id)
  and not exists (select from allowance_runs account where account.run_id = runs.id and account.closed_at is null)`;

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
