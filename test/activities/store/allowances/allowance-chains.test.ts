import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  type DrawingAttempt,
  closeAccount,
  closeLost,
  type PoolName,
  reserve,
  closeReservation,
} from '../../../../activities/store/allowances/allowances.ts';
import { admitWaiting } from '../../../../activities/store/allowances/run-places.ts';
import { openStep } from '../../../../activities/store/lifecycle/answers.ts';
import type { Write } from '../../../../activities/store/log/events.ts';
import { type LockedRun, lockRun, type RunRow } from '../../../../activities/store/runs/runs.ts';
import { openTenant, closeUnused, type TestTenant } from '../../../support/allowances.ts';
import { anAttempt, openTestStore } from '../../../support/store.ts';

const connections = 24;
const store = await openTestStore({ connections });
const { log, database } = store;
const { db } = database;

const owners: PoolName[] = ['owner/a', 'owner/b', 'owner/c', 'owner/d'];
const models = ['openai/one', 'openai/two', 'google/three'];
const statuses = [
  { status: 'failed', reason: 'model_failed' },
  { status: 'cancelled', reason: 'cancelled' },
  { status: 'interrupted', reason: 'interrupted' },
] as const;

interface World {
  tenant: TestTenant;
  runs: { run: RunRow; step: number; attempt: number }[];
}

interface Turn {
  act: keyof typeof acts;
  run: number;
  /** Which owners, as bits. */
  chain: number;
  amount: number;
}

function keyOf({ tenant, runs }: World, turn: Turn): DrawingAttempt & { of: World['runs'][number] } {
  const of = runs[turn.run % runs.length];
  if (!of) throw new Error('There is no run.');
  return { tenantId: tenant.id, runId: of.run.id, step: of.step, attempt: of.attempt, of };
}

function reservation(key: DrawingAttempt, { amount }: Turn): Parameters<typeof reserve>[1] {
  // Above and below the margin that a dead call is charged.
  const worst = {
    inputTokens: amount,
    outputTokens: amount * 500,
    costMicros: amount * 3,
    promptCostMicros: amount,
  };
  return { ...key, model: models[amount % models.length] ?? '', worst };
}

/** Whatever the product does with allowances, in the shapes in which it does it. */
const acts = {
  accept: async (world: World, { chain }: Turn) => {
    const others = owners.filter((_, index) => chain & (1 << index));
    // In any order: the chain's own order must not matter.
    if (chain % 2) others.reverse();
    const accepted = await world.tenant.accept({}, others);
    if (accepted.became === 'started') world.runs.push({ run: accepted.run, step: 1, attempt: 1 });
  },
  reserve: (world: World, turn: Turn) => reserve(db, reservation(keyOf(world, turn), turn)),
  again: (world: World, turn: Turn) => {
    const key = keyOf(world, turn);
    key.of.attempt += 1;
    return reserve(db, reservation(key, turn));
  },
  closeReservation: async (world: World, turn: Turn) => {
    const key = keyOf(world, turn);
    const { amount } = turn;
    await closeReservation(db, key, {
      inputTokens: amount,
      cachedInputTokens: 0,
      outputTokens: 0,
      costMicros: amount * 2,
      estimated: false,
    });
    key.of.step += 1;
  },
  // Its worker is seen dead.
  closeLost: (world: World, turn: Turn) => {
    const { of, step, attempt } = keyOf(world, turn);
    return closeLost(db, { run: of.run, step, attempt });
  },
  closeUnused: (world: World, turn: Turn) => closeUnused(db, keyOf(world, turn)),
  // Inside a transaction that then takes the conversation's lock, as an activity may.
  open: (world: World, turn: Turn) => {
    const key = keyOf(world, turn);
    return log.write('test', async (write) => {
      await reserve(write.tx, reservation(key, turn));
      const attempt = anAttempt(key.of.run, `model/${key.step}`, key.attempt);
      await openStep(write, await runOf(write, key), { step: key.step, attempt, keep: async () => 'kept' });
    });
  },
  end: async (world: World, turn: Turn) => {
    const { of, ...key } = keyOf(world, turn);
    await store.end(of.run, statuses[turn.amount % statuses.length]);
    await closeAccount(db, key);
  },
  admit: ({ tenant }: World) => db.transaction().execute((tx) => admitWaiting(tx, tenant.id)),
  limit: ({ tenant }: World, { chain, amount }: Turn) =>
    tenant.limit(owners[chain % owners.length] ?? 'tenant', {
      dayCostMicros: amount * 40,
      concurrentRuns: amount,
    }),
};

async function runOf(write: Write, { tenantId, runId }: DrawingAttempt): Promise<LockedRun> {
  const run = await lockRun(write, tenantId, runId);
  if (!run) throw new Error('There is no run.');
  return run;
}

function isExpected(error: unknown): boolean {
  // A close before its reservation, an attempt that comes late, and a limit that was changed meanwhile.
  return error instanceof Error && /Nothing was reserved|comes late|to match object/.test(error.message);
}

/** What every pool says of itself beside what the ledger says; none when they agree. */
const disagreements = `
  with open as (
    select held.* from allowance_entries held where held.kind = 'reserve' and not exists (
      select from allowance_entries closing where closing.run_id = held.run_id and closing.step = held.step
        and closing.attempt = held.attempt and closing.closes)
  ), told as (
    select pool.id,
      (select coalesce(sum(tokens), 0) from open where pool.id = any(open.allowances)) as held_tokens,
      (select coalesce(sum(cost_micros), 0) from open where pool.id = any(open.allowances)) as held_cost_micros,
      (select coalesce(sum(cost_micros), 0) from open where pool.id = any(open.allowances) and open.day = pool.day)
        as day_held_cost_micros,
      (select coalesce(sum(case kind when 'settle' then tokens when 'refund' then -tokens else 0 end), 0)
        from allowance_entries entry where pool.id = any(entry.allowances)) as used_tokens,
      (select coalesce(sum(cost_micros), 0) from allowance_entries entry
        where pool.id = any(entry.allowances) and kind = 'settle') as used_cost_micros
    from allowances pool
  )
  select pool.name, pool.model, told.*, pool.held_tokens, pool.held_cost_micros, pool.used_tokens, pool.used_cost_micros
  from allowances pool join told on told.id = pool.id
  where (pool.held_tokens, pool.held_cost_micros, pool.used_tokens, pool.used_cost_micros)
      is distinct from (told.held_tokens, told.held_cost_micros, told.used_tokens, told.used_cost_micros)
    or pool.day_held_cost_micros <> told.day_held_cost_micros`;

/** Calls that died and whose cost with what is possible beside it is not all that was reserved for them. */
const wronglyPossible = `
  select held.cost_micros as most, closing.cost_micros, closing.possible_cost_micros
  from allowance_entries closing join allowance_entries held on not held.closes
    and (held.run_id, held.step, held.attempt) = (closing.run_id, closing.step, closing.attempt)
  where closing.closes and closing.reason like 'The attempt died:%'
    and closing.cost_micros + closing.possible_cost_micros <> held.cost_micros`;

const turns = fc.array(
  fc.record({
    act: fc.constantFrom(...(Object.keys(acts) as (keyof typeof acts)[])),
    run: fc.nat(7),
    chain: fc.nat(15),
    amount: fc.integer({ min: 1, max: 9 }),
  }),
  { minLength: 80, maxLength: 160 },
);

test('whatever is drawn from whichever chains at once, nobody waits in a circle and every pool agrees with the ledger', async () => {
  await fc.assert(
    fc.asyncProperty(turns, async (program) => {
      const tenant = openTenant(store);
      await tenant.limit('owner/c', { concurrentRuns: 3 });
      await tenant.limit('owner/a', { dayCostMicros: 200 });
      await tenant.limit('tenant', { dayCostMicros: 600, hourCalls: 60 });
      await tenant.limit('tenant', { dayTokens: 100_000 }, 'openai/*');
      await tenant.limit('owner/a', { costMicros: 90 }, 'google/three');
      const world: World = { tenant, runs: [] };
      for (const chain of [[], ['owner/a'], ['owner/b', 'owner/a'], ['owner/d']] as PoolName[][])
        world.runs.push({ run: await tenant.run(chain), step: 1, attempt: 1 });
      const unexpected: unknown[] = [];
      let next = 0;
      const worker = async (): Promise<void> => {
        for (;;) {
          const turn = program[(next += 1) - 1];
          if (!turn) return;
          try {
            await acts[turn.act](world, turn);
          } catch (error) {
            if (!isExpected(error)) unexpected.push([turn, error]);
          }
        }
      };
      await Promise.all(Array.from({ length: connections / 2 }, worker));
      expect(unexpected).toEqual([]);
      expect((await database.pool.query(disagreements)).rows).toEqual([]);
      expect((await database.pool.query(wronglyPossible)).rows).toEqual([]);
    }),
    { numRuns: 10, endOnFailure: true },
  );
  const { rows } = await database.pool.query<{ deadlocks: number }>(
    'select deadlocks from pg_stat_database where datname = current_database()',
  );
  expect(rows).toEqual([{ deadlocks: 0 }]);
});
