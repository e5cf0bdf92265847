// A tenant of its own with pools and admitted runs, by the product's own functions and in the order of its locks.
import { expect } from 'vitest';
import { v7 as uuid } from 'uuid';
import { type Accepted, acceptRun, type NewRun } from '../../activities/store/lifecycle/accept-run.ts';
import {
  type Allowance,
  changeLimits,
  type Limits,
  listAllowances,
} from '../../activities/store/allowances/allowance-limits.ts';
import {
  type DrawingAttempt,
  type PoolName,
  reserve,
  type Reservation,
  settle,
  type Settlement,
} from '../../activities/store/allowances/allowances.ts';
import type { Queries } from '../../activities/store/db/database.ts';
import { holdPools } from '../../activities/store/allowances/run-places.ts';
import type { RunRow } from '../../activities/store/runs/runs.ts';
import { Failure } from '../../workflows/contracts/failures.ts';
import { aRun, type TestStore } from './store.ts';

export interface TestTenant {
  id: string;
  /** Makes a pool, or changes it. Returns the runs that waited for it. */
  limit(name: PoolName, limits: Partial<Limits>, model?: string): Promise<string[]>;
  pool(name: PoolName, at?: Date, model?: string): Promise<Allowance>;
  /** Accepts a run as on a day; of one that is refused, why. */
  accept(changes?: Partial<NewRun>, others?: PoolName[], at?: Date): Promise<Accepted | Refused>;
  /** One that was admitted. */
  run(others?: PoolName[], changes?: Partial<NewRun>): Promise<RunRow>;
  reserve(
    run: { id: string },
    key: Partial<DrawingAttempt>,
    worst: { tokens?: number; costMicros?: number; model?: string },
  ): Promise<Reservation>;
  settle(
    run: { id: string },
    key: Partial<DrawingAttempt>,
    use: { tokens?: number; costMicros?: number; estimated?: boolean },
  ): Promise<Settlement>;
}

export interface Refused {
  became: 'refused';
  code: string;
}

export function openTenant({ log, database: { db } }: TestStore): TestTenant {
  const id = uuid();

  function acceptOnce(changes: Partial<NewRun>, pools: PoolName[], at: Date): Promise<Accepted> {
    return log.write('test', async (write) => {
      const input = aRun({ tenantId: id, pools, ...changes });
      return acceptRun(write, input, await holdPools(write.tx, { ...input, others: pools, at }));
    });
  }

  const tenant: TestTenant = {
    id,
    async limit(name, limits, model = '') {
      const [known] = (await listAllowances(db, { tenantId: id, name, limit: 100 })).filter(
        (pool) => pool.model === model,
      );
      const changed = await db.transaction().execute((tx) =>
        changeLimits(tx, {
          tenantId: id,
          name,
          model,
          limits,
          version: known?.version ?? 0,
          by: 'test',
          reason: 'a test',
        }),
      );
      expect(changed).toMatchObject({ kind: 'changed', version: (known?.version ?? 0) + 1 });
      return changed.kind === 'changed' ? changed.waiting : [];
    },
    async pool(name, at = new Date(), model = '') {
      const pools = await listAllowances(db, { tenantId: id, name, limit: 100, at });
      const pool = pools.find((one) => one.model === model);
      if (!pool) throw new Error(`There is no pool ${name}.`);
      return pool;
    },
    async accept(changes = {}, others = [], at = new Date()) {
      try {
        return await acceptOnce(changes, others, at);
      } catch (error) {
        if (!(error instanceof Failure)) throw error;
        return { became: 'refused', code: error.code, ...error.extra };
      }
    },
    async run(others = [], changes = {}) {
      const { run, became } = await acceptOnce(changes, others, new Date());
      expect(became).toBe('started');
      return run;
    },
    reserve: (run, key, { tokens = 0, costMicros = 0, model = 'openai/gpt' }) =>
      reserve(db, {
        ...keyOf(run, key),
        model,
        worst: { inputTokens: Math.floor(tokens / 2), outputTokens: Math.ceil(tokens / 2), costMicros },
      }),
    settle: (run, key, { tokens = 0, costMicros = 0, estimated = false }) =>
      settle(db, keyOf(run, key), {
        inputTokens: Math.floor(tokens / 2),
        cachedInputTokens: 0,
        outputTokens: Math.ceil(tokens / 2),
        costMicros,
        estimated,
      }),
  };
  const keyOf = (run: { id: string }, key: Partial<DrawingAttempt>): DrawingAttempt => ({
    tenantId: id,
    runId: run.id,
    step: 1,
    attempt: 1,
    ...key,
  });
  return tenant;
}

/** Settles a reservation of which nothing was used. */
export function settleUnused(queries: Queries, key: DrawingAttempt): Promise<Settlement> {
  const nothing = { inputTokens: 0, cachedInputTokens: 0, outputTokens: 0, costMicros: 0 };
  return settle(queries, key, { ...nothing, estimated: false });
}

/** Of a pool: what is used and held of money and of tokens, in all and today. */
export function sums({ used, held }: Allowance) {
  return {
    costMicros: [used.costMicros, held.costMicros],
    tokens: [used.tokens, held.tokens],
    dayCostMicros: [used.dayCostMicros, held.dayCostMicros],
    dayTokens: [used.dayTokens, held.dayTokens],
  };
}

/** The same sums in all and today. */
export function allOf(costMicros: number[], tokens: number[]): ReturnType<typeof sums> {
  return { costMicros, tokens, dayCostMicros: costMicros, dayTokens: tokens };
}

export const reserved: Reservation = { kind: 'reserved', crossed: [] };
