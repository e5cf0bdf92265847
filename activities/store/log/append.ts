// Appending batches of events: those of a transaction in one statement at its end, or many streams' batches that come
// at once in one transaction of their own, since a transaction for each would cost many times what its rows do.
import { type RawBuilder, sql } from 'kysely';
import type { NewEvent } from '../../../workflows/contracts/event.ts';
import { isTold } from '../../../workflows/contracts/tenant-events.ts';
import { type Db, isStoreOutage, type Queries } from '../db/database.ts';
import { thenCommit } from '../db/preparing-client.ts';
import { toStorableJson } from '../db/storable.ts';

export interface EventBatch {
  tenantId: string;
  stream: string;
  /** Runs of a conversation also take its next numbers; null for streams outside any. */
  conversationId: string | null;
  events: NewEvent[];
  /** The attempt that writes; refused with Superseded when it is not the unit's current one, or becomes it now. */
  fence?: { unit: string; attempt: number };
  /** Takes the unit's fence for the attempt, or lets go of it behind these events: nothing more is written for it. */
  change?: 'take' | 'drop';
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

interface Appended {
  /** Counted from one. */
  place: number;
  /** The last number given out; null when the batch was there already. */
  seq: number | null;
  code: string | null;
  problem: string | null;
}

function appending(batches: readonly EventBatch[], redact: Redact, wait: boolean): RawBuilder<Appended> {
  const events = batches.flatMap((batch, index) =>
    batch.events.map((event, at) => ({ ...event, place: index + 1, number: at + 1 })),
  );
  const told = [...new Set(events.map(({ type }) => type).filter(isTold))];
  return sql<Appended>`select * from append_batches(${wait},
    ${batches.map((batch) => batch.tenantId)}, ${batches.map((batch) => batch.stream)},
    ${batches.map((batch) => batch.conversationId)}, ${batches.map((batch) => batch.fence?.unit ?? null)},
    ${batches.map((batch) => batch.fence?.attempt ?? null)}, ${batches.map((batch) => batch.change ?? null)},
    ${batches.map((batch) => batch.dedupeKey ?? null)}, ${batches.map((batch) => batch.end ?? false)},
    ${batches.map((batch) => batch.events.length)}, ${events.map(({ place }) => place)},
    ${events.map(({ number }) => number)}, ${events.map(({ type }) => type)},
    ${events.map(({ payload }) => redact(toStorableJson(payload)))}, ${told})`;
}

/** Events for the stream of their tenant alone. */
export interface Told {
  tenantId: string;
  /** What they tell of, as the stream of it is called, such as `schedule/0190…`. */
  source: string;
  events: NewEvent[];
}

/** The caller holds the lock of what it tells of: that makes the order in which it is told. */
export async function leaveToTell(
  tx: Queries,
  told: readonly Told[],
  redact: (text: string) => string,
): Promise<void> {
  const rows = told.flatMap(({ tenantId, source, events }) =>
    events.map(({ type, payload }) => ({ tenantId, source, type, payload: redact(toStorableJson(payload)) })),
  );
  if (rows.length === 0) return;
  await sql`insert into outbox (tenant_id, source, type, payload)
    select tenant_id, source, type, payload::jsonb from unnest(${rows.map((row) => row.tenantId)}::uuid[],
      ${rows.map((row) => row.source)}::text[], ${rows.map((row) => row.type)}::text[],
      ${rows.map((row) => row.payload)}::text[]) with ordinality as told (tenant_id, source, type, payload, n)
    order by n`.execute(tx);
}

async function refusing<T>(act: Promise<T>): Promise<T> {
  try {
    return await act;
  } catch (error) {
    throw toRefusal((error as { code?: string }).code, (error as Error).message) ?? error;
  }
}

/** All batches of a transaction, which commits with them: what runs side by side wait for is held no longer. */
export async function appendAndCommit(
  tx: Queries,
  batches: readonly EventBatch[],
  redact: Redact,
): Promise<void> {
  await refusing(sql`${appending(batches, redact, true)} ${sql.raw(thenCommit)}`.execute(tx));
}

/** One batch in a transaction of its own. */
async function appendAlone(db: Db, batch: EventBatch, redact: Redact): Promise<number | undefined> {
  const { rows } = await refusing(appending([batch], redact, true).execute(db));
  return rows[0]?.seq ?? undefined;
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
 * Appends each batch as on its own. What comes while others are being appended waits for them and goes together; on a
 * quiet machine nothing waits. Batches of one stream must come one after the other, as writers of a log do that wait
 * for each answer.
 */
export function createGroupedAppend(
  db: Db,
  redact: Redact,
): (batch: EventBatch) => Promise<number | undefined> {
  let waiting: Waiting[] = [];
  let underWay = 0;

  async function next(): Promise<void> {
    if (underWay >= groupsAtOnce || waiting.length === 0) return;
    underWay += 1;
    const group = firstOfEach(waiting);
    waiting = waiting.filter((one) => !group.includes(one));
    const alone = await appendTogether(db, group, redact);
    underWay -= 1;
    for (const one of alone) appendAlone(db, one.batch, redact).then(one.resolve, one.reject);
    void next();
  }

  return (batch) => {
    if (batch.events.length > mostShared) return appendAlone(db, batch, redact);
    return new Promise((resolve, reject) => {
      waiting.push({ batch, resolve, reject });
      void next();
    });
  };
}

/** One of each stream: whether the next is the same batch is only seen once this one is stored. */
function firstOfEach(waiting: readonly Waiting[]): Waiting[] {
  const group = new Map<string, Waiting>();
  for (const one of waiting) {
    if (group.size < mostTogether && !group.has(one.batch.stream)) group.set(one.batch.stream, one);
  }
  return [...group.values()];
}

/** Answers those it can; returns those that are to be appended alone, where a lock is waited for. */
async function appendTogether(db: Db, group: Waiting[], redact: Redact): Promise<Waiting[]> {
  try {
    const batches = group.map(({ batch }) => batch);
    const { rows } = await appending(batches, redact, false).execute(db);
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
