// What webhooks that are switched on have yet to be sent: a delivery has no copy of its event, so that a pruning leaves
// that until it was sent or given up, for which there is a day. What a person deletes goes at once.
import { type RawBuilder, sql } from 'kysely';

const waiting = sql`webhook_deliveries waiting where waiting.webhook_id = webhooks.id and waiting.status = 'pending'`;

/** Something of the stream, that of a run or a task, which its tenant is told of. */
export function isUntold(tenantId: RawBuilder<string>, stream: RawBuilder<string>): RawBuilder<boolean> {
  return sql<boolean>`exists (select from webhooks where webhooks.tenant_id = ${tenantId} and enabled and (
    exists (select from ${waiting} and subject = ${stream})
    or exists (select from events told where told.source = ${stream} and told.seq > cursor)))`;
}

/** An event of the tenant's stream comes before all of that. Nothing in the bound is of the event: it is found once. */
export function isTold(tenantId: string, seq: RawBuilder<number>): RawBuilder<boolean> {
  return sql<boolean>`${seq} < coalesce((
    select min(least(cursor + 1, (select min(waiting.seq) from ${waiting})))
    from webhooks where webhooks.tenant_id = ${tenantId} and enabled
  ), ${String(2n ** 63n - 1n)}::bigint)`;
}
