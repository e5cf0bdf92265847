// Webhooks: endpoints that are told of a tenant's events. The row has how far each has come; its workflow, of the same id,
// only looks. The secret leaves the row to sign a message, and in the answer that shows it once.
import { randomBytes } from 'node:crypto';
import { type RawBuilder, type Selectable, sql, type Updateable } from 'kysely';
import { v7 as uuid } from 'uuid';
import { streamOf } from '../../../workflows/contracts/event.ts';
import { Failure, found } from '../../../workflows/contracts/failures.ts';
import { mostWebhooks, type WebhookView } from '../../../workflows/contracts/webhook.ts';
import { addAudit } from '../access/audit.ts';
import { type Db, type Queries, violatedConstraint } from '../db/database.ts';
import { executionTable } from '../db/execution-table.ts';
import type { Webhooks } from '../db/tables.ts';
import type { Write } from '../log/events.ts';

export type WebhookRow = Selectable<Webhooks>;

/** With what its deliveries have come to. */
export type CountedWebhook = WebhookRow & {
  waiting: number;
  dead: number;
  last_delivered_at: Date | null;
};

export interface Author {
  tenantId: string;
  /** As the audit shows it. */
  by: string;
}

// A receiver is given a day to take the new secret.
const oldSecretHours = 24;

/** 32 bytes, as long as the hash that it keys. */
export function newSecret(): string {
  return `whsec_${randomBytes(32).toString('base64')}`;
}

const counted = sql<CountedWebhook>`select webhooks.*, waiting::integer, dead::integer, last_delivered_at
  from webhooks, lateral (
    select count(*) filter (where status = 'pending') as waiting, max(ended_at) filter (where status = 'delivered')
      as last_delivered_at from webhook_deliveries where webhook_id = webhooks.id
  ) made, lateral (
    select count(*) as dead from dead_letters join webhook_deliveries on webhook_deliveries.id = delivery_id
    where webhook_id = webhooks.id and resolution is null
  ) given_up`;

export async function countedWebhook(
  queries: Queries,
  tenantId: string,
  id: string,
): Promise<CountedWebhook> {
  const { rows } = await sql<CountedWebhook>`${counted}
    where tenant_id = ${tenantId} and id = ${id} and deleted_at is null`.execute(queries);
  return found(rows[0], `webhook ${id}`);
}

/** Oldest first. */
export async function listWebhooks(
  db: Db,
  { tenantId, limit, after, name }: { tenantId: string; limit: number; after?: string; name?: string },
): Promise<CountedWebhook[]> {
  const { rows } = await sql<CountedWebhook>`${counted}
    where tenant_id = ${tenantId} and deleted_at is null and id > ${after ?? '00000000-0000-0000-0000-000000000000'}
      and (${name ?? null}::text is null or name = ${name ?? null})
    order by id limit ${limit}`.execute(db);
  return rows;
}

export function toWebhookView(row: CountedWebhook): WebhookView {
  return {
    id: row.id,
    name: row.name,
    url: row.url,
    types: row.types,
    enabled: row.enabled,
    waiting: row.waiting,
    dead: row.dead,
    lastDeliveredAt: row.last_delivered_at?.toISOString() ?? null,
    oldSecretUntil: row.old_secret_until?.toISOString() ?? null,
    stuck: row.stuck,
    version: row.version,
    createdAt: row.created_at.toISOString(),
    createdBy: row.created_by,
    updatedAt: row.updated_at.toISOString(),
  };
}

/** Those whose messages are signed with now, the present one first. */
export function secretsOf(
  row: Pick<WebhookRow, 'secret' | 'old_secret' | 'old_secret_until'>,
  at: Date,
): string[] {
  const { secret, old_secret: old, old_secret_until: until } = row;
  return old !== null && until !== null && until > at ? [secret, old] : [secret];
}

/** The first lock of what changes a webhook or its deliveries; dead letters and heads of streams come behind it. */
export async function lockWebhook(
  { tx }: Pick<Write, 'tx'>,
  tenantId: string,
  id: string,
): Promise<WebhookRow | undefined> {
  return tx
    .selectFrom('webhooks')
    .selectAll()
    .where('id', '=', id)
    .where('tenant_id', '=', tenantId)
    .forNoKeyUpdate()
    .executeTakeFirst();
}

/** It is told of what comes from now on. */
export async function insertWebhook(
  write: Write,
  webhook: { name?: string; url: string; types: string[]; secret: string; enabled: boolean },
  { tenantId, by }: Author,
): Promise<WebhookRow> {
  // All who make one wait for each other here: each counts those before.
  await sql`select pg_advisory_xact_lock(hashtextextended(${`webhooks of ${tenantId}`}, 0))`.execute(
    write.tx,
  );
  const { many } = await write.tx
    .selectFrom('webhooks')
    .select((eb) => eb.fn.countAll<number>().as('many'))
    .where('tenant_id', '=', tenantId)
    .where('deleted_at', 'is', null)
    .executeTakeFirstOrThrow();
  if (Number(many) >= mostWebhooks)
    throw new Failure('NotRunnable', `There are ${many} webhooks, and no more can be: remove one of them.`);
  const id = uuid();
  const { name = `webhook-${id.slice(-8)}`, ...rest } = webhook;
  const row = await write.tx
    .insertInto('webhooks')
    .values({
      ...rest,
      id,
      tenant_id: tenantId,
      name,
      cursor: newestOf(tenantId),
      created_by: by,
    })
    .returningAll()
    .executeTakeFirstOrThrow()
    .catch((error: unknown) => {
      throw taken(error, name);
    });
  const { url, types } = row;
  await note(write, { tenantId, by }, 'create-webhook', { webhookId: id, name, url, types });
  return row;
}

/** The number of the newest event of the tenant's stream. */
export function newestOf(tenantId: string) {
  return sql<number>`coalesce((select seq from stream_heads where stream = ${streamOf('tenant', tenantId)}), 0)`;
}

function taken(error: unknown, name: string): unknown {
  if (violatedConstraint(error) !== 'webhooks_by_name') return error;
  return new Failure(
    'WebhookExists',
    `There is a webhook called ${name} already; use another name or change that one.`,
    { fields: [{ path: 'name', problem: 'is the name of another webhook' }] },
  );
}

/** Under its lock, in the version that was seen. */
export async function lockForChange(
  write: Write,
  tenantId: string,
  id: string,
  version?: number,
): Promise<WebhookRow> {
  const row = await lockWebhook(write, tenantId, id);
  const webhook = found(row?.deleted_at === null ? row : undefined, `webhook ${id}`);
  if (version !== undefined && version !== webhook.version) {
    const detail = `Webhook ${webhook.name} is at version ${webhook.version} by now; look at that and send the change again.`;
    throw new Failure('VersionStale', detail, { version: webhook.version });
  }
  return webhook;
}

export async function rotateSecret(
  write: Write,
  webhook: WebhookRow,
  secret: string,
  author: Author,
): Promise<WebhookRow> {
  const changed = await setWebhook(write, webhook, {
    secret,
    old_secret: webhook.secret,
    old_secret_until: sql<Date>`now() + make_interval(hours => ${oldSecretHours}::integer)`,
  });
  await note(write, author, 'rotate-webhook-secret', { webhookId: webhook.id, name: webhook.name });
  return changed;
}

/** What waits for it is not sent; its workflow, once it has seen that, takes the row away with all that is its own. */
export async function deleteWebhook(write: Write, webhook: WebhookRow, author: Author): Promise<WebhookRow> {
  const deleted = await setWebhook(write, webhook, { enabled: false, deleted_at: sql<Date>`now()` });
  await note(write, author, 'delete-webhook', { webhookId: webhook.id, name: webhook.name });
  return deleted;
}

type Change = {
  [Column in keyof Updateable<Webhooks>]?: Updateable<Webhooks>[Column] | RawBuilder<unknown>;
};

/** Under the row's lock, so that a change and a look that wait for each other are in order: `now()` is from before the wait. */
export const clock = sql<Date>`clock_timestamp()`;

/** That its workflow has something to see. The caller holds its lock. */
export async function touch({ tx }: Write, { id }: Pick<WebhookRow, 'id'>): Promise<void> {
  await tx.updateTable('webhooks').set({ touched_at: clock }).where('id', '=', id).execute();
}

export async function setWebhook(
  { tx }: Write,
  { id, name }: WebhookRow,
  change: Change,
): Promise<WebhookRow> {
  const now = clock;
  return tx
    .updateTable('webhooks')
    .set({ ...(change as Updateable<Webhooks>), version: sql`version + 1`, updated_at: now, touched_at: now })
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirstOrThrow()
    .catch((error: unknown) => {
      throw taken(error, typeof change.name === 'string' ? change.name : name);
    });
}

export async function note(
  write: Write,
  { tenantId, by }: Author,
  action: string,
  detail: object,
): Promise<void> {
  await addAudit(write, [{ tenantId, actor: by, action, detail }]);
}

interface Look {
  tenantId: string;
  webhookId: string;
  generation: number;
  executionId: string;
}

// A look at one that was deleted takes away so many of its deliveries: a statement has fifteen seconds.
const mostTaken = 2_000;

/**
 * One execution sends; undefined for any other, and for a webhook that is gone: they are to end. One that was deleted
 * comes back as long as some of its deliveries are left.
 */
export async function takeWebhook(write: Write, look: Look): Promise<WebhookRow | undefined> {
  const { tenantId, webhookId, generation, executionId } = look;
  const row = await lockWebhook(write, tenantId, webhookId);
  if (row?.generation !== generation) return undefined;
  if (row.execution_id !== null && row.execution_id !== executionId) return undefined;
  if (row.deleted_at !== null) {
    const some = write.tx.selectFrom('webhook_deliveries').select('id').where('webhook_id', '=', webhookId);
    const { numDeletedRows } = await write.tx
      .deleteFrom('webhook_deliveries')
      .where('id', 'in', some.limit(mostTaken))
      .executeTakeFirst();
    if (numDeletedRows === BigInt(mostTaken)) return row;
    await write.tx.deleteFrom('webhooks').where('id', '=', webhookId).execute();
    return undefined;
  }
  return write.tx
    .updateTable('webhooks')
    .set({ execution_id: executionId, looked_at: clock })
    .where('id', '=', webhookId)
    .returningAll()
    .executeTakeFirstOrThrow();
}

/** Those with events that they have not seen, or a change. When a waiting delivery is due, their workflow knows. */
export async function listUnseenWebhooks(
  db: Db,
  olderThanMs: number,
  limit: number,
): Promise<{ id: string }[]> {
  const before = new Date(Date.now() - olderThanMs);
  const { rows } = await sql<{ id: string }>`select id from webhooks
    where execution_id is not null and (
      (touched_at > looked_at and touched_at < ${before})
      or (enabled and exists (
        select from events where stream = 'tenant/' || webhooks.tenant_id and seq > cursor and at < ${before}
      ))
    ) limit ${limit}`.execute(db);
  return rows;
}

/** Whom a new event of the tenant concerns. */
export async function listEnabledWebhooks(db: Db, tenantId: string): Promise<{ id: string }[]> {
  return db
    .selectFrom('webhooks')
    .select('id')
    .where('tenant_id', '=', tenantId)
    .where('enabled', '=', true)
    .where('execution_id', 'is not', null)
    .execute();
}

export const webhookTable = executionTable<WebhookRow>('webhooks');
