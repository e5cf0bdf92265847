// Reading the ledger of allowances: who drew what and who changed which limit, and what was used, summed as asked.
import { sql } from 'kysely';
import type { LedgerListView, UsageBy, UsageView } from '../../../workflows/contracts/allowance.ts';
import type { Queries } from '../db/database.ts';

type LedgerEntry = LedgerListView['items'][number];

/** Newest first. */
export async function readLedger(
  queries: Queries,
  input: { tenantId: string; limit: number; before?: number; runId?: string; kind?: LedgerEntry['kind'] },
): Promise<LedgerEntry[]> {
  const { tenantId, limit, before, runId, kind } = input;
  // Only what is asked for: with a condition that may hold for all, no index is of use.
  const asked = [
    sql`tenant_id = ${tenantId}`,
    ...(before === undefined ? [] : [sql`id < ${before}`]),
    ...(runId === undefined ? [] : [sql`run_id = ${runId}`]),
    // Written out, so that a plan made once knows that the index of the rare kinds has it.
    ...(kind === undefined ? [] : [sql`kind = ${sql.lit(kind)}`]),
  ];
  const { rows } = await sql<Omit<LedgerEntry, 'at'> & { at: Date }>`
    select id, kind, at, day::text as day, run_id as "runId", step, attempt, model, array(
        select pool.name from allowances pool where pool.id = any(entry.allowances) order by pool.id
      ) as pools, tokens, cost_micros as "costMicros", estimated, change, by, reason
    from allowance_entries entry
    where ${sql.join(asked, sql` and `)}
    order by id desc limit ${limit}`.execute(queries);
  return rows.map((row) => ({ ...row, at: row.at.toISOString() }));
}

type UsageRow = UsageView['items'][number];

const keys = {
  run: sql`entry.run_id::text`,
  conversation: sql`runs.conversation_id::text`,
  model: sql`entry.model`,
  project: sql`runs.project_path`,
  day: sql`entry.day::text`,
};

/** What was charged, the dearest first; by day, the latest first. Days are UTC, both ends included. */
export async function readUsage(
  queries: Queries,
  input: { tenantId: string; by: UsageBy; from?: string; to?: string; limit: number },
): Promise<UsageRow[]> {
  const { tenantId, by, from, to, limit } = input;
  const days = [
    ...(from === undefined ? [] : [sql`and entry.day >= ${from}::date`]),
    ...(to === undefined ? [] : [sql`and entry.day <= ${to}::date`]),
  ];
  const order = by === 'day' ? sql`1 desc` : sql`sum(entry.cost_micros) desc, 1`;
  const { rows } = await sql<UsageRow>`
    select ${keys[by]} as key, count(*) filter (where entry.kind = 'settle') as calls,
      sum(entry.input_tokens)::bigint as "inputTokens",
      sum(entry.cached_input_tokens)::bigint as "cachedInputTokens",
      sum(entry.output_tokens)::bigint as "outputTokens",
      sum(entry.cost_micros)::bigint as "costMicros",
      coalesce(sum(entry.cost_micros) filter (where entry.estimated), 0)::bigint as "estimatedCostMicros",
      coalesce(sum(entry.tokens) filter (where entry.kind = 'refund'), 0)::bigint as "refundedTokens"
    from allowance_entries entry join runs on runs.id = entry.run_id
    where entry.tenant_id = ${tenantId} and entry.kind in ('settle', 'refund') ${sql.join(days, sql` `)}
    group by 1 order by ${order} limit ${limit}`.execute(queries);
  return rows;
}
