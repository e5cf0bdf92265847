// Runs as people see them, with what their calls under way hold and what was charged at a ceiling.
import { sql } from 'kysely';
import type { RunView } from '../../../workflows/contracts/run.ts';
import { delegationsOf } from '../delegation/delegations.ts';
import type { Queries } from '../db/database.ts';
import { homecomingsOf } from '../runs/rewinds.ts';
import { type RunMoney, type RunRow, toRunView } from '../runs/runs.ts';

/** In the order of the rows. */
export async function toRunViews(queries: Queries, runs: readonly RunRow[]): Promise<RunView[]> {
  const money = await moneyOf(
    queries,
    runs.map(({ id }) => id),
  );
  const delegations = await delegationsOf(queries, runs);
  const homecomings = await homecomingsOf(queries, runs);
  return runs.map((run) =>
    toRunView(
      run,
      money.get(run.id) ?? { ceilingCostMicros: 0, heldCostMicros: 0 },
      delegations.get(run.id) ?? null,
      homecomings.get(run.id) ?? null,
    ),
  );
}

async function moneyOf(queries: Queries, runIds: string[]): Promise<Map<string, RunMoney>> {
  if (runIds.length === 0) return new Map();
  const { rows } = await sql<{ id: string } & RunMoney>`
    select asked.id, coalesce(last.held, 0) as "heldCostMicros", (
        select coalesce(sum(cost_micros), 0)::bigint from model_calls where run_id = asked.id and not priced
      ) as "ceilingCostMicros"
    from unnest(${runIds}::uuid[]) asked (id)
    left join lateral (
      -- A run has one call at a time, and what closes a reservation comes right after it.
      select case when closes then 0 else cost_micros end as held from allowance_entries
      where run_id = asked.id and step is not null order by step desc, attempt desc, closes desc limit 1
    ) last on true`.execute(queries);
  return new Map(rows.map(({ id, ...money }) => [id, money]));
}
