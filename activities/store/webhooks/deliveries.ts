// Deliveries: what became of each event for an endpoint. They are made under the webhook's lock, with its cursor, so that
// each event has one; of those about one subject only the first that waits is sent.
import { type Selectable, sql } from 'kysely';
import { v7 as uuid } from 'uuid';
import { type Event, streamOf } from '../../../workflows/contracts/event.ts';
import { Failure, found } from '../../../workflows/contracts/failures.ts';
import type { DeliveryView } from '../../../workflows/contracts/webhook.ts';
import { backOffMs } from '../../../workflows/tasks/back-off.ts';
import type { Db, Queries } from '../db/database.ts';
import type { WebhookDeliveries } from '../db/tables.ts';
import { readEvents, type Write } from '../log/events.ts';
import { addDeliveryLetter } from '../runs/dead-letters.ts';
import { lockWebhook, touch, type WebhookRow } from './webhooks.ts';

export type DeliveryRow = Selectable<WebhookDeliveries>;

// As long as a person may need to see that an endpoint is down, a night included.
const tryForMs = 24 * 3_600_000;

// One statement writes so many.
const mostAtOnce = 500;

/** Events since the cursor become deliveries. False when there are more. */
export async function layOut(write: Write, webhook: Pick<WebhookRow, 'tenant_id' | 'id'>): Promise<boolean> {
  const row = await lockWebhook(write, webhook.tenant_id, webhook.id);
  if (!row?.enabled) return true;
  const stream = streamOf('tenant', row.tenant_id);
  const events = await readEvents(write.tx, stream, {
    tenantId: row.tenant_id,
    after: row.cursor,
    limit: mostAtOnce,
  });
  const last = events.at(-1);
  if (!last) return true;
  const told = events.filter(({ type }) => row.types.length === 0 || row.types.includes(type));
  const deliveries = told.map((event) => ({
    id: uuid(),
    tenant_id: row.tenant_id,
    webhook_id: row.id,
    seq: event.seq,
    type: event.type,
    // The stream that the event is told from: that of a run or a task, or the name of a schedule.
    subject: event.source?.stream ?? stream,
  }));
  if (deliveries.length > 0) await write.tx.insertInto('webhook_deliveries').values(deliveries).execute();
  await write.tx.updateTable('webhooks').set({ cursor: last.seq }).where('id', '=', row.id).execute();
  return events.length < mostAtOnce;
}

/** The webhook as it is now, and whether there are events that it has not seen. */
export async function lookAt(
  db: Db,
  { id, tenant_id: tenantId }: Pick<WebhookRow, 'id' | 'tenant_id'>,
): Promise<(WebhookRow & { behind: boolean }) | undefined> {
  const { rows } = await sql<WebhookRow & { behind: boolean }>`select webhooks.*, exists (
      select from events where stream = ${streamOf('tenant', tenantId)} and seq > cursor
    ) as behind from webhooks where id = ${id}`.execute(db);
  return rows[0];
}

/** The first that waits of each subject, with the event it is of. */
const heads = (webhookId: string) => sql<DeliveryRow>`select distinct on (subject) * from webhook_deliveries
  where webhook_id = ${webhookId} and status = 'pending' order by subject, seq`;

/** Whose time has come, the longest due first. */
export async function dueDeliveries(
  db: Db,
  webhookId: string,
  at: Date,
  limit: number,
): Promise<DeliveryRow[]> {
  const { rows } = await sql<DeliveryRow>`select * from (${heads(webhookId)}) heads
    where due_at <= ${at} order by due_at, seq limit ${limit}`.execute(db);
  return rows;
}

export async function nextDueAt(db: Db, webhookId: string): Promise<Date | undefined> {
  const { rows } = await sql<{
    at: Date | null;
  }>`select min(due_at) as at from (${heads(webhookId)}) heads`.execute(db);
  return rows[0]?.at ?? undefined;
}

/** The event of a delivery; undefined where the stream does not have it any more. */
export async function eventOf(
  queries: Queries,
  { tenant_id: tenantId, seq }: Pick<DeliveryRow, 'tenant_id' | 'seq'>,
): Promise<Event | undefined> {
  const [event] = await readEvents(queries, streamOf('tenant', tenantId), {
    tenantId,
    after: seq - 1,
    limit: 1,
  });
  return event?.seq === seq ? event : undefined;
}

export interface Sent {
  /** Of the answer; null: there was none. */
  status: number | null;
  ms: number;
  /** Why it does not count as delivered; null: it does. */
  problem: string | null;
  /** It cannot ever be. */
  final?: true;
}

/**
 * What an attempt came to: delivered, tried again, or after a day a dead letter. False when it is not as it was when
 * that began: another execution sends, the webhook has another address, or it is gone.
 */
export async function recordAttempt(
  write: Write,
  delivery: DeliveryRow,
  { status, ms, problem, final }: Sent,
  at: Date,
): Promise<boolean> {
  const attempts = delivery.attempts + 1;
  const givesUpAt = delivery.since.getTime() + tryForMs;
  const dead = problem !== null && (final === true || at.getTime() >= givesUpAt);
  const ended = problem === null || dead;
  const recorded = await write.tx
    .updateTable('webhook_deliveries')
    .set({
      status: problem === null ? 'delivered' : dead ? 'dead' : 'pending',
      attempts,
      answer_status: status,
      answer_ms: ms,
      problem,
      // The last attempt is made when the day is over.
      ...(!ended && { due_at: new Date(Math.min(at.getTime() + backOffMs(attempts), givesUpAt)) }),
      ...(ended && { ended_at: at }),
    })
    .where('id', '=', delivery.id)
    .where('status', '=', 'pending')
    .where('attempts', '=', delivery.attempts)
    .where('round', '=', delivery.round)
    .executeTakeFirst();
  if (recorded.numUpdatedRows !== 1n) return false;
  if (dead) {
    const reason = `Event ${delivery.seq} (${delivery.type}) was not delivered: ${problem}`;
    await addDeliveryLetter(write, {
      tenantId: delivery.tenant_id,
      deliveryId: delivery.id,
      reason,
      attempts,
    });
  }
  return true;
}

/** Newest first. */
export async function listDeliveries(
  db: Db,
  list: { tenantId: string; webhookId: string; limit: number; before?: string; status?: string },
): Promise<DeliveryRow[]> {
  let query = db
    .selectFrom('webhook_deliveries')
    .selectAll()
    .where('webhook_id', '=', list.webhookId)
    .where('tenant_id', '=', list.tenantId)
    .orderBy('id', 'desc')
    .limit(list.limit);
  if (list.before !== undefined) query = query.where('id', '<', list.before);
  if (list.status !== undefined) query = query.where('status', '=', list.status);
  return query.execute();
}

export function toDeliveryView(row: DeliveryRow): DeliveryView {
  return {
    id: row.id,
    seq: row.seq,
    type: row.type,
    subject: row.subject,
    status: row.status as DeliveryView['status'],
    attempts: row.attempts,
    answer: row.answer_ms === null ? null : { status: row.answer_status, ms: row.answer_ms },
    problem: row.problem,
    dueAt: row.status === 'pending' ? row.due_at.toISOString() : null,
    createdAt: row.created_at.toISOString(),
    endedAt: row.ended_at?.toISOString() ?? null,
  };
}

/** The webhook of a delivery, locked. */
export async function lockForDelivery(
  write: Write,
  tenantId: string,
  deliveryId: string,
): Promise<WebhookRow> {
  const delivery = await write.tx
    .selectFrom('webhook_deliveries')
    .select('webhook_id')
    .where('id', '=', deliveryId)
    .where('tenant_id', '=', tenantId)
    .executeTakeFirst();
  const what = `delivery ${deliveryId}`;
  return found(await lockWebhook(write, tenantId, found(delivery, what).webhook_id), what);
}

/** A dead one waits again, for a day; what came behind it has gone on. The caller holds the webhook's lock. */
export async function redeliver(write: Write, webhook: WebhookRow, deliveryId: string): Promise<void> {
  const delivery = await write.tx
    .updateTable('webhook_deliveries')
    .set({ status: 'pending', since: sql`now()`, due_at: sql`now()`, ended_at: null, problem: null })
    .where('id', '=', deliveryId)
    .where('status', '=', 'dead')
    .returningAll()
    .executeTakeFirst();
  const event = delivery && (await eventOf(write.tx, delivery));
  if (!event) throw new Failure('NotRunnable', 'Its event is not kept any more: drop this dead letter.');
  await touch(write, webhook);
}

/** All that were given up and not decided on, in their order, with their letters; answers how many those were. */
export async function redeliverAll(write: Write, webhook: WebhookRow, by: string): Promise<number> {
  const { rows } = await sql`with again as (
      update webhook_deliveries set status = 'pending', since = now(), due_at = now(), ended_at = null, problem = null
      where webhook_id = ${webhook.id} and status = 'dead' and exists (
        select from dead_letters where delivery_id = webhook_deliveries.id and resolution is null
      ) returning id
    )
    update dead_letters set resolution = 'retried', resolved_at = now(), resolved_by = ${by}
    where delivery_id in (select id from again) and resolution is null returning id`.execute(write.tx);
  await touch(write, webhook);
  return rows.length;
}
