// A run's places in the pools of its chain: taken when it is accepted or when one is free, given back when it ends.
// Counted as rows, so that no crash and no day's end leaves a counter wrong.
import { type RawBuilder, sql } from 'kysely';
import type { Crossing, PoolName, PoolRef } from './allowances.ts';
import type { Queries } from '../db/database.ts';
import { rewoundOf } from '../runs/rewinds.ts';

/** The locks of the pools that limit runs. Taken before the conversation's lock, needed to place a run after it. */
export interface HeldPools {
  others: readonly PoolName[];
  pools: Limiting[];
  /** The longest a run may take; undefined when no pool says. */
  seconds: number | undefined;
  /** The moment for which runs are counted. */
  at: Date;
}

/** Which pool has no room. */
type Full = { name: PoolName; concurrentRuns: number };

export type Place =
  | { kind: 'admitted'; crossed: Crossing[] }
  /** It stays queued until `admitWaiting` returns it. `full`: what it waits for; a parked run waits for its turn. */
  | { kind: 'waits'; crossed: Crossing[]; full: Full | undefined }
  /** Its day's runs are used up. */
  | { kind: 'refused'; pool: PoolName; limit: 'dayRuns'; allowed: number; used: number; endsAt: string };

/** Pools without a limit on runs are not locked: accepting work of many conversations stays parallel. */
export async function holdPools(
  queries: Queries,
  input: { tenantId: string; conversationId?: string; others?: readonly PoolName[]; at?: Date },
): Promise<HeldPools> {
  const { tenantId, conversationId, others = [], at = new Date() } = input;
  const names = ['tenant', ...(conversationId ? [`conversation/${conversationId}`] : []), ...others];
  const { rows: pools } = await sql<Limiting & { runSeconds: number }>`
    select id as "allowanceId", name, model, day_runs as "dayRuns", concurrent_runs as "concurrentRuns",
      run_seconds as "runSeconds"
    from allowances
    where tenant_id = ${tenantId} and name = any(${names}::text[]) and model = ''
      and (day_runs > 0 or concurrent_runs > 0 or run_seconds > 0)
    order by id for no key update`.execute(queries);
  const seconds = pools.flatMap(({ runSeconds }) => (runSeconds > 0 ? [runSeconds] : []));
  return { others, pools, seconds: seconds.length === 0 ? undefined : Math.min(...seconds), at };
}

interface Limiting extends PoolRef {
  dayRuns: number;
  concurrentRuns: number;
}

/** Looks for a place for one more run, which is to be inserted with it; a parked one counts for its day already. */
export async function findPlace(
  queries: Queries,
  held: HeldPools,
  run: { tenantId: string; parked: boolean },
): Promise<Place> {
  const day = dayOf(held);
  const counted = held.pools.length === 0 ? [] : await countPlaces(queries, run.tenantId, held.pools, day);
  const spent = counted.find((pool) => pool.dayRuns > 0 && pool.today >= pool.dayRuns);
  if (spent) {
    const { name: pool, dayRuns: allowed, today: used } = spent;
    const endsAt = new Date(Date.parse(day) + 86_400_000).toISOString();
    return { kind: 'refused', pool, limit: 'dayRuns', allowed, used, endsAt };
  }
  // No run overtakes those that wait already.
  const full = counted.find(isFull);
  const crossed = await tellRuns(queries, counted, day);
  if (run.parked) return { kind: 'waits', crossed, full: undefined };
  return full ? { kind: 'waits', crossed, full } : { kind: 'admitted', crossed };
}

function isFull({ concurrentRuns, running, waiting }: Counted): boolean {
  return concurrentRuns > 0 && (running >= concurrentRuns || waiting);
}

/** What a run whose turn has come waits for as far as can be seen without a lock; undefined where there is room. */
export async function fullFor(
  queries: Queries,
  run: { id: string; tenantId: string },
): Promise<Full | undefined> {
  const { rows: pools } = await sql<Limiting>`
    select pool.id as "allowanceId", pool.name, pool.model, 0 as "dayRuns", concurrent_runs as "concurrentRuns"
    from allowance_runs account join allowances pool on pool.tenant_id = account.tenant_id
      and pool.name = any(account.chain) and pool.model = '' and concurrent_runs > 0
    where account.run_id = ${run.id} order by pool.id`.execute(queries);
  if (pools.length === 0) return undefined;
  const counted = await countPlaces(queries, run.tenantId, pools, dayOf({ at: new Date() }));
  return counted.find(isFull);
}

/** What a person sees of a queued run that nothing happens to. `rewound`: the run whose rewind comes first. */
export function waitsFor(full?: Full, rewound?: string): string | null {
  if (rewound !== undefined) return `It waits until run ${rewound} has been rewound or brought home.`;
  if (!full) return null;
  const { name, concurrentRuns } = full;
  return `It waits for a place: the allowance ${name} has room for ${concurrentRuns} at once.`;
}

function dayOf({ at }: Pick<HeldPools, 'at'>): string {
  return at.toISOString().slice(0, 10);
}

type Row = Record<string, unknown>;

/** Gives a run its account and its places; part of the statement that inserts the run. No row without a tenant's pool. */
export function placing(
  held: HeldPools,
  place: Exclude<Place, { kind: 'refused' }>,
  run: { id: string; tenantId: string; conversationId: string },
): { account: RawBuilder<Row>; places: RawBuilder<Row> } {
  const state = place.kind === 'admitted' ? 'running' : 'waiting';
  const own = ['tenant', `conversation/${run.conversationId}`, `run/${run.id}`];
  const chain = [...new Set([...own, ...held.others])];
  return {
    account: sql`(
      insert into allowance_runs (run_id, tenant_id, state, chain)
      select ${run.id}::uuid, tenant_id, ${state}, ${chain}::text[] from allowances
      where tenant_id = ${run.tenantId} and name = 'tenant' and model = ''
      returning run_id, tenant_id, chain
    )`,
    places: sql`(
      insert into allowance_places (run_id, name, tenant_id, day, state)
      select run_id, name, tenant_id, ${dayOf(held)}::date, ${state}
      from account cross join unnest(chain) as listed (name)
    )`,
  };
}

/** The pools that a run and what is asked again in its conversation draw from, beside the tenant's. */
export async function chainOf(queries: Queries, runId: string): Promise<PoolName[]> {
  const { rows } = await sql<{ name: PoolName }>`
    select name from allowance_runs cross join unnest(chain) as listed (name)
    where run_id = ${runId} and name <> 'tenant' and name not like 'run/%'`.execute(queries);
  return rows.map(({ name }) => name);
}

interface Counted extends Limiting {
  today: number;
  running: number;
  waiting: boolean;
}

async function countPlaces(
  queries: Queries,
  tenantId: string,
  pools: readonly Limiting[],
  day: string,
): Promise<Counted[]> {
  const { rows } = await sql<Pick<Counted, 'today' | 'running' | 'waiting'>>`
    select
      case when pool.day_runs > 0 then (select count(*) from allowance_places place
        where place.tenant_id = ${tenantId} and place.name = pool.name and place.day = ${day}::date) else 0 end as today,
      (select count(*) from allowance_places place
        where place.tenant_id = ${tenantId} and place.name = pool.name and place.state = 'running') as running,
      exists (select from allowance_places place join runs on runs.id = place.run_id and not runs.parked
        where place.tenant_id = ${tenantId} and place.name = pool.name and place.state = 'waiting') as waiting
    from unnest(${pools.map(({ name }) => name)}::text[], ${pools.map(({ dayRuns }) => dayRuns)}::bigint[])
      with ordinality as pool (name, day_runs, n) order by n`.execute(queries);
  return pools.map((pool, index) => ({
    ...pool,
    ...(rows[index] ?? { today: 0, running: 0, waiting: false }),
  }));
}

async function tellRuns(queries: Queries, counted: Counted[], day: string): Promise<Crossing[]> {
  const crossed: Crossing[] = [];
  for (const { allowanceId, name, model, dayRuns, today } of counted) {
    const used = today + 1;
    if (dayRuns === 0 || used * 5 < dayRuns * 4) continue;
    const percent = used >= dayRuns ? 100 : 80;
    const { rows } = await sql<{ first: boolean }>`
      select tell_allowance(${allowanceId}, 'dayRuns', ${percent}, ${day}) as first`.execute(queries);
    if (rows[0]?.first)
      crossed.push({
        allowanceId,
        name,
        model,
        limit: 'dayRuns',
        percent,
        used,
        allowed: dayRuns,
        period: day,
      });
  }
  return crossed;
}

// More than a server starts in the seconds between two looks; those left over are taken by the next.
const mostAtOnce = 500;

/**
 * Gives free places to runs that wait, by priority and then by age, and returns those whose workflow is to be started.
 * One that waits for a full pool holds up no run that does not need that pool. One with a project waits for every rewind
 * in its conversation, too. In a transaction of its own.
 */
export async function admitWaiting(queries: Queries, tenantId: string): Promise<string[]> {
  await sql`select from allowances where tenant_id = ${tenantId} and concurrent_runs > 0 order by id
    for no key update`.execute(queries);
  const free = await freePlaces(queries, tenantId);
  const full = [...free].flatMap(([name, places]) => (places <= 0 ? [name] : []));
  const { rows } = await sql<{ id: string; names: string[] }>`
    select runs.id, array_agg(place.name) as names
    from allowance_places place join runs on runs.id = place.run_id
    where place.tenant_id = ${tenantId} and place.state = 'waiting' and runs.status = 'queued' and not runs.parked
      and (runs.project_path is null or not exists (${rewoundOf(sql.ref('runs.conversation_id'))}))
    group by runs.id having not array_agg(place.name) && ${full}::text[]
    order by runs.priority, runs.created_at, runs.id limit ${mostAtOnce}`.execute(queries);
  const chosen = rows.filter(({ names }) => {
    if (names.some((name) => (free.get(name) ?? 1) <= 0)) return false;
    for (const name of names) free.set(name, (free.get(name) ?? Number.POSITIVE_INFINITY) - 1);
    return true;
  });
  if (chosen.length === 0) return [];
  const { rows: admitted } = await sql<{ runId: string }>`
    with admitted as (
      update allowance_runs set state = 'running'
      where run_id = any(${chosen.map(({ id }) => id)}::uuid[]) and state = 'waiting' returning run_id
    ), placed as (
      update allowance_places place set state = 'running' from admitted where place.run_id = admitted.run_id
    )
    select run_id as "runId" from admitted order by run_id`.execute(queries);
  return admitted.map(({ runId }) => runId);
}

/** The tenants of whom a run may wait for a place. */
export async function tenantsWaiting(queries: Queries): Promise<string[]> {
  const rows = await queries
    .selectFrom('allowance_runs')
    .innerJoin('runs', 'runs.id', 'allowance_runs.run_id')
    .select('allowance_runs.tenant_id')
    .distinct()
    .where('state', '=', 'waiting')
    .where('runs.status', '=', 'queued')
    .where('runs.parked', '=', false)
    .execute();
  return rows.map((row) => row.tenant_id);
}

/** Of the pools that limit concurrent runs. */
async function freePlaces(queries: Queries, tenantId: string): Promise<Map<string, number>> {
  const { rows } = await sql<{ name: string; free: number }>`
    select name, concurrent_runs - (
      select count(*) from allowance_places place
      where place.tenant_id = pool.tenant_id and place.name = pool.name and place.state = 'running'
    ) as free
    from allowances pool where tenant_id = ${tenantId} and concurrent_runs > 0`.execute(queries);
  return new Map(rows.map(({ name, free }) => [name, free]));
}

/**
 * Gives a run's places back; part of the statement that ends the run, and needs no pool's lock. Its account is closed
 * after it. `waiting`: another run waits for a place.
 */
export function releasing(run: { id: string; tenant_id: string }): {
  account: RawBuilder<Row>;
  places: RawBuilder<Row>;
  waiting: RawBuilder<boolean>;
} {
  return {
    account: sql`(
      update allowance_runs set state = 'ended' where run_id = ${run.id} and state <> 'ended' returning run_id
    )`,
    places: sql`(
      update allowance_places place set state = 'ended' from account where place.run_id = account.run_id
    )`,
    // Every chain begins with the tenant.
    waiting: sql<boolean>`exists (
      select from allowance_places
      where tenant_id = ${run.tenant_id} and name = 'tenant' and state = 'waiting' and run_id <> ${run.id}
    )`,
  };
}
