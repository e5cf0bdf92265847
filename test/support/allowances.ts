// A tenant of its own with pools and admitted runs, by the product's own functions and in the order of its locks.
import { expect } from 'vitest';
import { v7 as uuid } from 'uuid';
import type { Accepted } from '../../activities/store/lifecycle/accept-run.ts';
import type { ActivityDeps } from '../../activities/deps.ts';
import { askForMore } from '../../activities/step/ask-for-money.ts';
import { changeLimits } from '../../activities/store/allowances/change-limits.ts';
import { type Limits, listAllowances } from '../../activities/store/allowances/list-allowances.ts';
import { answerRaised } from '../../activities/store/approvals/money-questions.ts';
import {
  type DrawingAttempt,
  type PoolName,
  reserve,
  type Reservation,
  closeReservation,
  type Closing,
} from '../../activities/store/allowances/allowances.ts';
import type { Queries } from '../../activities/store/db/database.ts';
import { holdPools } from '../../activities/store/allowances/run-places.ts';
import type { RunRow } from '../../activities/store/runs/runs.ts';
import type { AllowanceView } from '../../workflows/contracts/allowance.ts';
import { Failure } from '../../workflows/contracts/failures.ts';
import { acceptARun, aRun, type NewRun } from './accepting.ts';
import { anAttempt, lockedRun, type TestStore } from './store.ts';

export interface TestTenant {
  id: string;
  /** Makes a pool, or changes it. Returns the runs that waited for it and go on. */
  limit(name: PoolName, limits: Partial<Limits>, model?: string): Promise<string[]>;
  pool(name: PoolName, at?: Date, model?: string): Promise<AllowanceView>;
  /** Accepts a run as on a given day; says why when it is refused. */
  accept(changes?: Partial<NewRun>, others?: PoolName[], at?: Date): Promise<Accepted | Refused>;
  /** One that was admitted. */
  run(others?: PoolName[], changes?: Partial<NewRun>): Promise<RunRow>;
  reserve(
    run: { id: string },
    key: Partial<DrawingAttempt>,
    worst: { tokens?: number; costMicros?: number; promptCostMicros?: number; model?: string },
  ): Promise<Reservation>;
  closeReservation(
    run: { id: string },
    key: Partial<DrawingAttempt>,
    use: { tokens?: number; costMicros?: number; estimated?: boolean },
  ): Promise<Closing>;
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
      return acceptARun(write, input, await holdPools(write.tx, { ...input, others: pools, at }));
    });
  }

  const tenant: TestTenant = {
    id,
    async limit(name, limits, model = '') {
      const [known] = (await listAllowances(db, { tenantId: id, name, limit: 100 })).filter(
        (pool) => pool.model === model,
      );
      const who = { tenantId: id, by: 'test', reason: 'a test' };
      return log.write('test', async (write) => {
        const version = known?.version ?? 0;
        const changed = await changeLimits(write.tx, { ...who, name, model, limits, version });
        expect(changed).toMatchObject({ kind: 'changed', version: version + 1 });
        return changed.kind === 'changed' ? answerRaised(write, changed, who) : [];
      });
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
    reserve: (run, key, { tokens = 0, model = 'openai/gpt', costMicros = 0, ...prompt }) =>
      reserve(db, {
        ...keyOf(run, key),
        model,
        worst: {
          inputTokens: Math.floor(tokens / 2),
          outputTokens: Math.ceil(tokens / 2),
          costMicros,
          ...prompt,
        },
      }),
    closeReservation: (run, key, { tokens = 0, costMicros = 0, estimated = false }) =>
      closeReservation(db, keyOf(run, key), {
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

/** Makes a run ask for more: it has begun, and its call finds too little. */
export async function askForRoom(
  { log }: Pick<TestStore, 'log'>,
  run: RunRow,
  worst: { tokens?: number; costMicros?: number },
  key: { at?: Date | undefined; attempt?: number } = {},
): Promise<void> {
  const { tokens = 0, costMicros = 0 } = worst;
  const { attempt = 1, at } = key;
  await log.write('test', async (write) => {
    const short = await reserve(write.tx, {
      ...{ tenantId: run.tenant_id, runId: run.id, step: 1, attempt, at, model: 'openai/gpt' },
      worst: { inputTokens: tokens, outputTokens: 0, costMicros },
    });
    if (short.kind !== 'exceeded') throw new Error(`It is ${short.kind}.`);
    const asked = { step: 1, task: anAttempt(run, 'model/1', attempt), short };
    await askForMore(impatient, write, await lockedRun(write, run.id), asked);
  });
}

/** Makes a run that has begun ask for more money of its own. */
export async function askForOwn({ log }: Pick<TestStore, 'log'>, run: RunRow, step = 1): Promise<string> {
  return log.write('test', async (write) => {
    const locked = await lockedRun(write, run.id);
    const { costMicros: allowed } = locked.limits as { costMicros: number };
    const short = { allowanceId: null, limit: 'costMicros', allowed, used: locked.cost_micros } as const;
    const task = anAttempt(run, `model/${step}`);
    const asked = await askForMore(impatient, write, locked, { step, task, short });
    if (asked.kind !== 'paused') throw new Error(`It is ${asked.kind}.`);
    return asked.waits.slice('limit/'.length);
  });
}

const impatient = { approvalSeconds: 60 } as ActivityDeps;

/** Settles a reservation of which nothing was used. */
export function closeUnused(queries: Queries, key: DrawingAttempt): Promise<Closing> {
  const nothing = { inputTokens: 0, cachedInputTokens: 0, outputTokens: 0, costMicros: 0 };
  return closeReservation(queries, key, { ...nothing, estimated: false });
}

/** Of a pool: what is used and held of money and of tokens, in all and today. */
export function sums({ used, held }: AllowanceView) {
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
