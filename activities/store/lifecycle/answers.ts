// A model's answer: stored once per step, with its calls already reviewed, in one transaction.
import type { Insertable, Updateable } from 'kysely';
import type { NewEvent } from '../../../workflows/contracts/event.ts';
import type { Kept } from '../../../workflows/contracts/message.ts';
import type { PromptRecord } from '../../../workflows/contracts/prompt-record.ts';
import type { RunStatus, StopReason, Unfinished } from '../../../workflows/contracts/run.ts';
import { isTerminal } from '../../../workflows/run/transitions.ts';
import { requestApprovals } from '../approvals/approvals.ts';
import {
  type AttemptRef,
  beginAttempt,
  type BegunAttempt,
  ending,
  type NewAttempt,
} from '../runs/attempts.ts';
import type { CallRow } from '../calls/calls.ts';
import { setWaiting } from '../delegation/delegations.ts';
import { deliverReports, type Keep } from '../delegation/reports.ts';
import { StreamEnded, type Write } from '../log/events.ts';
import { applyMessages, isMessage, stopAmong } from '../runs/inputs.ts';
import { insertCalls, refusalMessages, type ReviewedCall } from '../calls/reviewed-calls.ts';
import { type LockedRun, type RunRow, streamFor } from '../runs/runs.ts';
import { judgeStall } from '../runs/stall.ts';
import { toStorable } from '../../../workflows/contracts/storable.ts';
import type { Messages, ModelCalls, Runs } from '../db/tables.ts';
import { eventsOf } from './answer-events.ts';
import { askForRest, type Rest, restOf } from './unfinished.ts';

export interface ModelUse {
  model: string;
  /** `compacted`: it wrote a summary, and no answer. */
  status: 'answered' | 'failed' | 'stopped' | 'compacted';
  inputTokens: number;
  cachedInputTokens: number;
  outputTokens: number;
  costMicros: number;
  priced: boolean;
  estimated: boolean;
  /** What its prompt was made of. Left out: it was not made, or was asked for a summary. */
  prompt?: PromptRecord | undefined;
}

export type OpenedStep =
  | { kind: 'stored'; run: RunRow; calls: CallRow[]; rest: Rest }
  | { kind: 'stopped' }
  | { kind: 'limit'; reason: StopReason }
  /** The run makes no progress, and was asked to plan anew often enough. */
  | { kind: 'stalled' }
  /** `earlier` attempts came before this one; `lost` of them took their workers along. */
  | ({ kind: 'opened'; run: RunRow } & BegunAttempt);

/**
 * Opens a step of a run, whose lock the caller holds, for its model call: takes the fence, applies what people sent,
 * and drops what an earlier attempt streamed. `stored`: an earlier attempt stored the answer and died before it could
 * say so. `reached`: the limit of the run that lets no further step begin.
 */
export async function openStep(
  write: Write,
  run: LockedRun,
  input: {
    step: number;
    attempt: NewAttempt;
    reached?: StopReason | undefined;
    /** Told with the begin of the step's first attempt, and no other. */
    notes?: NewEvent[];
    /** For what subagents have reported. */
    keep: Keep;
  },
): Promise<OpenedStep> {
  if (run.steps >= input.step) return { kind: 'stored', run, ...(await storedOf(write, run, input.step)) };
  // Ended without its workflow: there is nothing to answer any more.
  if (isTerminal(run.status as RunStatus)) return { kind: 'stopped' };
  const { waiting } = run;
  if (stopAmong(waiting) !== 'none') return { kind: 'stopped' };
  if (input.reached !== undefined) return { kind: 'limit', reason: input.reached };
  const stall = await judgeStall(write, run, { step: input.step, hasMessages: waiting.some(isMessage) });
  if (stall.kind === 'stalled') return stall;
  const begun = await beginAttempt(write, run, input.attempt);
  const events: NewEvent[] =
    begun.earlier === 0
      ? [{ type: 'step-start', payload: { step: input.step, model: run.model } }]
      : [
          {
            type: 'message-reset',
            payload: { step: input.step, reason: 'The attempt before did not finish.' },
          },
        ];
  if (begun.ref.attempt === 1) events.push(...(input.notes ?? []));
  const begins = begun.resumes ? [] : events;
  write.append({
    ...streamFor(run),
    events: stall.kind === 'replan' ? [...begins, ...stall.events] : begins,
    fence: begun.ref,
  });
  await applyMessages(write, run, input.step, waiting);
  await deliverReports(write, run, input.step, input.keep);
  await setWaiting(write, run, false);
  return { kind: 'opened', run, ...begun };
}

export interface Answer {
  attempt: AttemptRef;
  step: number;
  text: string;
  calls: ReviewedCall[];
  /** What is sent back with it. */
  kept?: Kept | undefined;
  use: ModelUse;
  /** What it lacks; undefined: it is whole. */
  unfinished?: Unfinished | undefined;
  /** What is left of what was streamed, and the end of its blocks; comes first. */
  closing: NewEvent[];
  /** How long people have to answer what it asks them. */
  answerTime: AnswerTime;
}

export interface AnswerTime {
  escalateAt: Date;
  deadlineAt: Date;
}

export interface StoredAnswer {
  /** With what the answer used; its lock is held. */
  run: LockedRun;
  calls: CallRow[];
  rest: Rest;
}

/** Stores the answer of a run whose lock the caller holds, once; stored again by the same attempt, it is read back. */
export async function storeAnswer(write: Write, run: LockedRun, answer: Answer): Promise<StoredAnswer> {
  const { attempt, step, use } = answer;
  // The answer to an earlier COMMIT of this very attempt may have been lost.
  if (run.steps >= step && (await hasBooked(write, attempt, step)))
    return { run, ...(await storedOf(write, run, step)) };
  if (isTerminal(run.status as RunStatus)) throw new StreamEnded(`run ${run.id} has ended`);
  write.append({
    ...streamFor(run),
    events: eventsOf(answer),
    fence: attempt,
    dedupeKey: `answer/${step}`,
  });
  const queries = write.tx
    .with('ended', () => ending(write, run, attempt, use.status))
    .with('said', (db) =>
      db
        .insertInto('messages')
        .values([toMessage(run, answer), ...refusalMessages(run, answer), ...askForRest(run, answer)]),
    )
    .with('booked', (db) => db.insertInto('model_calls').values(toBooking(run, attempt, step, use)));
  const answered = usedBy({ ...run, steps: step }, use);
  const counted = queries.with('counted', (db) =>
    db.updateTable('runs').set(countersOf(answered)).where('id', '=', run.id),
  );
  const calls = await insertCalls(counted, run, answer);
  await askPeople(write, run, answer);
  // A whole answer, as nearly all are, costs no look.
  return {
    run: answered,
    calls,
    rest: answer.unfinished ? await restOf(write.tx, run.id, step) : { asked: false },
  };
}

function toMessage(run: RunRow, { step, text, calls, kept }: Answer): Insertable<Messages> {
  const asked = calls.map((call) => ({ callId: call.callId, name: call.tool, input: call.inputText }));
  return {
    run_id: run.id,
    tenant_id: run.tenant_id,
    step,
    phase: 1,
    position: 0,
    role: 'assistant',
    text: toStorable(text),
    calls: asked.length === 0 ? null : JSON.stringify(asked),
    kept: kept === undefined ? null : JSON.stringify(kept),
  };
}

async function askPeople(write: Write, run: RunRow, { calls, step, answerTime }: Answer): Promise<void> {
  const asked = calls.flatMap(({ callId, inputHash, decision, asks }) =>
    // No question about a call that is not made: nothing would close it.
    decision === 'ask' && asks ? [{ ...asks, ...answerTime, step, callId, inputHash }] : [],
  );
  const events = await requestApprovals(write, run, asked);
  if (events.length > 0) write.append({ ...streamFor(run), events });
}

/** What the answer of a step has come to by now. */
export async function storedOf(
  write: Write,
  run: RunRow,
  step: number,
): Promise<Pick<StoredAnswer, 'calls' | 'rest'>> {
  return { calls: await callsOf(write, run, step), rest: await restOf(write.tx, run.id, step) };
}

/** Whether the run ends once the calls of a step are made. */
export function endsRun({ calls, rest }: Pick<StoredAnswer, 'calls' | 'rest'>): boolean {
  // A summary beside a call that was cut may tell of more than was done.
  if (rest.asked) return false;
  const finishes = (call: CallRow) => call.ends_run && call.decision === 'allow' && call.status !== 'failed';
  return calls.length === 0 || calls.some(finishes);
}

async function callsOf(write: Write, run: RunRow, step: number): Promise<CallRow[]> {
  return write.tx
    .selectFrom('calls')
    .selectAll()
    .where('run_id', '=', run.id)
    .where('step', '=', step)
    .orderBy('index')
    .execute();
}

/** Whether an attempt's use is stored: the answer to an earlier COMMIT of the same may have been lost. */
export async function hasBooked(write: Write, attempt: AttemptRef, step: number): Promise<boolean> {
  const row = await write.tx
    .selectFrom('model_calls')
    .select('step')
    .where('run_id', '=', attempt.runId)
    .where('step', '=', step)
    .where('attempt', '=', attempt.attempt)
    .executeTakeFirst();
  return row !== undefined;
}

/**
 * Adds what a model call used to the run, whose lock the caller holds, whatever became of the call: it was billed.
 * Returns the run as it is now.
 */
export async function recordUse<Run extends RunRow>(
  write: Write,
  run: Run,
  attempt: AttemptRef,
  step: number,
  use: ModelUse,
): Promise<Run> {
  const used = usedBy(run, use);
  await write.tx
    .with('booked', (db) => db.insertInto('model_calls').values(toBooking(run, attempt, step, use)))
    .updateTable('runs')
    .set(countersOf(used))
    .where('id', '=', run.id)
    .execute();
  return used;
}

function toBooking(
  run: RunRow,
  { attempt }: AttemptRef,
  step: number,
  use: ModelUse,
): Insertable<ModelCalls> {
  return {
    run_id: run.id,
    step,
    attempt,
    tenant_id: run.tenant_id,
    model: use.model,
    status: use.status,
    input_tokens: use.inputTokens,
    cached_input_tokens: use.cachedInputTokens,
    output_tokens: use.outputTokens,
    cost_micros: use.costMicros,
    priced: use.priced,
    estimated: use.estimated,
    prompt: use.prompt === undefined ? null : JSON.stringify(use.prompt),
  };
}

/** The run's lock keeps other writers from adding to the same counters. */
function usedBy<Run extends RunRow>(run: Run, use: ModelUse): Run {
  return {
    ...run,
    input_tokens: run.input_tokens + use.inputTokens,
    cached_input_tokens: run.cached_input_tokens + use.cachedInputTokens,
    output_tokens: run.output_tokens + use.outputTokens,
    cost_micros: run.cost_micros + use.costMicros,
  };
}

function countersOf({
  steps,
  input_tokens,
  cached_input_tokens,
  output_tokens,
  cost_micros,
}: RunRow): Updateable<Runs> {
  return { steps, input_tokens, cached_input_tokens, output_tokens, cost_micros };
}
