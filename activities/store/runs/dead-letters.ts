// Dead letters: whatever used up its attempts, until a person retries or drops it.
import { type Selectable, type SqlBool, sql } from 'kysely';
import { v7 as uuid } from 'uuid';
import type { NewEvent } from '../../../workflows/contracts/event.ts';
import { Failure, found } from '../../../workflows/contracts/failures.ts';
import type { DeadLetterView } from '../../../workflows/contracts/system.ts';
import type { Db, Queries } from '../db/database.ts';
import type { Write } from '../log/events.ts';
import type { RunRow } from './runs.ts';
import { tellOfRun } from './tell-of-run.ts';
import type { DeadLetters } from '../db/tables.ts';

export type DeadLetterRow = Selectable<DeadLetters>;

/** With the run that asks again what a failed one was asked, or the task that stands for a failed one. */
export type ListedLetter = DeadLetterRow & { retried_as: string | null };

/** One open letter per thing: declaring it dead again changes nothing. The caller holds the run's lock, unless it has ended. */
export async function addDeadLetter(
  write: Write,
  run: RunRow,
  letter: { kind: 'call' | 'run' | 'schedule'; callId?: string; reason: string; attempts: number },
): Promise<void> {
  const id = uuid();
  const { kind, reason, attempts } = letter;
  const added = await write.tx
    .insertInto('dead_letters')
    .values({
      id,
      tenant_id: run.tenant_id,
      kind,
      run_id: run.id,
      call_id: letter.callId ?? null,
      reason,
      attempts,
    })
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirst();
  if (added.numInsertedOrUpdatedRows !== 1n) return;
  tellOfRun(write, run, { type: 'dead-letter', payload: { runId: run.id, id, kind, reason } });
}

/** The same of a task, which may never have had a run: for the caller to append to its stream. */
export async function addTaskLetter(
  write: Write,
  letter: { tenantId: string; taskId: string; reason: string; attempts: number },
): Promise<NewEvent> {
  const { tenantId, taskId, reason, attempts } = letter;
  const id = uuid();
  await write.tx
    .insertInto('dead_letters')
    .values({ id, tenant_id: tenantId, kind: 'task', task_id: taskId, reason, attempts })
    .execute();
  return { type: 'dead-letter', payload: { runId: null, taskId, id, kind: 'task', reason } };
}

/** And of a delivery to a webhook. No event tells of it: that would be one more to deliver there. */
export async function addDeliveryLetter(
  write: Write,
  letter: { tenantId: string; deliveryId: string; reason: string; attempts: number },
): Promise<void> {
  const { tenantId, deliveryId, reason, attempts } = letter;
  await write.tx
    .insertInto('dead_letters')
    .values({ id: uuid(), tenant_id: tenantId, kind: 'webhook', delivery_id: deliveryId, reason, attempts })
    .execute();
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
    .leftJoin('runs', 'runs.id', 'dead_letters.run_id')
    .leftJoin('tasks', 'tasks.retries_letter', 'dead_letters.id')
    .leftJoin('runs as again', (join) =>
      join
        .onRef('again.conversation_id', '=', 'runs.conversation_id')
        .on(sql<SqlBool>`again.message_id = ${retryPrefix} || dead_letters.id`),
    )
    .selectAll('dead_letters')
    .select((eb) => eb.fn.coalesce('again.id', 'tasks.id').as('retried_as'))
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
    taskId: row.task_id,
    callId: row.call_id,
    deliveryId: row.delivery_id,
    reason: row.reason,
    attempts: row.attempts,
    createdAt: row.created_at.toISOString(),
    resolution: row.resolution as DeadLetterView['resolution'],
    resolvedAt: row.resolved_at?.toISOString() ?? null,
    resolvedBy: row.resolved_by,
    retriedAs: row.retried_as,
  };
}
