// The turns of a conversation: of its main runs, what people said and what was answered, with where each stands in the
// graph of runs: what it goes on from, what else answers the same message, and which conversations began from it.
import { sql } from 'kysely';
import { type ForkView, mostListedForks, type TurnView } from '../../../workflows/contracts/conversation.ts';
import { listedCharacters } from '../../../workflows/contracts/message-view.ts';
import type { Db, Queries } from '../db/database.ts';
import type { RunRow } from './runs.ts';

interface Row {
  id: string;
  parent_id: string | null;
  message_id: string;
  status: TurnView['status'];
  parked: boolean;
  prompt: string;
  answer: string | null;
  created_at: Date;
  ended_at: Date | null;
  in_context: boolean;
  alternatives: string[];
  forks: ForkView[];
}

/**
 * Newest first, in one query. The chain is walked from the head no further than the page: a run is younger than the one
 * it goes on from.
 */
export async function listTurns(
  db: Db,
  {
    tenantId,
    conversationId,
    limit,
    before,
  }: { tenantId: string; conversationId: string; limit: number; before?: string },
): Promise<TurnView[]> {
  const older = before === undefined ? sql`` : sql`and id < ${before}`;
  const { rows } = await sql<Row>`
    with recursive page as (
      select id, parent_id, message_id, status, parked, alternative_of, created_at, ended_at,
        left(prompt, ${listedCharacters}) as prompt, left(final_message, ${listedCharacters}) as answer
      from runs where tenant_id = ${tenantId} and conversation_id = ${conversationId} and kind = 'main' ${older}
      order by id desc limit ${limit}
    ),
    chain as (
      select id, parent_id from runs where id = (select head_run_id from conversations where id = ${conversationId})
      union all
      select runs.id, runs.parent_id from chain join runs on runs.id = chain.parent_id
      where runs.id >= (select id from page order by id limit 1)
    )
    select page.*, page.id in (select id from chain) as in_context,
      array(
        select id from (
          select id from runs where alternative_of = coalesce(page.alternative_of, page.id)
          union all select id from runs where id = page.alternative_of
        ) other where other.id <> page.id order by id limit ${mostListedForks}
      ) as alternatives,
      coalesce((
        select jsonb_agg(jsonb_build_object('conversationId', conversation_id, 'runId', id) order by id) from (
          select id, conversation_id from runs where parent_id = page.id and conversation_id <> ${conversationId}
          order by id limit ${mostListedForks}
        ) fork
      ), '[]') as forks
    from page order by page.id desc`.execute(db);
  return rows.map((row) => ({
    runId: row.id,
    parentId: row.parent_id,
    inContext: row.in_context,
    alternatives: row.alternatives,
    forks: row.forks,
    messageId: row.message_id,
    status: row.status,
    parked: row.parked,
    prompt: row.prompt,
    answer: row.answer,
    createdAt: row.created_at.toISOString(),
    endedAt: row.ended_at?.toISOString() ?? null,
  }));
}

/** It was not begun, opens no conversation and goes on from no run. */
export function hasNoPlace(run: Pick<RunRow, 'opens' | 'parent_id' | 'started_at'>): boolean {
  return !run.opens && run.parent_id === null && run.started_at === null;
}

/** It ended while it was parked, when what it would have gone on from was not settled, or as one with nothing before it. */
export function hadNoTurn(run: Pick<RunRow, 'opens' | 'parent_id' | 'started_at' | 'ended_at'>): boolean {
  return run.ended_at !== null && hasNoPlace(run);
}

/** This run of the conversation; else, of its main runs whose turn has come, the one accepted last. */
export async function findTurn(
  queries: Queries,
  { tenantId, conversationId, runId }: { tenantId: string; conversationId: string; runId?: string },
): Promise<RunRow | undefined> {
  const query = queries
    .selectFrom('runs')
    .selectAll()
    .where('conversation_id', '=', conversationId)
    .where('tenant_id', '=', tenantId);
  if (runId !== undefined) return query.where('id', '=', runId).executeTakeFirst();
  return query
    .where('kind', '=', 'main')
    .where('parked', '=', false)
    .where(sql<boolean>`(opens or parent_id is not null or started_at is not null or ended_at is null)`)
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirst();
}
