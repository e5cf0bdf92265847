// Dead letters: whatever used up its attempts, until a person retries or drops it.
import { type Selectable, type SqlBool, sql } from 'kysely';
import { v7 as uuid } from 'uuid';
import { Failure, found } from '../../../workflows/contracts/failures.ts';
import type { DeadLetterView } from '../../../workflows/contracts/system.ts';
import type { Db, Queries } from '../db/database.ts';
import type { Write } from '../log/events.ts';
import { type RunRow, streamFor } from './runs.ts';
import type { DeadLetters } from '../db/tables.ts';

export type DeadLetterRow = Selectable<DeadLetters>;

/** With the run that asks again what a failed one was asked. */
export type ListedLetter = DeadLetterRow & { retried_as: string | null };

/** One open letter per thing: declaring it dead again changes nothing. The caller holds the run's lock. */
export async function addDeadLetter(
  write: Write,
  run: RunRow,
  letter: { kind: 'call' | 'run'; callId?: string; reason: string; attempts: number },
): Promise<void> {
  const id = uuid();
  const added = await write.tx
    .insertInto('dead_letters')
    .values({
      id,
      tenant_id: run.tenant_id,
      kind: letter.kind,
      run_id: run.id,
      call_id: letter.callId ?? null,
      reason: letter.reason,
      attempts: letter.attempts,
    })
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirst();
  if (added.numInsertedOrUpdatedRows !== 1n) return;
  write.append({
    ...streamFor(run),
    events: [
      { type: 'dead-letter', payload: { runId: run.id, id, kind: letter.kind, reason: letter.reason } },
    ],
  });
}

export interface DeadLetterList {
  tenantId: string;
  limit: number;
  before?: string;
  /** Only those without a decision. */
  open: boolean;
}

export async function listDeadLetters(db: Db, list: DeadLetterList): Promise<ListedLetter[]> {
  let query = db
    .selectFrom('dead_letters')
    .innerJoin('runs', 'runs.id', 'dead_letters.run_id')
    .leftJoin('runs as again', (join) =>
      join
        .onRef('again.conversation_id', '=', 'runs.conversation_id')
        .on(sql<SqlBool>`again.message_id = ${retryPrefix} || dead_letters.id`),
    )
    .selectAll('dead_letters')
    .select('again.id as retried_as')
    .where('dead_letters.tenant_id', '=', list.tenantId)
    .orderBy('dead_letters.id', 'desc')
    .limit(list.limit);
  if (list.before) query = query.where('dead_letters.id', '<', list.before);
  if (list.open) query = query.where('resolution', 'is', null);
  return query.execute();
}

const retryPrefix = 'retry-';

/** The id of the message that a retry sends. */
export function retryMessageId({ id }: Pick<DeadLetterRow, 'id'>): string {
  return `${retryPrefix}${id}`;
}

export async function findDeadLetter(
  db: Queries,
  tenantId: string,
  id: string,
): Promise<DeadLetterRow | undefined> {
  return db
    .selectFrom('dead_letters')
    .selectAll()
    .where('id', '=', id)
    .where('tenant_id', '=', tenantId)
    .executeTakeFirst();
}

/** Decided once; the second decision is told who made the first. A caller that locks the run too locks it first. */
export async function resolveDeadLetter(
  write: Write,
  input: { tenantId: string; id: string; resolution: 'retried' | 'dropped'; by: string },
): Promise<DeadLetterRow> {
  const locked = await write.tx
    .selectFrom('dead_letters')
    .selectAll()
    .where('id', '=', input.id)
    .where('tenant_id', '=', input.tenantId)
    .forUpdate()
    .executeTakeFirst();
  const letter = found(locked, `dead letter ${input.id}`);
  if (letter.resolution) {
    throw new Failure(
      'AlreadyResolved',
      `This dead letter was ${letter.resolution} by ${letter.resolved_by}.`,
    );
  }
  return write.tx
    .updateTable('dead_letters')
    .set({ resolution: input.resolution, resolved_at: new Date(), resolved_by: input.by })
    .where('id', '=', input.id)
    .returningAll()
    .executeTakeFirstOrThrow();
}

/** The run goes on without a person's decision: nothing is left to decide on. The caller holds the run's lock. */
export async function dropRunLetter(write: Write, run: RunRow, by: string): Promise<void> {
  await write.tx
    .updateTable('dead_letters')
    .set({ resolution: 'dropped', resolved_at: new Date(), resolved_by: by })
    .where('run_id', '=', run.id)
    .where('kind', '=', 'run')
    .where('resolution', 'is', null)
    .execute();
}

export function toDeadLetterView(row: ListedLetter): DeadLetterView {
  return {
    id: row.id,
    kind: row.kind as DeadLetterView['kind'],
    runId: row.run_id,
    callId: row.call_id,
    reason: row.reason,
    attempts: row.attempts,
    createdAt: row.created_at.toISOString(),
    resolution: row.resolution as DeadLetterView['resolution'],
    resolvedAt: row.resolved_at?.toISOString() ?? null,
    resolvedBy: row.resolved_by,
    retriedAs: row.retried_as,
  };
}
