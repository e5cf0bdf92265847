// Appending batches of events: one at a time inside somebody's transaction, or many streams' batches that come at
// once in one transaction of their own, since a transaction for each would cost many times what its rows do.
import { sql } from 'kysely';
import type { NewEvent } from '../../../workflows/contracts/event.ts';
import { type Db, isStoreOutage, type Queries } from '../db/database.ts';
import { toStorableJson } from '../db/storable.ts';

export interface EventBatch {
  tenantId: string;
  stream: string;
  /** Runs of a conversation also take its next numbers; null for streams outside any. */
  conversationId: string | null;
  events: NewEvent[];
  /** The attempt that writes; refused with Superseded when it is not the unit's current one. */
  fence?: { unit: string; attempt: number };
  /** Names this batch: appended again under the same key, it changes nothing. */
  dedupeKey?: string;
  /** The batch holds the terminal event. */
  end?: boolean;
}

/** A newer attempt has taken over, or the unit's result is already stored. Nothing was written. */
export class Superseded extends Error {
  override name = 'Superseded';
}
/** The stream has its terminal event. Nothing was written. */
export class StreamEnded extends Error {
  override name = 'StreamEnded';
}

/** What the database's functions refuse with, by SQLSTATE. */
function toRefusal(code: string | undefined, message: string): Error | undefined {
  if (code === 'PD001') return new StreamEnded(message);
  if (code === 'PD002') return new Superseded(message);
  return undefined;
}

type Redact = (text: string) => string;

export async function appendBatch(
  queries: Queries,
  batch: EventBatch,
  redact: Redact,
): Promise<number | undefined> {
  const { types, payloads } = columnsOf(batch, redact);
  try {
    const { rows } = await sql<{ seq: number | null }>`select append_events(
      ${batch.tenantId}, ${batch.stream}, ${batch.conversationId}, ${batch.fence?.unit ?? null},
      ${batch.fence?.attempt ?? null}, ${batch.dedupeKey ?? null}, ${batch.end ?? false},
      ${types}, ${payloads}) as seq`.execute(queries);
    return rows[0]?.seq ?? undefined;
  } catch (error) {
    throw toRefusal((error as { code?: string }).code, (error as Error).message) ?? error;
  }
}

function columnsOf({ events }: EventBatch, redact: Redact): { types: string[]; payloads: string[] } {
  return {
    types: events.map((event) => event.type),
    payloads: events.map((event) => redact(toStorableJson(event.payload))),
  };
}

interface Waiting {
  batch: EventBatch;
  resolve(seq: number | undefined): void;
  reject(error: unknown): void;
}

// Their locks are held together until the commit, a few milliseconds with this many.
const mostTogether = 64;
// More events than this are worth a transaction, and a connection, of their own.
const mostShared = 8;
// While one is on its way to the disk the other is at work; more would only make smaller groups.
const groupsAtOnce = 2;

/**
 * Appends as appendBatch does on its own. What comes while others are being appended waits for them and goes
 * together; on a quiet machine nothing waits. Batches of one stream must come one after the other, as writers of a
 * log do that wait for each answer.
 */
export function createGroupedAppend(
  db: Db,
  redact: Redact,
): (batch: EventBatch) => Promise<number | undefined> {
  const waiting: Waiting[] = [];
  let underWay = 0;

  async function next(): Promise<void> {
    if (underWay >= groupsAtOnce || waiting.length === 0) return;
    underWay += 1;
    const group = waiting.splice(0, mostTogether);
    const alone = await appendTogether(db, group, redact);
    underWay -= 1;
    for (const one of alone) appendBatch(db, one.batch, redact).then(one.resolve, one.reject);
    void next();
  }

  return (batch) => {
    if (batch.events.length > mostShared) return appendBatch(db, batch, redact);
    return new Promise((resolve, reject) => {
      waiting.push({ batch, resolve, reject });
      void next();
    });
  };
}

/** Conversations before streams, each in the order of its name. */
function lockOrderOf({ conversationId, stream }: EventBatch): string {
  return `${conversationId ?? ''} ${stream}`;
}

function compare(one: string, other: string): number {
  return one < other ? -1 : Number(one > other);
}

interface Appended {
  /** Counted from one. */
  place: number;
  seq: number | null;
  code: string | null;
  problem: string | null;
}

/** Answers those it can; returns those that are to be appended alone, where a lock is waited for. */
async function appendTogether(db: Db, group: Waiting[], redact: Redact): Promise<Waiting[]> {
  group.sort((one, other) => compare(lockOrderOf(one.batch), lockOrderOf(other.batch)));
  const batches = group.map(({ batch }) => ({ ...batch, ...columnsOf(batch, redact) }));
  try {
    const { rows } = await sql<Appended>`select * from append_batches(
      ${batches.map((batch) => batch.tenantId)}, ${batches.map((batch) => batch.stream)},
      ${batches.map((batch) => batch.conversationId)}, ${batches.map((batch) => batch.fence?.unit ?? null)},
      ${batches.map((batch) => batch.fence?.attempt ?? null)},
      ${batches.map((batch) => batch.dedupeKey ?? null)}, ${batches.map((batch) => batch.end ?? false)},
      ${batches.map((batch) => batch.types.length)}, ${batches.flatMap((batch) => batch.types)},
      ${batches.flatMap((batch) => batch.payloads)})`.execute(db);
    for (const row of rows) {
      const one = group[row.place - 1];
      const refusal = toRefusal(row.code ?? undefined, row.problem ?? '');
      if (refusal) one?.reject(refusal);
      else one?.resolve(row.seq ?? undefined);
    }
    const answered = new Set(rows.map((row) => row.place));
    return group.filter((_, index) => !answered.has(index + 1));
  } catch (error) {
    // One of them cannot be stored; alone, the others can.
    if (!isStoreOutage(error)) return group;
    for (const one of group) one.reject(error);
    return [];
  }
}
