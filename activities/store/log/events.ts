// The event log: appending under the lock of a stream's head, reading pages back. Redacts every payload on the
// way in and wakes readers after the commit, never inside it: a NOTIFY in each commit costs two thirds of the
// write throughput.
import type { Transaction } from 'kysely';
import type { Event, EventType } from '../../../workflows/contracts/event.ts';
import { appendBatch, createGroupedAppend, type EventBatch } from './append.ts';
import type { Db } from '../db/database.ts';
import type { Notifier } from './notifier.ts';
import type { DB } from '../db/tables.ts';

export { StreamEnded, Superseded } from './append.ts';
export type { EventBatch } from './append.ts';

export interface Write {
  tx: Transaction<DB>;
  /** The last number given out; undefined when the batch was there already. */
  append(batch: EventBatch): Promise<number | undefined>;
}

export interface EventLog {
  db: Db;
  /**
   * One transaction under a name that logs, metrics and pg_stat_activity show; readers of the streams appended to are
   * woken once it has committed.
   */
  write<T>(name: string, act: (write: Write) => Promise<T>): Promise<T>;
  /** One batch, in a transaction of its own or shared with other streams' batches that come at the same time. */
  append(batch: EventBatch): Promise<number | undefined>;
  redact(text: string): string;
}

export function createEventLog(input: {
  db: Db;
  notifier: Notifier;
  redact: (text: string) => string;
}): EventLog {
  const { db, notifier, redact } = input;
  const append = createGroupedAppend(db, redact);
  return {
    db,
    redact,
    async write(_name, act) {
      const touched: EventBatch[] = [];
      const result = await db.transaction().execute((tx) =>
        act({
          tx,
          append: async (batch) => {
            touched.push(batch);
            return appendBatch(tx, batch, redact);
          },
        }),
      );
      for (const batch of touched) notifier.touch(batch.stream, batch.conversationId);
      return result;
    },
    async append(batch) {
      const seq = await append(batch);
      notifier.touch(batch.stream, batch.conversationId);
      return seq;
    },
  };
}

export interface EventsPage {
  tenantId: string;
  after: number;
  limit: number;
  type?: EventType;
}

export async function readEvents(db: Db, stream: string, page: EventsPage): Promise<Event[]> {
  let query = db
    .selectFrom('events')
    .selectAll()
    .where('stream', '=', stream)
    .where('tenant_id', '=', page.tenantId)
    .where('seq', '>', page.after)
    .orderBy('seq')
    .limit(page.limit);
  if (page.type) query = query.where('type', '=', page.type);
  return (await query.execute()).map(toEvent);
}

export async function readConversationEvents(
  db: Db,
  conversationId: string,
  page: EventsPage,
): Promise<Event[]> {
  let query = db
    .selectFrom('events')
    .selectAll()
    .where('conversation_id', '=', conversationId)
    .where('tenant_id', '=', page.tenantId)
    .where('conversation_seq', '>', page.after)
    .orderBy('conversation_seq')
    .limit(page.limit);
  if (page.type) query = query.where('type', '=', page.type);
  return (await query.execute()).map(toEvent);
}

export interface EventRow {
  stream: string;
  seq: number;
  conversation_seq: number | null;
  at: Date;
  type: string;
  version: number;
  attempt: number;
  payload: unknown;
}

export function toEvent(row: EventRow): Event {
  return {
    stream: row.stream,
    seq: row.seq,
    conversationSeq: row.conversation_seq,
    at: row.at.toISOString(),
    type: row.type,
    version: row.version,
    attempt: row.attempt,
    payload: row.payload,
  } as Event;
}
