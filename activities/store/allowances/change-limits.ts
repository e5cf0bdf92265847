// Changing the limits of allowances, and making the first: who did it and why is in the ledger.
import { sql } from 'kysely';
import { v7 as uuid } from 'uuid';
import type { LimitName } from '../../../workflows/contracts/allowance.ts';
import type { PoolName } from './allowances.ts';
import { toAuditRow } from '../access/audit.ts';
import { type AllowanceRow, columnsOf, type Limits, toLimits } from './list-allowances.ts';
import type { Db, Queries } from '../db/database.ts';
import { limitsProblem } from './check-limits.ts';

// What a day may cost until a person sets a limit.
const firstDayCostMicros = 25_000_000;

/** Gives the tenant its pool unless it has one; safe to call at every start, from every process. */
export async function seedTenantAllowance(db: Db, tenantId: string): Promise<void> {
  const limits = { dayCostMicros: firstDayCostMicros };
  const [by, reason] = ['first start', '25 dollars a day until somebody sets another limit.'];
  await db.transaction().execute(async (tx) => {
    const pool = { tenantId, name: 'tenant', model: '', limits } as const;
    if (!(await insertAllowance(tx, pool, { by, reason }))) return;
    const detail = { name: 'tenant', model: '', limits, version: 1 };
    const entry = { tenantId, actor: by, action: 'allowance-create', reason, detail };
    await tx.insertInto('audit').values(toAuditRow(entry)).execute();
  });
}

export interface LimitChange {
  tenantId: string;
  name: PoolName;
  model: string;
  /** Those left out stay as they are; of a new pool, unlimited. */
  limits: Partial<Limits>;
  /** The version that was read; zero for a pool that does not exist. */
  version: number;
  by: string;
  reason: string;
}

/** `stale`: it was changed or made meanwhile. `raised`: the limits by which more model calls may fit than before. */
export type ChangedLimits =
  | { kind: 'changed'; id: string; version: number; raised: LimitName[] }
  | { kind: 'stale'; version: number };

/** In a transaction of its own, which holds no other lock. */
export async function changeLimits(queries: Queries, change: LimitChange): Promise<ChangedLimits> {
  const { tenantId, name, model, limits, by, reason } = change;
  const problem = limitsProblem(change);
  if (problem) throw new RangeError(problem);
  if (change.version === 0) {
    const id = await insertAllowance(queries, { tenantId, name, model, limits }, { by, reason });
    if (id !== undefined) return { kind: 'changed', id, version: 1, raised: [] };
  }
  const row = await queries
    .selectFrom('allowances')
    .selectAll()
    .where('tenant_id', '=', tenantId)
    .where('name', '=', name)
    .where('model', '=', model)
    .forNoKeyUpdate()
    .executeTakeFirst();
  if (!row || row.version !== change.version) return { kind: 'stale', version: row?.version ?? 0 };
  const before = toLimits(row);
  const after = { ...before, ...limits };
  const version = row.version + 1;
  await queries
    .updateTable('allowances')
    .set({
      ...columnsOf(after),
      version,
      // Of a limit that was changed the thresholds are told anew.
      told: row.told.filter((mark) => {
        const limit = mark.slice(0, mark.indexOf('/')) as LimitName;
        return before[limit] === after[limit];
      }),
    })
    .where('id', '=', row.id)
    .execute();
  await noteChange(queries, row, { before, after }, { by, reason });
  return { kind: 'changed', id: row.id, version, raised: raisedOf(before, after) };
}

const drawn = ['hourCalls', 'tokens', 'costMicros', 'dayTokens', 'dayCostMicros'] as const;

function raisedOf(before: Limits, after: Limits): LimitName[] {
  const most = (limit: number): number => (limit === 0 ? Number.POSITIVE_INFINITY : limit);
  return drawn.filter((name) => most(after[name]) > most(before[name]));
}

const unlimited: Limits = {
  runSeconds: 0,
  concurrentRuns: 0,
  dayRuns: 0,
  hourCalls: 0,
  tokens: 0,
  costMicros: 0,
  dayTokens: 0,
  dayCostMicros: 0,
  models: [],
};

async function insertAllowance(
  queries: Queries,
  pool: { tenantId: string; name: PoolName; model: string; limits: Partial<Limits> },
  who: { by: string; reason: string },
): Promise<string | undefined> {
  const limits = { ...unlimited, ...pool.limits };
  const row = await queries
    .insertInto('allowances')
    .values({
      id: uuid(),
      tenant_id: pool.tenantId,
      name: pool.name,
      model: pool.model,
      ...columnsOf(limits),
    })
    .onConflict((conflict) => conflict.columns(['tenant_id', 'name', 'model']).doNothing())
    .returningAll()
    .executeTakeFirst();
  if (row) await noteChange(queries, row, { before: null, after: limits }, who);
  return row?.id;
}

async function noteChange(
  queries: Queries,
  row: AllowanceRow,
  change: { before: Limits | null; after: Limits },
  { by, reason }: { by: string; reason: string },
): Promise<void> {
  await sql`
    insert into allowance_entries (tenant_id, kind, at, day, model, allowances, change, by, reason)
    values (${row.tenant_id}, 'limit', clock_timestamp(), (clock_timestamp() at time zone 'UTC')::date, ${row.model},
      ${[row.id]}::uuid[], ${JSON.stringify(change)}::jsonb, ${by}, ${reason})`.execute(queries);
}
