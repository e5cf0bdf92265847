// What a message has become: sent twice with one id it is applied once.
import { sql } from 'kysely';
import type { Queries } from '../db/database.ts';
import type { RunRow } from '../runs/runs.ts';

export interface SentMessage {
  tenantId: string;
  /** The client's id; a message without one was never sent before. */
  messageId?: string;
  /** Left out: it opens one. */
  conversationId?: string;
}

/** The run this message has already become, or went into as a steer. */
export async function findByMessage(queries: Queries, input: SentMessage): Promise<RunRow | undefined> {
  const { tenantId, messageId, conversationId } = input;
  if (messageId === undefined) return undefined;
  const query = queries
    .selectFrom('runs')
    .selectAll()
    .where('tenant_id', '=', tenantId)
    .where('message_id', '=', messageId);
  // Not as a parameter: the partial index would serve no plan that is kept.
  if (conversationId === undefined) return query.where(sql<boolean>`opens`).executeTakeFirst();
  const started = await query.where('conversation_id', '=', conversationId).executeTakeFirst();
  if (started) return started;
  return (
    queries
      .selectFrom('inputs')
      .innerJoin('runs', 'runs.id', 'inputs.run_id')
      .selectAll('runs')
      .where('runs.tenant_id', '=', tenantId)
      .where('runs.conversation_id', '=', conversationId)
      .where('inputs.message_id', '=', messageId)
      .where('inputs.kind', '=', 'steer')
      // One that came too late for its run was never applied: sent again, it becomes a run.
      .where('inputs.status', '!=', 'refused')
      .executeTakeFirst()
  );
}
