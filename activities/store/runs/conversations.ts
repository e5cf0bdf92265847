// Conversations: lists, the view, their turns, and what people change of them. They are opened by the first run accepted
// into them.
import { type Selectable, sql } from 'kysely';
import type {
  ChangeConversationBody,
  ConversationSettings,
  ConversationView,
  ForkView,
} from '../../../workflows/contracts/conversation.ts';
import { activeStatuses } from '../../../workflows/run/transitions.ts';
import type { Db, Queries } from '../db/database.ts';
import type { Conversations, Json } from '../db/tables.ts';
import type { Write } from '../log/events.ts';

export type ConversationRow = Selectable<Conversations>;

/** With the number of its last event. */
export async function findConversation(
  db: Queries,
  tenantId: string,
  id: string,
): Promise<(ConversationRow & { seq: number }) | undefined> {
  return db
    .selectFrom('conversations')
    .leftJoin('conversation_heads as head', 'head.conversation_id', 'conversations.id')
    .selectAll('conversations')
    .select(({ fn, val }) => fn.coalesce('head.seq', val(0)).as('seq'))
    .where('conversations.id', '=', id)
    .where('conversations.tenant_id', '=', tenantId)
    .executeTakeFirst();
}

/** Locked before its runs, to delete it or one of them: nothing is accepted into it meanwhile. */
export async function lockConversation(
  queries: Queries,
  tenantId: string,
  id: string,
): Promise<{ id: string } | undefined> {
  return queries
    .selectFrom('conversations')
    .select('id')
    .where('id', '=', id)
    .where('tenant_id', '=', tenantId)
    .forUpdate()
    .executeTakeFirst();
}

/** Locked as any message does it, which is no activity of it: until the commit no run begins in it and none ends. */
export async function holdConversation(
  queries: Queries,
  tenantId: string,
  id: string,
): Promise<{ settings: ConversationSettings } | undefined> {
  const row = await queries
    .selectFrom('conversations')
    .select('settings')
    .where('id', '=', id)
    .where('tenant_id', '=', tenantId)
    .forNoKeyUpdate()
    .executeTakeFirst();
  return row && { settings: row.settings as ConversationSettings };
}

/** With what a list shows of its runs. */
type ListedConversation = ConversationRow & {
  active_run_id: string | null;
  parked_runs: number;
  pending_mailbox: number;
};

export interface ConversationList {
  tenantId: string;
  limit: number;
  before?: { at: Date; id: string };
  archived?: boolean;
  /** Only those whose metadata has all of this. */
  metadata?: Record<string, string>;
}

/** By last activity, newest first; those that are not archived unless said otherwise. */
export async function listConversations(db: Db, list: ConversationList): Promise<ListedConversation[]> {
  let query = selectListed(db)
    .where('tenant_id', '=', list.tenantId)
    .where('archived_at', list.archived ? 'is not' : 'is', null)
    .orderBy('last_activity_at', 'desc')
    .orderBy('id', 'desc')
    .limit(list.limit);
  if (list.metadata) query = query.where('metadata', '@>', JSON.stringify(list.metadata));
  if (list.before) {
    query = query.where(sql<boolean>`(last_activity_at, id) < (${list.before.at}, ${list.before.id})`);
  }
  return query.execute();
}

export async function findListed(
  queries: Queries,
  tenantId: string,
  id: string,
): Promise<ListedConversation | undefined> {
  return selectListed(queries).where('id', '=', id).where('tenant_id', '=', tenantId).executeTakeFirst();
}

function selectListed(queries: Queries) {
  return queries
    .selectFrom('conversations')
    .selectAll()
    .select((eb) => [
      eb
        .selectFrom('runs')
        .select('runs.id')
        .whereRef('conversation_id', '=', 'conversations.id')
        .where('kind', '=', 'main')
        .where('parked', '=', false)
        .where('status', 'in', activeStatuses)
        .as('active_run_id'),
      eb
        .selectFrom('runs')
        .select(({ fn }) => fn.countAll<number>().as('count'))
        .whereRef('conversation_id', '=', 'conversations.id')
        .where('parked', '=', true)
        .where('status', '=', 'queued')
        .$asScalar()
        .$notNull()
        .as('parked_runs'),
      eb
        .selectFrom('delegations')
        .select(({ fn }) => fn.countAll<number>().as('count'))
        .whereRef('conversation_id', '=', 'conversations.id')
        .where('state', 'in', ['reported', 'posted'])
        .where('async', '=', true)
        .where(sql<boolean>`cardinality(ancestors) = 1`)
        .$asScalar()
        .$notNull()
        .as('pending_mailbox'),
    ]);
}

export function toConversationView(row: ListedConversation): ConversationView {
  return {
    id: row.id,
    title: row.title,
    metadata: row.metadata as ConversationView['metadata'],
    settings: row.settings as ConversationView['settings'],
    activeRunId: row.active_run_id,
    parkedRuns: row.parked_runs,
    pendingMailbox: row.pending_mailbox,
    wakeUp: row.wake_up as ConversationView['wakeUp'],
    wakeUpSeconds: row.wake_up_seconds,
    wakeAt: row.wake_at?.toISOString() ?? null,
    archivedAt: row.archived_at?.toISOString() ?? null,
    createdAt: row.created_at.toISOString(),
    lastActivityAt: row.last_activity_at.toISOString(),
  };
}

/**
 * Changes what is given. Answers undefined where there is no such conversation. That what the settings name exists, and
 * stays until the commit, is for the caller to see to.
 */
export async function changeConversation(
  write: Write,
  tenantId: string,
  id: string,
  { title, metadata, archived, settings, wakeUp, wakeUpSeconds }: ChangeConversationBody,
): Promise<Record<string, string> | undefined> {
  const merged =
    metadata === null
      ? sql<Json>`'{}'::jsonb`
      : sql<Json>`jsonb_strip_nulls(metadata || ${JSON.stringify(metadata ?? {})}::jsonb)`;
  const changed = await write.tx
    .updateTable('conversations')
    .set({
      ...(title !== undefined && { title, title_given: true }),
      ...(metadata !== undefined && { metadata: merged }),
      ...(archived !== undefined && {
        archived_at: archived ? sql<Date>`coalesce(archived_at, now())` : null,
      }),
      ...(settings && { settings: JSON.stringify(settings) }),
      // What was refused is tried again: the change may be the remedy.
      ...(wakeUp !== undefined && { wake_up: wakeUp, wake_ups: 0, wake_refused_at: null }),
      ...(wakeUpSeconds !== undefined && { wake_up_seconds: wakeUpSeconds }),
      id,
    })
    .where('id', '=', id)
    .where('tenant_id', '=', tenantId)
    .returning('metadata')
    .executeTakeFirst();
  return changed?.metadata as Record<string, string> | undefined;
}

/** The conversation and the run that this one began from; undefined where it began afresh. */
export async function findForkedFrom(db: Db, conversationId: string): Promise<ForkView | undefined> {
  // All that its first message was answered by go on from there.
  const { rows } = await sql<ForkView>`
    select parent.conversation_id as "conversationId", parent.id as "runId"
    from (select parent_id from runs where conversation_id = ${conversationId} and kind = 'main' order by id limit 1) opening
    join runs parent on parent.id = opening.parent_id
    where parent.conversation_id <> ${conversationId}`.execute(db);
  return rows[0];
}
