// The event log: appending under the locks of heads, reading pages back. Redacts every payload on the
// way in and wakes readers after the commit, never inside it: a NOTIFY in each commit costs two thirds of the
// write throughput.
import { sql, type Transaction } from 'kysely';
import { type Event, type EventType, streamOf } from '../../../workflows/contracts/event.ts';
import { isTold } from '../../../workflows/contracts/tenant-events.ts';
import { appendAndCommit, createGroupedAppend, type EventBatch, leaveToTell, type Told } from './append.ts';
import type { Db } from '../db/database.ts';
import { type Notifier, outboxNotice } from './notifier.ts';
import type { DB } from '../db/tables.ts';
import { transact } from '../db/transactions.ts';

export { StreamEnded, Superseded } from './append.ts';
export type { EventBatch } from './append.ts';

export interface Write {
  tx: Transaction<DB>;
  /**
   * Appended with all others of the transaction in its last statement. What is refused then, with Superseded or
   * StreamEnded, takes the whole transaction back.
   */
  append(batch: EventBatch): void;
  /** Tells the tenant's stream alone, where what it is of has no stream or that has ended. Comes before what is appended. */
  tell(told: Told): void;
  /**
   * Goes on without the answer to a statement of this transaction, so that it travels with the next one. It is there once
   * the transaction has committed; its failure is the transaction's.
   */
  send(statement: Promise<unknown>): void;
}

export interface EventLog {
  db: Db;
  /**
   * One transaction under a name that logs and pg_stat_activity show; readers of the streams appended to are woken once
   * it has committed.
   */
  write<T>(name: string, act: (write: Write) => Promise<T>): Promise<T>;
  /** One batch, in a transaction of its own or shared with other streams' batches that come at the same time. */
  append(batch: EventBatch): Promise<number | undefined>;
  /**
   * Moves what transactions have left for the tenant's stream into it, up to so many events, and wakes its readers.
   * Safe to call at any time, from every process: each event goes there once. The number of events that it moved.
   */
  feed(tenantId: string, most: number): Promise<number>;
  redact(text: string): string;
}

export function createEventLog(input: {
  db: Db;
  notifier: Notifier;
  redact: (text: string) => string;
}): EventLog {
  const { db, notifier, redact } = input;
  const append = createGroupedAppend(db, redact);

  function notice(batches: readonly EventBatch[], told: readonly Told[]): void {
    for (const batch of batches) notifier.touch(batch.stream, batch.conversationId);
    if (told.length > 0 || batches.some(({ events }) => events.some(({ type }) => isTold(type))))
      notifier.touch(outboxNotice, null);
  }

  return {
    db,
    redact,
    async write(name, act) {
      const batches: EventBatch[] = [];
      const told: Told[] = [];
      const result = await transact(db, name, (tx) => {
        const sent: Promise<unknown>[] = [];
        const write: Write = {
          tx,
          append: (batch) => void batches.push(batch),
          tell: (each) => void told.push(each),
          send(statement) {
            statement.catch(() => undefined);
            sent.push(statement);
          },
        };
        return answeredBy(sent, async () => {
          const acted = await act(write);
          if (told.length > 0) await leaveToTell(tx, told, redact);
          if (batches.length > 0) await appendAndCommit(tx, batches, redact);
          return acted;
        });
      });
      notice(batches, told);
      return result;
    },
    async append(batch) {
      const seq = await append(batch);
      notice([batch], []);
      return seq;
    },
    async feed(tenantId, most) {
      const { rows } = await sql<{ fed: number }>`select feed_tenant(${tenantId}, ${most}) as fed`.execute(
        db,
      );
      const fed = rows[0]?.fed ?? 0;
      if (fed > 0) notifier.touch(streamOf('tenant', tenantId), null);
      return fed;
    },
  };
}

/** What was sent first fails first, and says why what came behind it on the same connection failed. */
async function answeredBy<T>(sent: readonly Promise<unknown>[], act: () => Promise<T>): Promise<T> {
  const [acted] = await Promise.allSettled([act()]);
  await Promise.all(sent);
  if (acted.status === 'rejected') throw acted.reason;
  return acted.value;
}

export interface EventsPage {
  tenantId: string;
  after: number;
  limit: number;
  types?: readonly EventType[];
  /** The last of them in place of the first. */
  newest?: boolean;
}

export async function readEvents(db: Db, stream: string, page: EventsPage): Promise<Event[]> {
  let query = db
    .selectFrom('events')
    .selectAll()
    .where('stream', '=', stream)
    .where('tenant_id', '=', page.tenantId)
    .where('seq', '>', page.after)
    .orderBy('seq', page.newest ? 'desc' : 'asc')
    .limit(page.limit);
  if (page.types) query = query.where('type', 'in', page.types);
  const events = (await query.execute()).map(toEvent);
  return page.newest ? events.reverse() : events;
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
    .orderBy('conversation_seq', page.newest ? 'desc' : 'asc')
    .limit(page.limit);
  if (page.types) query = query.where('type', 'in', page.types);
  const events = (await query.execute()).map(toEvent);
  return page.newest ? events.reverse() : events;
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
  source: string | null;
  source_seq: number | null;
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
    ...(row.source !== null && { source: { stream: row.source, seq: row.source_seq } }),
  } as Event;
}
