// How an execution ends its run: with the outcome it asks for, unless a person has stopped the run, or has sent a
// message that must be read first.
import type { FinishRunInput } from '../../workflows/contracts/activities.ts';
import type { RunStatus, StopReason } from '../../workflows/contracts/run.ts';
import type { ActivityDeps } from '../deps.ts';
import { bookUnanswered } from './use.ts';
import { afterEnd } from '../store/lifecycle/after-end.ts';
import { letsGo } from '../store/delegation/mailbox.ts';
import { type EndedRun, endRun } from '../store/lifecycle/end-run.ts';
import type { Write } from '../store/log/events.ts';
import { isMessage, stopAmong } from '../store/runs/inputs.ts';
import type { LockedRun } from '../store/runs/runs.ts';
import { occurrenceOfRun } from '../store/schedules/occurrences.ts';
import { taskOfRun } from '../store/tasks/task-row.ts';
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
  input_missing: 'A part of the message cannot be had.',
  workflow_gone: 'The workflow of this run is gone: somebody terminated it.',
  project_missing: 'The project cannot be worked in.',
  executor_lost: 'Nothing was heard of its executor for too long.',
  internal_error: 'Something went wrong inside Perdure.',
};

const undone =
  'The run was cancelled: the conversation goes on from before it, and what it changed in its project is taken back.';

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
  const held = outcome === 'succeeded' ? whatHolds(waiting) : 'nothing';
  if (held === 'messages') return undefined;
  if (held === 'children' && !(await letsGo(write.tx, run.id))) return undefined;
  const stop = stopAmong(waiting);
  const cancelled = stop === 'cancel';
  const interrupted = stop === 'interrupt' && outcome !== 'failed';
  const ending: { status: RunStatus; reason: StopReason } = cancelled
    ? { status: 'cancelled', reason: 'cancelled' }
    : interrupted
      ? { status: 'interrupted', reason: 'interrupted' }
      : { status: statuses[outcome], reason };
  const sentence = cancelled && run.undo_by !== null ? undone : sentences[ending.reason];
  const reasonText = ending.reason === reason && detail ? toStorable(deps.log.redact(detail)) : sentence;
  const booked = outcome === 'succeeded' ? run : await bookUnanswered(deps, write, run);
  return endRun(write, booked, { ...ending, reasonText });
}

/**
 * What keeps a run that was not stopped from ending: a message that came before its end is still read, and subagents at
 * work are waited for, as long as its time allows, unless its conversation lets it go.
 */
export function whatHolds(waiting: readonly { kind: string }[]): 'nothing' | 'messages' | 'children' {
  if (stopAmong(waiting) !== 'none') return 'nothing';
  if (waiting.some(isMessage)) return 'messages';
  return waiting.some(({ kind }) => kind === 'child') ? 'children' : 'nothing';
}

/** After the commit: the account is closed, and what waited for this end is started or hears of it. */
export async function followEnd(deps: ActivityDeps, ended: EndedRun): Promise<void> {
  if (ended.rewind) deps.startRewind(ended.rewind);
  for (const id of ended.wakes ?? []) deps.wakeRun(id);
  for (const run of await afterEnd(deps.log, ended)) deps.startRun(run);
  const occurrence = ended.ended && occurrenceOfRun(ended.run);
  if (occurrence) deps.schedules.wake(occurrence);
  if (ended.ended && taskOfRun(ended.run)) deps.wakeDispatcher(ended.run.tenant_id);
}
