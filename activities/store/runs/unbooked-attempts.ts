// Attempts at a model call that ended without booking what they used: their workers died, or lost the step to others.
import { sql } from 'kysely';
import { streamOf } from '../../../workflows/contracts/event.ts';
import { type AttemptRef, neverAsked } from './attempts.ts';
import type { Queries } from '../db/database.ts';

/** With what each of them has streamed; of those before an attempt, or of all. */
export async function unbookedAttempts(
  queries: Queries,
  runId: string,
  step: number,
  before?: number,
): Promise<{ ref: AttemptRef; text: string }[]> {
  const unit = `model/${step}`;
  const { rows } = await sql<{ attempt: number; text: string }>`
    select attempts.attempt, coalesce(string_agg(events.payload ->> 'text', '' order by events.seq), '') as text
    from attempts left join events on events.stream = ${streamOf('run', runId)}
      and events.type in ('text-delta', 'thinking-delta') and events.attempt = attempts.attempt
      and (events.payload ->> 'step')::integer = ${step}::integer
    where attempts.run_id = ${runId} and attempts.unit = ${unit}
      and (${before ?? null}::integer is null or attempts.attempt < ${before ?? null}::integer)
      and (attempts.outcome is null or attempts.outcome <> all(${neverAsked}))
      and not exists (
        select from model_calls booked where booked.run_id = attempts.run_id
          and booked.step = ${step}::integer and booked.attempt = attempts.attempt
      )
    group by attempts.attempt order by attempts.attempt`.execute(queries);
  return rows.map(({ attempt, text }) => ({ ref: { runId, unit, attempt }, text }));
}
