// A model's answer: stored once per step, with its calls already reviewed, in one transaction.
import type { NewEvent } from '../../workflows/contracts/event.ts';
import type { RunStatus } from '../../workflows/contracts/run.ts';
import { isTerminal } from '../../workflows/run/transitions.ts';
import { type AttemptRef, beginAttempt, endAttempt, type NewAttempt } from './attempts.ts';
import { type CallRow, streamFor, toolMessage } from './calls.ts';
import type { Write } from './events.ts';
import { applyMessages, stopAmong, waitingInputs } from './inputs.ts';
import { lockRun, type RunRow } from './runs.ts';
import { toStorable } from './storable.ts';

export interface ReviewedCall {
  callId: string;
  index: number;
  providerCallId: string;
  tool: string;
  /** As the model wrote it when it cannot be parsed, else the parsed arguments. */
  input: unknown;
  inputText: string;
  inputHash: string;
  effect: string | null;
  subject: string;
  repeat: string | null;
  decision: 'allow' | 'ask' | 'deny';
  rule: string;
  reason: string;
  timeoutSeconds: number;
  /** Why it will not be made at all: no such tool, arguments that do not fit, denied. */
  refusal: { status: 'failed' | 'denied'; output: string } | undefined;
}

export interface ModelUse {
  model: string;
  status: 'answered' | 'failed' | 'stopped';
  inputTokens: number;
  cachedInputTokens: number;
  outputTokens: number;
  costMicros: number;
  priced: boolean;
  estimated: boolean;
}

export type OpenedStep =
  | { kind: 'stored'; calls: CallRow[] }
  | { kind: 'stopped' }
  /** `earlier` attempts came before this one; `lost` of them took their workers along. */
  | { kind: 'opened'; run: RunRow; earlier: number; lost: number };

/**
 * Opens a step for its model call: takes the fence, applies what people sent, and drops what an earlier attempt
 * streamed. `stored`: an earlier attempt stored the answer and died before it could say so.
 */
export async function openStep(
  write: Write,
  input: { tenantId: string; step: number; attempt: NewAttempt; mayOpen(run: RunRow): boolean },
): Promise<OpenedStep> {
  const run = await lockRun(write, input.tenantId, input.attempt.runId);
  if (!run) throw new Error(`There is no run ${input.attempt.runId}.`);
  if (run.steps >= input.step) return { kind: 'stored', calls: await callsOf(write, run, input.step) };
  // Ended behind its workflow's back: there is nothing to answer any more.
  if (isTerminal(run.status as RunStatus)) return { kind: 'stopped' };
  const waiting = await waitingInputs(write.tx, run.id);
  if (stopAmong(waiting) !== 'none' || !input.mayOpen(run)) return { kind: 'stopped' };
  const { earlier, lost } = await beginAttempt(write, run, input.attempt);
  const event: NewEvent =
    earlier === 0
      ? { type: 'step-start', payload: { step: input.step, model: run.model } }
      : {
          type: 'message-reset',
          payload: { step: input.step, reason: 'The attempt before did not finish.' },
        };
  await write.append({
    ...streamFor(run),
    events: [event],
    fence: { unit: input.attempt.unit, attempt: input.attempt.attempt },
  });
  await applyMessages(write, run, input.step, waiting);
  return { kind: 'opened', run, earlier, lost };
}

export interface Answer {
  tenantId: string;
  attempt: AttemptRef;
  step: number;
  text: string;
  calls: ReviewedCall[];
  use: ModelUse;
  /** Closes the blocks that were streamed; comes first. */
  closing: NewEvent[];
}

/** Stores the answer once; stored again by the same attempt, it is read back. Returns the step's calls. */
export async function storeAnswer(write: Write, answer: Answer): Promise<CallRow[]> {
  const run = await lockRun(write, answer.tenantId, answer.attempt.runId);
  if (!run) throw new Error(`There is no run ${answer.attempt.runId}.`);
  // The answer to an earlier COMMIT of this very attempt may have been lost.
  if (run.steps >= answer.step && (await hasBooked(write, answer.attempt, answer.step)))
    return callsOf(write, run, answer.step);
  await endAttempt(write, answer.attempt, answer.use.status);
  await write.tx
    .insertInto('messages')
    .values({
      run_id: run.id,
      tenant_id: run.tenant_id,
      step: answer.step,
      phase: 1,
      position: 0,
      role: 'assistant',
      text: toStorable(answer.text),
      calls:
        answer.calls.length === 0
          ? null
          : JSON.stringify(
              answer.calls.map((call) => ({ callId: call.callId, name: call.tool, input: call.inputText })),
            ),
    })
    .execute();
  const calls = await insertCalls(write, run, answer);
  await recordUse(write, { ...run, steps: answer.step }, answer.attempt, answer.step, answer.use);
  await write.append({ ...streamFor(run), events: eventsOf(answer), dedupeKey: `answer/${answer.step}` });
  return calls;
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

/** Adds what a model call used to the run, whatever became of the call: it was billed. Stores the run's steps too. */
export async function recordUse(
  write: Write,
  run: RunRow,
  attempt: AttemptRef,
  step: number,
  use: ModelUse,
): Promise<void> {
  await write.tx
    .with('booked', (db) =>
      db.insertInto('model_calls').values({
        run_id: run.id,
        step,
        attempt: attempt.attempt,
        tenant_id: run.tenant_id,
        model: use.model,
        status: use.status,
        input_tokens: use.inputTokens,
        cached_input_tokens: use.cachedInputTokens,
        output_tokens: use.outputTokens,
        cost_micros: use.costMicros,
        priced: use.priced,
        estimated: use.estimated,
      }),
    )
    .updateTable('runs')
    .set((eb) => ({
      steps: run.steps,
      input_tokens: eb('input_tokens', '+', use.inputTokens),
      cached_input_tokens: eb('cached_input_tokens', '+', use.cachedInputTokens),
      output_tokens: eb('output_tokens', '+', use.outputTokens),
      cost_micros: eb('cost_micros', '+', use.costMicros),
    }))
    .where('id', '=', run.id)
    .execute();
}

async function insertCalls(write: Write, run: RunRow, answer: Answer): Promise<CallRow[]> {
  if (answer.calls.length === 0) return [];
  const calls = await write.tx
    .insertInto('calls')
    .values(
      answer.calls.map((call) => ({
        run_id: run.id,
        call_id: call.callId,
        tenant_id: run.tenant_id,
        step: answer.step,
        index: call.index,
        provider_call_id: call.providerCallId,
        tool: call.tool,
        input: JSON.stringify(call.input),
        input_hash: call.inputHash,
        effect: call.effect,
        subject: call.subject,
        repeat: call.repeat,
        decision: call.decision,
        rule: call.rule,
        reason: call.reason,
        timeout_seconds: call.timeoutSeconds,
        status: call.refusal?.status ?? 'requested',
        output: call.refusal?.output ?? null,
        output_bytes: call.refusal ? Buffer.byteLength(call.refusal.output) : null,
        ended_at: call.refusal ? new Date() : null,
      })),
    )
    .returningAll()
    .execute();
  const refused = answer.calls.flatMap((call) => (call.refusal ? [{ call, refusal: call.refusal }] : []));
  if (refused.length === 0) return calls;
  await write.tx
    .insertInto('messages')
    .values(
      refused.map(({ call, refusal }) =>
        toolMessage(
          run,
          { call_id: call.callId, step: answer.step, index: call.index },
          { output: refusal.output, failed: true },
        ),
      ),
    )
    .execute();
  return calls;
}

function eventsOf(answer: Answer): NewEvent[] {
  const { step, use } = answer;
  return [
    ...answer.closing,
    { type: 'message-end', payload: { step, text: answer.text } },
    ...answer.calls.flatMap((call): NewEvent[] => [
      {
        type: 'call-request',
        payload: {
          step,
          callId: call.callId,
          tool: call.tool,
          input: call.inputText.slice(0, 4000),
          effect: call.effect as 'read' | null,
          subject: toStorable(call.subject.slice(0, 4000)),
          decision: call.decision,
          rule: call.rule,
          reason: call.reason,
        },
      },
      ...(call.refusal ? [refusalEvent(call, call.refusal)] : []),
    ]),
    {
      type: 'step-end',
      payload: {
        step,
        usage: {
          inputTokens: use.inputTokens,
          cachedInputTokens: use.cachedInputTokens,
          outputTokens: use.outputTokens,
        },
        costMicros: use.costMicros,
        priced: use.priced,
        calls: answer.calls.length,
      },
    },
  ];
}

function refusalEvent(
  call: ReviewedCall,
  refusal: { status: 'failed' | 'denied'; output: string },
): NewEvent {
  return {
    type: 'call-end',
    payload: {
      callId: call.callId,
      tool: call.tool,
      status: refusal.status,
      output: refusal.output.slice(0, 2000),
      bytes: Buffer.byteLength(refusal.output),
      content: null,
    },
  };
}
