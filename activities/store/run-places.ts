// A run's places in the pools of its chain: taken when it is accepted or when one is free, given back when it ends.
// Counted as rows, so that no crash and no day's end leaves a counter wrong.
import { sql } from 'kysely';
import type { Crossing, PoolName, PoolRef } from './allowances.ts';
import type { Queries } from './database.ts';
import type { RunRow } from './runs.ts';

/** The locks of the pools that limit runs. Taken before the conversation's lock, needed to admit a run after it. */
export interface HeldPools {
  others: readonly PoolName[];
  pools: (PoolRef & { dayRuns: number; concurrentRuns: number })[];
  /** The longest a run may take; undefined when no pool says. */
  seconds: number | undefined;
}

export type Admission =
  | { kind: 'admitted'; crossed: Crossing[] }
  /** It stays queued until `admitWaiting` returns it; call that when this transaction has committed. */
  | { kind: 'waits'; crossed: Crossing[] }
  /** Its day's runs are used up: the caller undoes its transaction and refuses, naming the pool. */
  | (PoolRef & { kind: 'refused'; limit: 'dayRuns'; allowed: number; used: number; endsAt: string })
  | { kind: 'denied'; reason: string };

/** Pools without a limit on runs are not locked: accepting work of many conversations stays parallel. */
export async function holdPools(
  queries: Queries,
  input: { tenantId: string; conversationId?: string | undefined; others?: readonly PoolName[] },
): Promise<HeldPools> {
  const { tenantId, conversationId, others = [] } = input;
  const names = ['tenant', ...(conversationId ? [`conversation/${conversationId}`] : []), ...others];
  const rows = await queries
    .selectFrom('allowances')
    .select(['id', 'name', 'model', 'day_runs', 'concurrent_runs', 'run_seconds'])
    .where('tenant_id', '=', tenantId)
    .where('name', 'in', names)
    .where('model', '=', '')
    .where((eb) => eb.or([eb('day_runs', '>', 0), eb('concurrent_runs', '>', 0), eb('run_seconds', '>', 0)]))
    .orderBy('id')
    .forNoKeyUpdate()
    .execute();
  const seconds = rows.flatMap((row) => (row.run_seconds > 0 ? [row.run_seconds] : []));
  return {
    others,
    pools: rows.map((row) => ({
      allowanceId: row.id,
      name: row.name as PoolName,
      model: row.model,
      dayRuns: row.day_runs,
      concurrentRuns: row.concurrent_runs,
    })),
    seconds: seconds.length === 0 ? undefined : Math.min(...seconds),
  };
}

/** Admits a run that was just inserted; a parked one waits behind its conversation and counts for its day already. */
export async function admitRun(
  queries: Queries,
  held: HeldPools,
  run: Pick<RunRow, 'id' | 'tenant_id' | 'conversation_id' | 'parked'>,
  at: Date = new Date(),
): Promise<Admission> {
  const day = at.toISOString().slice(0, 10);
  const counted = held.pools.length === 0 ? [] : await countPlaces(queries, run.tenant_id, held, day);
  const spent = counted.find((pool) => pool.dayRuns > 0 && pool.today >= pool.dayRuns);
  if (spent) {
    const { allowanceId, name, model, dayRuns, today } = spent;
    const endsAt = new Date(Date.parse(day) + 86_400_000).toISOString();
    return {
      kind: 'refused',
      allowanceId,
      name,
      model,
      limit: 'dayRuns',
      allowed: dayRuns,
      used: today,
      endsAt,
    };
  }
  // Nobody overtakes those who wait already.
  const full = counted.some(
    (pool) => pool.concurrentRuns > 0 && (pool.running >= pool.concurrentRuns || pool.waiting),
  );
  const state = run.parked || full ? 'waiting' : 'running';
  const own = ['tenant', `conversation/${run.conversation_id}`, `run/${run.id}`];
  const chain = [...new Set([...own, ...held.others])];
  const { rows } = await sql`
    with account as (
      insert into allowance_runs (run_id, tenant_id, state, chain)
      select ${run.id}::uuid, tenant_id, ${state}, ${chain}::text[] from allowances
      where tenant_id = ${run.tenant_id} and name = 'tenant' and model = ''
      returning run_id, tenant_id, chain
    )
    insert into allowance_places (run_id, name, tenant_id, day, state)
    select run_id, name, tenant_id, ${day}::date, ${state} from account cross join unnest(chain) as listed (name)
    returning run_id`.execute(queries);
  if (rows.length === 0)
    return { kind: 'denied', reason: 'The tenant has no allowance; make one to let it run anything.' };
  return { kind: state === 'running' ? 'admitted' : 'waits', crossed: await tellRuns(queries, counted, day) };
}

interface Counted extends PoolRef {
  dayRuns: number;
  concurrentRuns: number;
  today: number;
  running: number;
  waiting: boolean;
}

async function countPlaces(
  queries: Queries,
  tenantId: string,
  { pools }: HeldPools,
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
 * One that waits for a full pool holds up nobody who does not need that pool. In a transaction of its own.
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

/** Gives a run's places back in the transaction that ends it; needs no pool's lock. Its account is closed after it. */
export async function releasePlaces(queries: Queries, runId: string): Promise<void> {
  await sql`
    with ended as (
      update allowance_runs set state = 'ended' where run_id = ${runId} and state <> 'ended' returning run_id
    )
    update allowance_places place set state = 'ended' from ended where place.run_id = ended.run_id`.execute(
    queries,
  );
}
