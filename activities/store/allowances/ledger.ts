// Reading the ledger of allowances: who drew what and who changed which limit, and what was used, summed as asked.
import { type RawBuilder, sql } from 'kysely';
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
      ) as pools, tokens, cost_micros as "costMicros", estimated,
      possible_cost_micros as "possibleCostMicros", change, by, reason
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

// Of what was summed runs, conversations and days are not known any more.
const keysOfMonths = {
  run: sql`null::text`,
  conversation: sql`null::text`,
  model: sql`summed.model`,
  project: sql`nullif(summed.project, '')`,
  day: sql`to_char(summed.month, 'YYYY-MM')`,
};

/**
 * What was charged, the dearest first; by day, the latest first. Days are UTC, both ends included. A month that was
 * summed counts where its first day does.
 */
export async function readUsage(
  queries: Queries,
  input: { tenantId: string; by: UsageBy; from?: string; to?: string; limit: number },
): Promise<UsageRow[]> {
  const { tenantId, by, from, to, limit } = input;
  const within = (day: RawBuilder<unknown>) => [
    ...(from === undefined ? [] : [sql`and ${day} >= ${from}::date`]),
    ...(to === undefined ? [] : [sql`and ${day} <= ${to}::date`]),
  ];
  const order = by === 'day' ? sql`1 desc` : sql`sum(cost_micros) desc, 1`;
  const { rows } = await sql<UsageRow>`
    select key, sum(calls)::bigint as calls, sum(input_tokens)::bigint as "inputTokens",
      sum(cached_input_tokens)::bigint as "cachedInputTokens", sum(output_tokens)::bigint as "outputTokens",
      sum(cost_micros)::bigint as "costMicros", sum(estimated_cost_micros)::bigint as "estimatedCostMicros",
      sum(possible_cost_micros)::bigint as "possibleCostMicros",
      sum(ceiling_cost_micros)::bigint as "ceilingCostMicros", sum(refunded_tokens)::bigint as "refundedTokens"
    from (
      -- Of a run that was deleted the entries stay.
      select ${keys[by]} as key, (entry.kind = 'settle')::integer as calls, entry.input_tokens, entry.cached_input_tokens,
        entry.output_tokens, entry.cost_micros,
        case when entry.estimated or not booked.priced then entry.cost_micros else 0 end as estimated_cost_micros,
        entry.possible_cost_micros,
        case when not booked.priced then entry.cost_micros else 0 end as ceiling_cost_micros,
        case entry.kind when 'refund' then tokens else 0 end as refunded_tokens
      from allowance_entries entry left join runs on runs.id = entry.run_id
      left join model_calls booked on booked.run_id = entry.run_id and booked.step = entry.step
        and booked.attempt = entry.attempt
      where entry.tenant_id = ${tenantId} and entry.kind in ('settle', 'refund')
        ${sql.join(within(sql`entry.day`), sql` `)}
      union all
      select ${keysOfMonths[by]}, calls, input_tokens, cached_input_tokens, output_tokens, cost_micros,
        estimated_cost_micros, possible_cost_micros, 0, refunded_tokens
      from allowance_months summed
      where summed.tenant_id = ${tenantId} ${sql.join(within(sql`summed.month`), sql` `)}
    ) used
    group by key order by ${order} limit ${limit}`.execute(queries);
  return rows;
}

/** What all calls under way of a tenant may use at most: its pool is in the chain of every run. */
export async function readHeld(queries: Queries, tenantId: string): Promise<UsageView['held']> {
  const row = await queries
    .selectFrom('allowances')
    .select(['held_tokens as tokens', 'held_cost_micros as costMicros'])
    .where('tenant_id', '=', tenantId)
    .where('name', '=', 'tenant')
    .where('model', '=', '')
    .executeTakeFirst();
  return row ?? { tokens: 0, costMicros: 0 };
}
