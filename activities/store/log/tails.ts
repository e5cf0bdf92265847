// What live readers ask of the event log: how far streams and conversations have come, and what is new in many of
// them at once. One query each, however many are followed.
import { sql } from 'kysely';
import type { Event } from '../../../workflows/contracts/event.ts';
import type { Db } from '../db/database.ts';
import { type EventRow, toEvent } from './events.ts';

/** The number after which a reader wants to read. */
export interface Tail {
  id: string;
  after: number;
}

export interface StreamHead {
  /** The number of its last event. */
  seq: number;
  /** Nothing can follow. */
  ended: boolean;
  /** Up to this number pieces have been folded away; above it there are no gaps. */
  floor: number;
}

/** How far each stream has come; streams that do not exist are left out. */
export async function streamHeads(
  db: Db,
  tenantId: string,
  streams: string[],
): Promise<Map<string, StreamHead>> {
  if (streams.length === 0) return new Map();
  const { rows } = await sql<StreamHead & { stream: string }>`
    select stream, seq, ended, floor from stream_heads
    where stream = any(${streams}::text[]) and tenant_id = ${tenantId}`.execute(db);
  return new Map(rows.map(({ stream, ...head }) => [stream, head]));
}

/** The same of conversations, by their own numbers; they never end. */
export async function conversationHeads(
  db: Db,
  tenantId: string,
  ids: string[],
): Promise<Map<string, StreamHead>> {
  if (ids.length === 0) return new Map();
  const { rows } = await sql<{ id: string; seq: number; floor: number }>`
    select conversation_id as id, seq, floor from conversation_heads
    where conversation_id = any(${ids}::uuid[]) and tenant_id = ${tenantId}`.execute(db);
  return new Map(rows.map(({ id, ...head }) => [id, { ...head, ended: false }]));
}

/** The next events of each stream, at most `limit` of each, in order. */
export async function readStreamTails(
  db: Db,
  tenantId: string,
  tails: Tail[],
  limit: number,
): Promise<Map<string, Event[]>> {
  if (tails.length === 0) return new Map();
  const { rows } = await sql<EventRow>`
    select event.* from unnest(${tails.map((tail) => tail.id)}::text[], ${tails.map((tail) => tail.after)}::bigint[])
      as tail (id, after)
    cross join lateral (
      select * from events where stream = tail.id and seq > tail.after and tenant_id = ${tenantId} order by seq limit ${limit}
    ) event
    order by event.stream, event.seq`.execute(db);
  return grouped(rows.map((row) => [row.stream, toEvent(row)]));
}

/** The same by conversation and its numbers. */
export async function readConversationTails(
  db: Db,
  tenantId: string,
  tails: Tail[],
  limit: number,
): Promise<Map<string, Event[]>> {
  if (tails.length === 0) return new Map();
  const { rows } = await sql<EventRow & { conversation_id: string }>`
    select event.* from unnest(${tails.map((tail) => tail.id)}::uuid[], ${tails.map((tail) => tail.after)}::bigint[])
      as tail (id, after)
    cross join lateral (
      select * from events where conversation_id = tail.id and conversation_seq > tail.after and tenant_id = ${tenantId}
      order by conversation_seq limit ${limit}
    ) event
    order by event.conversation_id, event.conversation_seq`.execute(db);
  return grouped(rows.map((row) => [row.conversation_id, toEvent(row)]));
}

function grouped(entries: [string, Event][]): Map<string, Event[]> {
  const groups = new Map<string, Event[]>();
  for (const [id, event] of entries) {
    const group = groups.get(id);
    if (group) group.push(event);
    else groups.set(id, [event]);
  }
  return groups;
}
