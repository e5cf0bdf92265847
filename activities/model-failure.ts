// The one place where a failed model call becomes a failure of the activity: what was used is booked, an event says
// what happened, and the type tells whether and when Temporal tries again.
import { ApplicationFailure } from '@temporalio/activity';
import { CancelledFailure } from '@temporalio/common';
import type { NewEvent } from '../workflows/contracts/event.ts';
import { type FailureCode, failures } from '../workflows/contracts/failures.ts';
import { type Attempt, WorkerStopping } from './attempt.ts';
import type { ActivityDeps } from './deps.ts';
import { LogBehind } from './journal.ts';
import { LlmError, type LlmErrorKind } from './llm/llm.ts';
import { isOutOfPatience } from './patience.ts';
import { untilStored } from './store/db/until-stored.ts';
import { hasBooked, type ModelUse, recordUse } from './store/lifecycle/answers.ts';
import { endsOf, failAttempt } from './store/runs/attempts.ts';
import { isStoreOutage } from './store/db/database.ts';
import { addDeadLetter } from './store/runs/dead-letters.ts';
import { StreamEnded, Superseded, type Write } from './store/log/events.ts';
import { lockRun, type RunRow, streamFor } from './store/runs/runs.ts';
import { toStorable } from './store/db/storable.ts';

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

// Whatever breaks in here five times over breaks the sixth time too: a person should hear of it.
const mostBroken = 5;

/** The step has taken so many workers down that no other is put at risk. */
export class WorkersLost extends Error {
  override name = 'WorkersLost';
  readonly lost: number;

  constructor(step: number, lost: number) {
    super(`The model call of step ${step} took its worker down ${lost} times; it is not tried again.`);
    this.lost = lost;
  }
}

export async function failModelCall(
  deps: ActivityDeps,
  run: RunRow,
  attempt: Attempt,
  step: number,
  error: unknown,
  use: ModelUse,
  closing: readonly NewEvent[] = [],
): Promise<never> {
  if (error instanceof Superseded || error instanceof StreamEnded) throw error;
  const { unit, attempt: number } = attempt.ref;
  const outcome = outcomeOf(error);
  const reason = sentenceOf(deps, error instanceof Error ? error.message : String(error));
  if (outcome === 'broken')
    deps.logger.error({ err: error, runId: run.id, unit }, 'a model call broke in here');
  const failure = await untilStored(() =>
    deps.log.write('fail-model-call', async (write) => {
      const current = await lockRun(write, run.tenant_id, run.id);
      if (!current) return undefined;
      const verdict = await toFailure(write, attempt, error, outcome, reason);
      if (await hasBooked(write, attempt.ref, step)) return verdict;
      await recordUse(write, current, attempt.ref, step, use);
      write.append({
        ...streamFor(current),
        events: [
          ...closing,
          {
            type: 'attempt-error',
            payload: { unit, attempt: number, reason, retry: verdict?.nonRetryable !== true },
          },
        ],
        fence: attempt.ref,
      });
      await failAttempt(write.tx, attempt.ref, outcome);
      if (error instanceof WorkersLost)
        await addDeadLetter(write, current, { kind: 'run', reason, attempts: error.lost });
      return verdict;
    }),
  );
  throw failure ?? error;
}

/** Redacted before it is cut, so that no half of a secret stays; storable after, since cutting may split a pair. */
function sentenceOf(deps: ActivityDeps, message: string): string {
  return toStorable(deps.log.redact(message).slice(0, 500));
}

type Outcome = 'failed' | 'broken' | 'stopped' | 'given_up';

/** Only a provider's failures use up patience, and only what breaks in here counts as broken. */
function outcomeOf(error: unknown): Outcome {
  if (error instanceof LlmError) return 'failed';
  if (error instanceof WorkersLost) return 'given_up';
  // Neither the provider's doing nor a mistake: the next attempt goes on, however often this happens.
  const outage = error instanceof LogBehind || isStoreOutage(error);
  const passes = outage || error instanceof WorkerStopping || error instanceof CancelledFailure;
  return passes ? 'stopped' : 'broken';
}

/** Undefined: tried again as Temporal sees fit. */
async function toFailure(
  write: Write,
  attempt: Attempt,
  error: unknown,
  outcome: Outcome,
  message: string,
): Promise<ApplicationFailure | undefined> {
  if (error instanceof WorkersLost) return forGood('ModelWorkersLost', message);
  if (!(error instanceof LlmError)) {
    if (outcome !== 'broken') return undefined;
    const before = await endsOf(write.tx, attempt.ref, outcome);
    return before.length + 1 >= mostBroken ? forGood('InternalError', message) : undefined;
  }
  const type = types[error.kind];
  if (!failures[type].retryable) return forGood(type, message);
  if (isOutOfPatience(await endsOf(write.tx, attempt.ref, outcome), new Date()))
    return forGood('ModelUnavailable', message);
  return ApplicationFailure.create({
    type,
    message,
    ...(error.retryAfterMs === undefined ? {} : { nextRetryDelay: error.retryAfterMs }),
  });
}

function forGood(type: FailureCode, message: string): ApplicationFailure {
  return ApplicationFailure.create({ type, message, nonRetryable: true });
}
