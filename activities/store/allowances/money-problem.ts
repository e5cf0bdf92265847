// Whether the pools that work would draw from have anything left, before it is begun. What a call of it draws, the
// reservation decides.
import { sql } from 'kysely';
import type { Queries } from '../db/database.ts';
import type { PoolName } from './allowances.ts';

interface Pools {
  tenantId: string;
  names: readonly PoolName[];
}

/** The pools whose money or tokens are used up, each with that in one sentence. */
export async function moneyProblems(
  queries: Queries,
  { tenantId, names }: Pools,
  at: Date,
): Promise<Map<PoolName, string>> {
  const today = at.toISOString().slice(0, 10);
  const { rows } = await sql<{ name: PoolName; limit: string | null }>`select name, case
      when cost_micros > 0 and used_cost_micros >= cost_micros then 'its money'
      when tokens > 0 and used_tokens >= tokens then 'its tokens'
      when day_cost_micros > 0 and day = ${today}::date and day_used_cost_micros >= day_cost_micros
        then 'the money of today, until midnight UTC'
      when day_tokens > 0 and day = ${today}::date and day_used_tokens >= day_tokens
        then 'the tokens of today, until midnight UTC'
      end as "limit"
    from allowances where tenant_id = ${tenantId} and name = any(${[...names]}::text[]) and model = ''
    order by name`.execute(queries);
  const spent = rows.filter(({ limit }) => limit !== null);
  return new Map(
    spent.map(({ name, limit }) => [name, `The allowance ${name} has used up ${limit}.`] as const),
  );
}
