// The one place where a provider's failure becomes a failure of the activity: what was used is booked, an event
// says what happened, and the type tells whether and when Temporal tries again.
import { ApplicationFailure } from '@temporalio/activity';
import { type FailureCode, failures } from '../workflows/contracts/failures.ts';
import type { Attempt } from './attempt.ts';
import type { ActivityDeps } from './deps.ts';
import { LlmError, type LlmErrorKind } from './llm/llm.ts';
import { untilStored } from './persist.ts';
import { type ModelUse, recordUse } from './store/answers.ts';
import { failAttempt } from './store/attempts.ts';
import { streamFor } from './store/calls.ts';
import { StreamEnded, Superseded } from './store/events.ts';
import { lockRun, type RunRow } from './store/runs.ts';
import { toStorable } from './store/storable.ts';

const types: Record<LlmErrorKind, FailureCode> = {
  rate_limited: 'ModelRateLimited',
  overloaded: 'ModelOverloaded',
  timeout: 'ModelTimeout',
  network: 'ModelNetwork',
  bad_request: 'ModelBadRequest',
  auth: 'ModelUnauthorized',
  context_too_long: 'ModelContextTooLong',
  content_refused: 'ModelContentRefused',
};

// Outages of providers pass within minutes; after half an hour a person should hear that nothing works.
const patienceMs = 30 * 60_000;

export async function failModelCall(
  deps: ActivityDeps,
  run: RunRow,
  attempt: Attempt,
  step: number,
  error: unknown,
  use: ModelUse,
): Promise<never> {
  if (error instanceof Superseded || error instanceof StreamEnded) throw error;
  const failure = error instanceof LlmError ? await toFailure(deps, attempt, error) : undefined;
  const reason = sentenceOf(deps, error instanceof Error ? error.message : String(error));
  await untilStored(() =>
    deps.log.write(async (write) => {
      const current = await lockRun(write, run.tenant_id, run.id);
      if (!current) return;
      const booked = await write.tx
        .selectFrom('model_calls')
        .select('step')
        .where('run_id', '=', run.id)
        .where('step', '=', step)
        .where('attempt', '=', attempt.ref.attempt)
        .executeTakeFirst();
      // The answer to an earlier COMMIT may have been lost.
      if (booked) return;
      await recordUse(write, current, attempt.ref, step, use);
      const { unit, attempt: number } = attempt.ref;
      await write.append({
        ...streamFor(current),
        events: [
          {
            type: 'attempt-error',
            payload: { unit, attempt: number, reason, retry: failure?.nonRetryable !== true },
          },
        ],
        fence: attempt.ref,
      });
      await failAttempt(write.tx, attempt.ref, 'failed');
    }),
  );
  throw failure ?? error;
}

/** Redacted before it is cut, so that no half of a secret stays; storable after, since cutting may split a pair. */
function sentenceOf(deps: ActivityDeps, message: string): string {
  return toStorable(deps.log.redact(message).slice(0, 500));
}

async function toFailure(deps: ActivityDeps, attempt: Attempt, error: LlmError): Promise<ApplicationFailure> {
  const type = types[error.kind];
  const message = sentenceOf(deps, error.message);
  if (!failures[type].retryable) return ApplicationFailure.create({ type, message, nonRetryable: true });
  const first = await deps.log.db
    .selectFrom('attempts')
    .select((eb) => eb.fn.min('started_at').as('at'))
    .where('run_id', '=', attempt.ref.runId)
    .where('unit', '=', attempt.ref.unit)
    .executeTakeFirst();
  if (first?.at && Date.now() - first.at.getTime() > patienceMs) {
    return ApplicationFailure.create({ type: 'ModelUnavailable', message, nonRetryable: true });
  }
  return ApplicationFailure.create({
    type,
    message,
    ...(error.retryAfterMs === undefined ? {} : { nextRetryDelay: error.retryAfterMs }),
  });
}
