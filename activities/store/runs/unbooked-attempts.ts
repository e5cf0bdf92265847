// Attempts at a model call that ended without booking what they used: their workers died, or lost the step to others.
import { sql } from 'kysely';
import { type AttemptRef, neverAsked } from './attempts.ts';
import type { Queries } from '../db/database.ts';

export interface UnbookedUse {
  inputTokens: number;
  cachedInputTokens: number;
  outputTokens: number;
  costMicros: number;
  estimated: boolean;
}

/**
 * With what each of them has used, as its reservation was closed, or as the ledger would close it now. Without a
 * reservation none has asked a model. Of those before an attempt, or of all.
 */
export async function unbookedAttempts(
  queries: Queries,
  runId: string,
  step: number,
  before?: number,
): Promise<{ ref: AttemptRef; use: UnbookedUse }[]> {
  const unit = `model/${step}`;
  const { rows } = await sql<{ attempt: number } & UnbookedUse>`
    select attempts.attempt, coalesce(closing.input_tokens, known.input_tokens) as "inputTokens",
      coalesce(closing.cached_input_tokens, 0) as "cachedInputTokens",
      coalesce(closing.output_tokens, known.output_tokens) as "outputTokens",
      coalesce(closing.cost_micros, known.cost_micros) as "costMicros",
      coalesce(closing.estimated, true) as estimated
    from attempts join allowance_entries held on held.run_id = attempts.run_id and held.step = ${step}::integer
      and held.attempt = attempts.attempt and held.closes = false
    left join allowance_entries closing on closing.run_id = held.run_id and closing.step = held.step
      and closing.attempt = held.attempt and closing.closes = true
    cross join lateral use_of_lost_call(held) known
    where attempts.run_id = ${runId} and attempts.unit = ${unit}
      and (${before ?? null}::integer is null or attempts.attempt < ${before ?? null}::integer)
      and (attempts.outcome is null or attempts.outcome <> all(${neverAsked}))
      and not exists (
        select from model_calls booked where booked.run_id = attempts.run_id
          and booked.step = ${step}::integer and booked.attempt = attempts.attempt
      )
    order by attempts.attempt`.execute(queries);
  return rows.map(({ attempt, ...use }) => ({ ref: { runId, unit, attempt }, use }));
}
