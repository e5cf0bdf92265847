// Conversations: lists and the view. They are opened by the first run accepted into them.
import { type Selectable, sql } from 'kysely';
import type { ConversationView } from '../../../workflows/contracts/conversation.ts';
import type { Db, Queries } from '../db/database.ts';
import { activeRunOf } from './runs.ts';
import type { Conversations } from '../db/tables.ts';

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

export interface ConversationList {
  tenantId: string;
  limit: number;
  before?: { at: Date; id: string };
}

/** By last activity, newest first. */
export async function listConversations(db: Db, list: ConversationList): Promise<ConversationRow[]> {
  let query = db
    .selectFrom('conversations')
    .selectAll()
    .where('tenant_id', '=', list.tenantId)
    .orderBy('last_activity_at', 'desc')
    .orderBy('id', 'desc')
    .limit(list.limit);
  if (list.before) {
    query = query.where(sql<boolean>`(last_activity_at, id) < (${list.before.at}, ${list.before.id})`);
  }
  return query.execute();
}

export async function toConversationView(db: Db, row: ConversationRow): Promise<ConversationView> {
  const active = await activeRunOf(db, row.tenant_id, row.id);
  return {
    id: row.id,
    title: row.title,
    metadata: row.metadata as ConversationView['metadata'],
    activeRunId: active?.id ?? null,
    createdAt: row.created_at.toISOString(),
    lastActivityAt: row.last_activity_at.toISOString(),
  };
}
