// Allowances as people see them: the limits of each pool and how far it is used. Reading sends no event.
import { type Selectable, sql } from 'kysely';
import type { AllowanceView } from '../../../workflows/contracts/allowance.ts';
import type { PoolName } from './allowances.ts';
import type { Queries } from '../db/database.ts';
import type { Allowances } from '../db/tables.ts';

export type AllowanceRow = Selectable<Allowances>;

/** Zero is unlimited, as is an empty list of models. `provider/*` stands for all of a provider's models. */
export type Limits = AllowanceView['limits'];

/** The column of each. */
const columns = {
  runSeconds: 'run_seconds',
  concurrentRuns: 'concurrent_runs',
  dayRuns: 'day_runs',
  hourCalls: 'hour_calls',
  tokens: 'tokens',
  costMicros: 'cost_micros',
  dayTokens: 'day_tokens',
  dayCostMicros: 'day_cost_micros',
  models: 'models',
} as const satisfies Record<keyof Limits, keyof AllowanceRow>;

type LimitColumns = Pick<AllowanceRow, (typeof columns)[keyof Limits]>;

const named = Object.entries(columns) as [keyof Limits, keyof LimitColumns][];

export function toLimits(row: LimitColumns): Limits {
  return Object.fromEntries(named.map(([limit, column]) => [limit, row[column]])) as unknown as Limits;
}

export function columnsOf(limits: Limits): LimitColumns {
  return Object.fromEntries(
    named.map(([limit, column]) => [column, limits[limit]]),
  ) as unknown as LimitColumns;
}

/** Of all pools of the tenant, or of one, as they stand now: what was used on another day is not used today. */
export async function listAllowances(
  queries: Queries,
  input: { tenantId: string; name?: PoolName; limit: number; after?: string; at?: Date },
): Promise<AllowanceView[]> {
  const { tenantId, name = null, limit, after = null, at = new Date() } = input;
  const day = at.toISOString().slice(0, 10);
  const { rows } = await sql<AllowanceRow & Counts>`
    select pool.*, pool.day >= ${day}::date as current,
      (select count(*) from allowance_places place where place.tenant_id = pool.tenant_id and place.name = pool.name
        and place.day = ${day}::date) as runs_today,
      (select count(*) from allowance_places place where place.tenant_id = pool.tenant_id and place.name = pool.name
        and place.state = 'running') as runs_now,
      (select count(*) from allowance_calls call where call.allowance_id = pool.id
        and call.at > ${at}::timestamptz - interval '1 hour') as hour_calls_used
    from allowances pool
    where pool.tenant_id = ${tenantId} and (${name}::text is null or pool.name = ${name}::text)
      and (${after}::uuid is null or pool.id > ${after}::uuid)
    order by pool.id limit ${limit}`.execute(queries);
  return rows.map(toAllowance);
}

interface Counts {
  /** Whether its day's counters are those of today. */
  current: boolean;
  runs_today: number;
  runs_now: number;
  hour_calls_used: number;
}

function toAllowance(row: AllowanceRow & Counts): AllowanceView {
  const ofAll = row.model === '';
  const today = (count: number): number => (row.current ? count : 0);
  return {
    id: row.id,
    name: row.name,
    model: row.model,
    version: row.version,
    limits: toLimits(row),
    used: {
      concurrentRuns: ofAll ? row.runs_now : 0,
      dayRuns: ofAll ? row.runs_today : 0,
      hourCalls: row.hour_calls_used,
      tokens: row.used_tokens,
      costMicros: row.used_cost_micros,
      dayTokens: today(row.day_used_tokens),
      dayCostMicros: today(row.day_used_cost_micros),
    },
    held: {
      tokens: row.held_tokens,
      costMicros: row.held_cost_micros,
      dayTokens: today(row.day_held_tokens),
      dayCostMicros: today(row.day_held_cost_micros),
    },
  };
}
