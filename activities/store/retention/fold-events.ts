// Folds the streams of finished runs: the pieces that were streamed go, the events with the whole message or result
// stay. How far a stream is folded is noted with it, in the transaction that removes: a reader from before that
// number is told so, and no reader gets a stream with gaps.
import { sql } from 'kysely';
import { type EventType, streamOf } from '../../../workflows/contracts/event.ts';
import type { Queries } from '../db/database.ts';
import { type Amount, amountOf, batchRows, type Sweep, type Swept } from './sweep.ts';
import { isTold } from './untold.ts';

// `message-end` and `call-end` have the whole; of thinking nothing is kept.
const pieces: EventType[] = [
  'text-start',
  'text-delta',
  'text-end',
  'thinking-start',
  'thinking-delta',
  'thinking-end',
  'call-delta',
];
// Small runs share a transaction.
const mostRuns = 50;

export const foldEvents: Sweep = {
  async measure(queries, { tenantId, before }, most) {
    const { rows } = await sql<Amount>`
      select count(*) as rows, coalesce(sum(bytes), 0)::bigint as bytes from (
        select pg_column_size(event.*) as bytes from runs join events event on event.stream = 'run/' || runs.id
        where runs.tenant_id = ${tenantId} and runs.ended_at < ${before} and runs.folded_at is null
          and event.type = any(${pieces})
        union all
        select pg_column_size(event.*) from events event
        where stream = ${streamOf('tenant', tenantId)} and at < ${before} and ${isTold(tenantId, sql`event.seq`)}
        limit ${most}
      ) old`.execute(queries);
    return rows[0] ?? { rows: 0, bytes: 0 };
  },
  async batch(queries, of) {
    const folded = await foldRuns(queries, of);
    return folded ?? foldTenant(queries, of);
  },
};

interface Folded {
  stream: string;
  seq: number;
  conversation_id: string | null;
  conversation_seq: number | null;
  bytes: number;
}

/** Undefined when every run of that age is folded. */
async function foldRuns(
  queries: Queries,
  { tenantId, before }: Swept,
): Promise<(Amount & { more: boolean }) | undefined> {
  const { rows: due } = await sql<{ id: string }>`
    select id from runs where tenant_id = ${tenantId} and ended_at < ${before} and folded_at is null
    order by ended_at limit ${mostRuns} for no key update skip locked`.execute(queries);
  if (due.length === 0) return undefined;
  const streams = due.map(({ id }) => streamOf('run', id));
  // From the front of each stream: what is left above its floor has no gaps.
  const { rows } = await sql<Folded>`
    delete from events using (
      select piece.stream, piece.seq from unnest(${streams}::text[]) with ordinality as due (stream, place)
      cross join lateral (
        select stream, seq from events where events.stream = due.stream and type = any(${pieces})
        order by seq limit ${batchRows}
      ) piece
      order by place, piece.seq limit ${batchRows}
    ) old
    where events.stream = old.stream and events.seq = old.seq
    returning events.stream, events.seq, conversation_id, conversation_seq, pg_column_size(events.*) as bytes`.execute(
    queries,
  );
  const amount = amountOf(rows);
  await raiseFloors(queries, rows);
  // Those behind the last that was reached are not done.
  const last = amount.more ? Math.max(...rows.map((row) => streams.indexOf(row.stream))) : due.length;
  const done = due.slice(0, last).map(({ id }) => id);
  await sql`update runs set folded_at = now() where id = any(${done})`.execute(queries);
  return { ...amount, more: true };
}

/** Up to where streams and their conversations have lost events. Heads come last, those of conversations behind. */
export async function raiseFloors(
  queries: Queries,
  removed: readonly Omit<Folded, 'bytes'>[],
): Promise<void> {
  const streams = new Map<string, number>();
  const conversations = new Map<string, number>();
  for (const { stream, seq, conversation_id: conversation, conversation_seq: number } of removed) {
    streams.set(stream, Math.max(seq, streams.get(stream) ?? 0));
    if (conversation === null || number === null) continue;
    conversations.set(conversation, Math.max(number, conversations.get(conversation) ?? 0));
  }
  if (streams.size > 0)
    await sql`with locked as (
        select stream from stream_heads where stream = any(${[...streams.keys()]}) order by stream for update
      )
      update stream_heads head set floor = greatest(head.floor, given.floor)
      from unnest(${[...streams.keys()]}::text[], ${[...streams.values()]}::bigint[]) as given (stream, floor)
      where head.stream = given.stream and head.stream in (select stream from locked)`.execute(queries);
  if (conversations.size > 0)
    await sql`with locked as (
        select conversation_id from conversation_heads where conversation_id = any(${[...conversations.keys()]}::uuid[])
        order by conversation_id for update
      )
      update conversation_heads head set floor = greatest(head.floor, given.floor)
      from unnest(${[...conversations.keys()]}::uuid[], ${[...conversations.values()]}::bigint[]) as given (id, floor)
      where head.conversation_id = given.id and head.conversation_id in (select conversation_id from locked)`.execute(
      queries,
    );
}

/** What the tenant was told. Nothing is folded of it, it goes. */
async function foldTenant(
  queries: Queries,
  { tenantId, before }: Swept,
): Promise<Amount & { more: boolean }> {
  // Before its rows, as who feeds it does.
  await sql`select from stream_heads where stream = ${streamOf('tenant', tenantId)} for update`.execute(
    queries,
  );
  const { rows } = await sql<Folded>`
    delete from events using (
      select seq from events
      where stream = ${streamOf('tenant', tenantId)} and at < ${before} and ${isTold(tenantId, sql`events.seq`)}
      order by seq limit ${batchRows}
    ) old
    where stream = ${streamOf('tenant', tenantId)} and events.seq = old.seq
    returning stream, events.seq, null as conversation_id, null as conversation_seq, pg_column_size(events.*) as bytes`.execute(
    queries,
  );
  await raiseFloors(queries, rows);
  return amountOf(rows);
}
