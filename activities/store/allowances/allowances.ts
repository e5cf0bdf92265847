// Drawing on allowances: the worst case of a model call is reserved up the whole chain of its run before the call, and
// the reservation is closed with what was used. Each is one statement that takes the pools' locks: call it before the
// conversation's. The database and the ledger call closing a reservation `settle`.
import { type RawBuilder, sql } from 'kysely';
import type { LimitName } from '../../../workflows/contracts/allowance.ts';
import { activeStatuses } from '../../../workflows/run/transitions.ts';
import type { Queries } from '../db/database.ts';
import type { RunRow } from '../runs/runs.ts';

/** What a run draws from. An owner is any other thing to be limited: a user, a preset, a schedule. */
export type PoolName =
  | 'tenant'
  | `conversation/${string}`
  | `run/${string}`
  | `owner/${string}`
  | `executor/${string}`;

/** Which pool: its name, and the model whose calls alone draw from it; empty for all. */
export interface PoolRef {
  allowanceId: string;
  name: PoolName;
  model: string;
}

/** A threshold that was reached for the first time in its period: the caller says so in an event. */
export interface Crossing extends PoolRef {
  limit: LimitName;
  percent: 80 | 100;
  used: number;
  allowed: number;
  /** The UTC day, the UTC hour, or empty for a limit that holds for all time. */
  period: string;
}

export interface Exceeded extends PoolRef {
  kind: 'exceeded';
  limit: LimitName;
  allowed: number;
  used: number;
  /** What open reservations hold. */
  held: number;
  needed: number;
  missing: number;
  /** Null: it does not end by itself. */
  endsAt: string | null;
  /** It would fit but for what is held, part of which comes back when those calls end: worth another try. */
  passing: boolean;
}

/**
 * `closed`: this attempt's reservation is closed, or a newer attempt has reserved: it must not make its call.
 * `exceeded` leaves a note of what the run waits for; its next reservation makes that out of date.
 */
export type Reservation = { crossed: Crossing[] } & (
  | { kind: 'reserved' }
  | { kind: 'closed' }
  | { kind: 'denied'; reason: string }
  | Exceeded
);

export interface DrawingAttempt {
  tenantId: string;
  runId: string;
  step: number;
  attempt: number;
  /** The database's own clock unless it is given. */
  at?: Date | undefined;
}

export interface Draw {
  inputTokens: number;
  outputTokens: number;
  costMicros: number;
}

/** The most that a model call can use. */
export interface WorstCase extends Draw {
  /** The part of the cost that the prompt has. Where it is not known, a call that dies costs its worst case. */
  promptCostMicros?: number;
}

/** All or nothing; again with the same key, it is the same reservation. Closes what dead attempts of the run left open. */
export async function reserve(
  queries: Queries,
  attempt: DrawingAttempt & { model: string; worst: WorstCase },
): Promise<Reservation> {
  const { tenantId, runId, step, model, worst, at } = attempt;
  const answer = await ask<Drawn>(
    queries,
    sql`reserve_allowance(${tenantId}, ${runId}, ${step}, ${attempt.attempt}, ${model}, ${worst.inputTokens},
      ${worst.outputTokens}, ${worst.costMicros}, ${worst.promptCostMicros ?? null}, ${at ?? null})`,
  );
  const { crossed } = answer;
  if (answer.kind === 'denied') return { kind: 'denied', crossed, reason: sentenceOf(answer, model) };
  if (answer.kind !== 'exceeded') return { kind: answer.kind, crossed };
  // Postgres writes times with the offset of its own zone.
  return { ...answer, endsAt: answer.endsAt === null ? null : new Date(answer.endsAt).toISOString() };
}

type Drawn = { crossed: Crossing[] } & (
  | { kind: 'reserved' | 'closed' }
  | { kind: 'denied'; why: keyof typeof denials; name?: string | null }
  | Exceeded
);

const denials = {
  tenant: 'The tenant has no allowance; make one to let its runs call models.',
  model: 'Its allowance does not list this model.',
  unknown: 'The run was never admitted to draw on allowances.',
  waiting: 'The run waits for a place among the concurrent runs.',
  ended: 'The run has ended.',
};

function sentenceOf(
  { why, name }: { why: keyof typeof denials; name?: string | null },
  model: string,
): string {
  return why === 'model' ? `The allowance ${name} does not list the model ${model}.` : denials[why];
}

export interface Closing {
  /** `closed`: it was closed before, and stays so. */
  kind: 'settled' | 'closed';
  crossed: Crossing[];
}

/** Closes a reservation with what was used, which may be more than was reserved. */
export async function closeReservation(
  queries: Queries,
  { tenantId, runId, step, attempt, at }: DrawingAttempt,
  use: Draw & { cachedInputTokens: number; estimated: boolean },
): Promise<Closing> {
  const { inputTokens, cachedInputTokens, outputTokens, costMicros, estimated } = use;
  const answer = await ask<Closing | { kind: 'unreserved' }>(
    queries,
    sql`settle_allowance(${tenantId}, ${runId}, ${step}, ${attempt}, ${inputTokens}, ${cachedInputTokens},
      ${outputTokens}, ${costMicros}, ${estimated}, 0, 'What the call used.', ${at ?? null})`,
  );
  if (answer.kind === 'unreserved')
    throw new Error(`Nothing was reserved for attempt ${attempt} of step ${step} of run ${runId}.`);
  return answer;
}

/** A reservation that its worker did not live to close. */
export interface LostReservation {
  run: Pick<RunRow, 'id' | 'tenant_id' | 'conversation_id'>;
  step: number;
  attempt: number;
}

/** Those of an executor that is seen dead, in runs that have not ended. */
export async function lostReservations(queries: Queries, executorId: string): Promise<LostReservation[]> {
  // What a run reserved before its last reservation is closed.
  const { rows } = await sql<LostReservation['run'] & { step: number; attempt: number }>`
    select runs.id, runs.tenant_id, runs.conversation_id, last.step, last.attempt
    from runs cross join lateral (
      select step, attempt, closes from allowance_entries
      where run_id = runs.id and step is not null order by step desc, attempt desc, closes desc limit 1
    ) last
    join attempts on attempts.run_id = runs.id and attempts.unit = 'model/' || last.step
      and attempts.attempt = last.attempt
    where runs.status = any(${activeStatuses}::text[]) and not last.closes
      and attempts.executor_id = ${executorId}`.execute(queries);
  return rows.map(({ step, attempt, ...run }) => ({ run, step, attempt }));
}

/**
 * Closes one at once, as the run's next reservation would: that has to wait for a worker, and runs that wait for what
 * is held must not wait for it in vain.
 */
export async function closeLost(queries: Queries, { run, step, attempt }: LostReservation): Promise<Closing> {
  return ask<Closing>(
    queries,
    sql`settle_lost_allowance(${run.tenant_id}, ${run.id}, ${step}, ${attempt}, null)`,
  );
}

/**
 * Closes what a run that has ended left open and gives back tokens: half of a failed run's, all of a cancelled one's.
 * `closed`: that was done before, or the run has not ended.
 */
export async function closeAccount(
  queries: Queries,
  { tenantId, runId, at }: { tenantId: string; runId: string; at?: Date },
): Promise<Closing> {
  return ask<Closing>(queries, sql`close_run_allowance(${tenantId}, ${runId}, ${at ?? null})`);
}

/** Runs that have ended and whose account is not closed: the process that should have died first. */
export async function listUnclosed(
  queries: Queries,
  limit: number,
  after?: string,
): Promise<{ tenantId: string; runId: string }[]> {
  const query = queries
    .selectFrom('allowance_runs')
    .select(['tenant_id as tenantId', 'run_id as runId'])
    .where('state', '=', 'ended')
    .where('closed_at', 'is', null)
    .orderBy('run_id')
    .limit(limit);
  return (after === undefined ? query : query.where('run_id', '>', after)).execute();
}

async function ask<T>(queries: Queries, call: RawBuilder<unknown>): Promise<T> {
  const { rows } = await sql<{ answer: T }>`select ${call} as answer`.execute(queries);
  if (!rows[0]) throw new Error('A function of the database did not answer.');
  return rows[0].answer;
}
