// What becomes of a model call that failed: what was used is booked, an event says what happened, and the verdict tells
// whether and when it is tried again.
import type { NewEvent } from '../../workflows/contracts/event.ts';
import { type FailureCode, failures } from '../../workflows/contracts/failures.ts';
import { type ActivityDeps, type Attempt, CalledOff, WorkerStopping } from '../deps.ts';
import type { Said } from './ask.ts';
import { InputMissing } from './input-missing.ts';
import { LogBehind } from './journal.ts';
import type { ModelCall } from './open.ts';
import { LlmError, type LlmErrorKind, ProviderLeftAlone, ServerUnreached } from '../llm/llm.ts';
import {
  faultOf,
  firstPatience,
  isFault,
  isOutage,
  isOutOfPatience,
  outcomeOfProvider,
  usualPatience,
  wasNeverReached,
} from './patience.ts';
import { untilStored } from '../store/db/until-stored.ts';
import { hasBooked, recordUse } from '../store/lifecycle/answers.ts';
import {
  endsOf,
  failAttempt,
  hasLeft,
  leftAlone,
  modelChanged,
  refusalsIn,
  tooLong,
} from '../store/runs/attempts.ts';
import { isStoreOutage } from '../store/db/database.ts';
import { addDeadLetter } from '../store/runs/dead-letters.ts';
import { StreamEnded, Superseded, type Write } from '../store/log/events.ts';
import { goOnWithNextModel, presetOf } from '../store/runs/preset-of-run.ts';
import { lockRun, streamFor } from '../store/runs/runs.ts';
import { toStorable } from '../../workflows/contracts/storable.ts';

const types: Record<LlmErrorKind, FailureCode> = {
  rate_limited: 'ModelRateLimited',
  overloaded: 'ModelOverloaded',
  timeout: 'ModelTimeout',
  network: 'ModelNetwork',
  unreadable: 'ModelUnreadable',
  bad_request: 'ModelBadRequest',
  auth: 'ModelUnauthorized',
  context_too_long: 'ModelContextTooLong',
  content_refused: 'ModelContentRefused',
};

// What breaks in our code five times breaks the sixth time too: a person should hear of it.
const mostBroken = 5;

// Each time a smaller window is guessed, three fifths of the one before: after four it is an eighth of what was sent.
const mostRefusals = 4;
const summedUp = 'The conversation is summed up, and the step asks again.';
const atOnce = 1;

/** The step has taken so many workers down that no other is put at risk. */
export class WorkersLost extends Error {
  override name = 'WorkersLost';
  readonly lost: number;

  constructor(step: number, lost: number) {
    super(`The model call of step ${step} took its worker down ${lost} times; it is not tried again.`);
    this.lost = lost;
  }
}

/** The verdict on a failed model call. */
export class ModelCallFailed extends Error {
  override name = 'ModelCallFailed';
  readonly type: FailureCode;
  /** Trying again is of no use. */
  readonly forGood: boolean;
  /** What the provider asks for. */
  readonly retryAfterMs: number | undefined;

  constructor(
    type: FailureCode,
    message: string,
    verdict: Partial<Pick<ModelCallFailed, 'forGood' | 'retryAfterMs'>>,
  ) {
    super(message);
    this.type = type;
    this.forGood = verdict.forGood ?? false;
    this.retryAfterMs = verdict.retryAfterMs;
  }
}

/** What an attempt ends with that has summed up its conversation: the next one asks what the step is about. */
export function goOnFromSummary(): ModelCallFailed {
  return new ModelCallFailed('ModelContextTooLong', `The window was full. ${summedUp}`, {
    retryAfterMs: atOnce,
  });
}

/** Returns what the attempt fails with. */
export async function failModelCall(
  deps: ActivityDeps,
  { run, step, attempt }: ModelCall,
  error: unknown,
  { use, closing, mayShrink = false }: Pick<Said, 'use' | 'closing'> & { mayShrink?: boolean },
): Promise<unknown> {
  if (error instanceof Superseded || error instanceof StreamEnded) return error;
  const { unit, attempt: number } = attempt.ref;
  const outcome = outcomeOf(error);
  const reason = toReason(deps, error instanceof Error ? error.message : String(error));
  if (outcome === 'broken')
    deps.logger.error({ err: error, runId: run.id, unit }, 'a model call broke in here');
  const failure = await untilStored(() =>
    deps.log.write('fail-model-call', async (write) => {
      const current = await lockRun(write, run.tenant_id, run.id);
      if (!current) return undefined;
      // An earlier COMMIT of this may have changed the model already.
      if (current.model !== run.model) return changedTo(current.model, reason);
      const hasFallback = (presetOf(current)?.fallbacks ?? []).length > 0;
      const steps = current.steps;
      const failing = await verdictOn(write, attempt, {
        ...{ error, outcome, reason, steps, hasFallback, mayShrink },
      });
      const next = mayPassOn(failing) ? await goOnWithNextModel(write, current) : undefined;
      const verdict = next === undefined ? failing : changedTo(next, reason);
      // The answer to an earlier COMMIT of this may have been lost.
      if (await hasBooked(write, attempt.ref, step)) return verdict;
      if (outcome === leftAlone && (await hasLeft(write.tx, attempt.ref))) return verdict;
      const told =
        verdict?.forGood !== true &&
        outcome === leftAlone &&
        (await endsOf(write.tx, attempt.ref)).some((end) => end.outcome === leftAlone);
      // Nothing was sent: there is no use, and that it waits is told once in a step.
      if (outcome !== leftAlone) await recordUse(write, current, attempt.ref, step, use);
      const failed: NewEvent = {
        type: 'attempt-error',
        payload: {
          unit,
          attempt: number,
          reason: verdict?.message ?? reason,
          retry: verdict?.forGood !== true,
        },
      };
      write.append({
        ...streamFor(current),
        events: [...closing, ...(told ? [] : [failed])],
        fence: attempt.ref,
      });
      await failAttempt(write.tx, attempt.ref, next === undefined ? outcome : modelChanged);
      if (error instanceof WorkersLost)
        await addDeadLetter(write, current, { kind: 'run', reason, attempts: error.lost });
      return verdict;
    }),
  );
  return failure ?? error;
}

/** Redacted before it is cut, so that no half of a secret stays; storable after, since cutting may split a pair. */
function toReason(deps: ActivityDeps, message: string): string {
  return toStorable(deps.log.redact(message).slice(0, 500));
}

/** Only a provider's failures use up patience, and only what breaks in here counts as broken. */
function outcomeOf(error: unknown): string {
  if (error instanceof ProviderLeftAlone) return leftAlone;
  if (error instanceof LlmError)
    return error.kind === 'context_too_long' ? tooLong : outcomeOfProvider(error);
  if (error instanceof WorkersLost || error instanceof InputMissing) return 'given_up';
  // Neither the provider's doing nor a mistake: the next attempt goes on, however often this happens.
  const outage = error instanceof LogBehind || isStoreOutage(error);
  const passes = outage || error instanceof WorkerStopping || error instanceof CalledOff;
  return passes ? 'stopped' : 'broken';
}

interface Failed {
  error: unknown;
  outcome: string;
  /** In words that may be shown. */
  reason: string;
  /** How many steps of the run have their answer. */
  steps: number;
  /** Another model is waiting to go on. */
  hasFallback: boolean;
  /** There is something in the prompt that could be summed up. */
  mayShrink: boolean;
}

/** Undefined: it fails with the error itself, and is tried again. */
async function verdictOn(
  write: Write,
  attempt: Attempt,
  { error, outcome, reason: message, steps, hasFallback, mayShrink }: Failed,
): Promise<ModelCallFailed | undefined> {
  if (error instanceof WorkersLost) return forGood('ModelWorkersLost', message);
  if (error instanceof InputMissing) return forGood('InputMissing', message);
  if (!(error instanceof LlmError)) {
    if (outcome !== 'broken') return undefined;
    const broken = (await endsOf(write.tx, attempt.ref)).filter((end) => end.outcome === outcome);
    return broken.length + 1 >= mostBroken ? forGood('InternalError', message) : undefined;
  }
  const type = types[error.kind];
  const ends = await endsOf(write.tx, attempt.ref);
  const outcomes = ends.map((end) => end.outcome);
  if (outcome === tooLong && mayShrink && refusalsIn(outcomes) < mostRefusals)
    return new ModelCallFailed(type, andSo(message, summedUp), { retryAfterMs: atOnce });
  if (!failures[type].retryable) return forGood(type, message);
  if (steps === 0 && findsNoServer(error) && wasNeverReached(outcomes)) {
    const times = ends.map(({ at }) => at);
    if (isOutOfPatience(times, new Date(), firstPatience))
      return forGood('ModelUnavailable', andSo(message, notReached));
  }
  // Nothing was asked: it says nothing of the provider, and the next attempt comes when it may ask.
  if (outcome === leftAlone) return new ModelCallFailed(type, message, { retryAfterMs: error.retryAfterMs });
  const fault = isFault(outcome) ? faultOf(outcomes, outcome) : undefined;
  if (fault !== undefined) return forGood(type, andSo(message, fault));
  const outages = ends.filter((end) => isOutage(end.outcome)).map(({ at }) => at);
  const patience = hasFallback ? firstPatience : usualPatience;
  if (isOutage(outcome) && isOutOfPatience(outages, new Date(), patience))
    return forGood('ModelUnavailable', message);
  return new ModelCallFailed(type, message, { retryAfterMs: error.retryAfterMs });
}

// Another model would do no better with a prompt that is too long, or with content that is refused.
const passedOn: readonly FailureCode[] = [
  'ModelUnavailable',
  'ModelUnauthorized',
  'ModelUnreadable',
  'ModelNetwork',
  'ModelOverloaded',
  'ModelRateLimited',
  'ModelTimeout',
];

function mayPassOn(verdict: ModelCallFailed | undefined): boolean {
  return verdict?.forGood === true && passedOn.includes(verdict.type);
}

/** Tried again at once, with the model that the run has now. */
function changedTo(model: string, message: string): ModelCallFailed {
  return new ModelCallFailed('ModelUnavailable', andSo(message, `The run goes on with ${model}.`), {});
}

const notReached =
  'This run has tried for a minute and never reached it: start the server, or correct its address in the settings.';

function findsNoServer(error: LlmError): boolean {
  return error instanceof ServerUnreached || (error instanceof ProviderLeftAlone && error.unreached);
}

/** What failed, in the server's words, and what follows from it. */
function andSo(message: string, sentence: string): string {
  return `${message
    .slice(0, 400)
    .toWellFormed()
    .replace(/[.\s]+$/, '')}. ${sentence}`;
}

function forGood(type: FailureCode, message: string): ModelCallFailed {
  return new ModelCallFailed(type, message, { forGood: true });
}
