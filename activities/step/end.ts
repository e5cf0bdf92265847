// How an execution ends its run: with the outcome it asks for, unless a person has stopped the run, or has sent a
// message that must be read first.
import type { FinishRunInput } from '../../workflows/contracts/activities.ts';
import type { RunStatus, StopReason } from '../../workflows/contracts/run.ts';
import type { ActivityDeps } from '../deps.ts';
import { bookUnanswered } from './use.ts';
import { afterEnd } from '../store/lifecycle/after-end.ts';
import { type EndedRun, endRun } from '../store/lifecycle/end-run.ts';
import type { Write } from '../store/log/events.ts';
import { isMessage, stopAmong } from '../store/runs/inputs.ts';
import type { LockedRun } from '../store/runs/runs.ts';
import { toStorable } from '../../workflows/contracts/storable.ts';

const sentences: Record<StopReason, string> = {
  finished: 'The agent finished.',
  interrupted: 'The run was interrupted; what it did is kept.',
  cancelled:
    'The run was cancelled: the conversation goes on from before it, and files it changed stay as they are.',
  limit_steps: 'The run reached its limit of steps.',
  limit_seconds: 'The run reached its limit of time.',
  limit_cost: 'The run reached its limit of cost.',
  limit_tokens: 'The run reached its limit of tokens.',
  stalled: 'The run got nowhere, also after it was asked to plan anew.',
  limit_calls: 'The run reached the limit of model calls in an hour.',
  allowance_denied: 'An allowance does not let this run call its model.',
  model_failed: 'The model call failed.',
  model_unavailable: 'The model provider failed for too long.',
  answer_cut: "The model's answers were cut before their end again and again.",
  answer_empty: 'The model answered with nothing, also when it was asked again.',
  context_too_long: 'The conversation is too long for the model.',
  workflow_gone: 'The workflow of this run is gone: somebody terminated it.',
  project_missing: 'The project cannot be worked in.',
  internal_error: 'Something went wrong inside Perdure.',
};

const statuses: Record<FinishRunInput['outcome'], RunStatus> = {
  succeeded: 'succeeded',
  failed: 'failed',
  timed_out: 'timed_out',
  stopped: 'interrupted',
};

/**
 * Ends the run, whose lock and whose conversation's the caller holds. Undefined: something came in that must be applied
 * first.
 */
export async function concludeRun(
  deps: ActivityDeps,
  write: Write,
  run: LockedRun,
  { outcome, reason, detail }: Pick<FinishRunInput, 'outcome' | 'reason' | 'detail'>,
): Promise<EndedRun | undefined> {
  const { waiting } = run;
  if (outcome === 'succeeded' && mustGoOn(waiting)) return undefined;
  const stop = stopAmong(waiting);
  const cancelled = stop === 'cancel';
  const interrupted = stop === 'interrupt' && outcome !== 'failed';
  const ending: { status: RunStatus; reason: StopReason } = cancelled
    ? { status: 'cancelled', reason: 'cancelled' }
    : interrupted
      ? { status: 'interrupted', reason: 'interrupted' }
      : { status: statuses[outcome], reason };
  const reasonText =
    ending.reason === reason && detail ? toStorable(deps.log.redact(detail)) : sentences[ending.reason];
  const booked = outcome === 'succeeded' ? run : await bookUnanswered(deps, write, run);
  return endRun(write, booked, { ...ending, reasonText });
}

/** A message that came before the end is still read, unless the run was stopped. */
export function mustGoOn(waiting: readonly { kind: string }[]): boolean {
  return stopAmong(waiting) === 'none' && waiting.some(isMessage);
}

/** After the commit: the account is closed, and the runs that waited for this end are started. */
export async function followEnd(deps: ActivityDeps, ended: EndedRun): Promise<void> {
  for (const run of await afterEnd(deps.log, ended)) deps.startRun(run);
}
