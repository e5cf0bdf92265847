// Allowances as people see and set them: the limits of each pool and how far it is used. Reading tells nobody anything.
import { type Selectable, sql } from 'kysely';
import { v7 as uuid } from 'uuid';
import type { LimitName, PoolName } from './allowances.ts';
import { toAuditRow } from '../access/audit.ts';
import type { Db, Queries } from '../db/database.ts';
import { limitsProblem } from './limits-problem.ts';
import { transact } from '../db/transactions.ts';
import type { Allowances } from '../db/tables.ts';

/** Zero is unlimited, as is an empty list of models. `provider/*` stands for all of a provider's models. */
export interface Limits {
  /** How long a run may take. */
  runSeconds: number;
  concurrentRuns: number;
  /** Of a UTC day. */
  dayRuns: number;
  /** Model calls in any sixty minutes. */
  hourCalls: number;
  tokens: number;
  costMicros: number;
  dayTokens: number;
  dayCostMicros: number;
  models: string[];
}

export interface Allowance {
  id: string;
  name: PoolName;
  /** Empty: every model's calls draw from it. */
  model: string;
  version: number;
  limits: Limits;
  used: Record<LimitName | 'concurrentRuns', number>;
  /** What open reservations hold of it, beside what is used. */
  held: Record<Exclude<LimitName, 'dayRuns' | 'hourCalls'>, number>;
}

type AllowanceRow = Selectable<Allowances>;
type LimitColumns = Pick<
  AllowanceRow,
  | 'run_seconds'
  | 'concurrent_runs'
  | 'day_runs'
  | 'hour_calls'
  | 'tokens'
  | 'cost_micros'
  | 'day_tokens'
  | 'day_cost_micros'
  | 'models'
>;

// What a first run may cost before somebody has thought about limits.
const firstDayCostMicros = 25_000_000;

/** Gives the tenant its pool unless it has one; safe to call at every start, from every process. */
export async function seedTenantAllowance(db: Db, tenantId: string): Promise<void> {
  const limits = { dayCostMicros: firstDayCostMicros };
  const [by, reason] = ['first start', '25 dollars a day until somebody sets another limit.'];
  await transact(db, 'first-allowance', async (tx) => {
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

/** `stale`: somebody else has changed or made it. `waiting`: the runs that wait for a pool of which a limit was raised. */
export type ChangedLimits =
  | { kind: 'changed'; id: string; version: number; raised: DrawnLimit[]; waiting: string[] }
  | { kind: 'stale'; version: number };

/** In a transaction of its own, which holds no other lock. */
export async function changeLimits(queries: Queries, change: LimitChange): Promise<ChangedLimits> {
  const { tenantId, name, model, limits, by, reason } = change;
  const problem = limitsProblem(change);
  if (problem) throw new RangeError(problem);
  if (change.version === 0) {
    const id = await insertAllowance(queries, { tenantId, name, model, limits }, { by, reason });
    if (id !== undefined) return { kind: 'changed', id, version: 1, raised: [], waiting: [] };
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
  const raised = raisedOf(before, after);
  const waiting = raised.length > 0 ? await waitingFor(queries, row.id) : [];
  return { kind: 'changed', id: row.id, version, raised, waiting };
}

const drawn = ['hourCalls', 'tokens', 'costMicros', 'dayTokens', 'dayCostMicros'] as const;

type DrawnLimit = (typeof drawn)[number];

/** The limits by which more model calls may fit than before. */
function raisedOf(before: Limits, after: Limits): DrawnLimit[] {
  const most = (limit: number): number => (limit === 0 ? Number.POSITIVE_INFINITY : limit);
  return drawn.filter((name) => most(after[name]) > most(before[name]));
}

/** A note of a run that has reserved since is out of date; taking it away would cost every reservation. */
async function waitingFor(queries: Queries, allowanceId: string): Promise<string[]> {
  const { rows } = await sql<{ runId: string }>`
    select waits.run_id as "runId"
    from allowance_waits waits join allowance_runs account on account.run_id = waits.run_id
    where waits.allowance_id = ${allowanceId} and account.state <> 'ended' and not exists (
      select from allowance_entries entry
      where entry.run_id = waits.run_id and entry.closes = false and entry.at >= waits.since
    )
    order by waits.since, waits.run_id`.execute(queries);
  return rows.map(({ runId }) => runId);
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

/** Of all pools of the tenant, or of one, as they stand now: what was used on another day is not used today. */
export async function listAllowances(
  queries: Queries,
  input: { tenantId: string; name?: PoolName; limit: number; after?: string; at?: Date },
): Promise<Allowance[]> {
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

function toAllowance(row: AllowanceRow & Counts): Allowance {
  const ofAll = row.model === '';
  return {
    id: row.id,
    name: row.name as PoolName,
    model: row.model,
    version: row.version,
    limits: toLimits(row),
    used: {
      concurrentRuns: ofAll ? row.runs_now : 0,
      dayRuns: ofAll ? row.runs_today : 0,
      hourCalls: row.hour_calls_used,
      tokens: row.used_tokens,
      costMicros: row.used_cost_micros,
      dayTokens: row.current ? row.day_used_tokens : 0,
      dayCostMicros: row.current ? row.day_used_cost_micros : 0,
    },
    held: {
      tokens: row.held_tokens,
      costMicros: row.held_cost_micros,
      dayTokens: row.current ? row.day_held_tokens : 0,
      dayCostMicros: row.current ? row.day_held_cost_micros : 0,
    },
  };
}

function toLimits(row: LimitColumns): Limits {
  return {
    runSeconds: row.run_seconds,
    concurrentRuns: row.concurrent_runs,
    dayRuns: row.day_runs,
    hourCalls: row.hour_calls,
    tokens: row.tokens,
    costMicros: row.cost_micros,
    dayTokens: row.day_tokens,
    dayCostMicros: row.day_cost_micros,
    models: row.models,
  };
}

function columnsOf(limits: Limits): LimitColumns {
  return {
    run_seconds: limits.runSeconds,
    concurrent_runs: limits.concurrentRuns,
    day_runs: limits.dayRuns,
    hour_calls: limits.hourCalls,
    tokens: limits.tokens,
    cost_micros: limits.costMicros,
    day_tokens: limits.dayTokens,
    day_cost_micros: limits.dayCostMicros,
    models: limits.models,
  };
}
