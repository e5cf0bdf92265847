// The activity of one model call: opens the step, streams the answer into the event log, and stores it together
// with the review of its calls. What a dead attempt already stored is returned, never bought again.
import type { CallModelInput, CallModelResult, PlannedCall } from '../workflows/contracts/activities.ts';
import type { EffectiveLimits, RunStatus, StopReason } from '../workflows/contracts/run.ts';
import { isTerminal } from '../workflows/run/transitions.ts';
import { type Attempt, withAttempt } from './attempt.ts';
import type { ActivityDeps } from './deps.ts';
import { draw, settleUse } from './draw.ts';
import { finish, settleEnd } from './finish.ts';
import { createJournal } from './journal.ts';
import { askForRun, patienceOf, questionOf, tooManyPauses } from './limit-question.ts';
import { findLlm, isScripted } from './llm/index.ts';
import { type Llm, LlmError, type LlmRequest } from './llm/llm.ts';
import { failModelCall, WorkersLost } from './model-failure.ts';
import { bookLost, noUse, type Streamed, useOf } from './model-use.ts';
import { untilStored } from './store/db/until-stored.ts';
import { assemble } from './prompt/assemble.ts';
import { externalToolsOf, toExternalSpec } from './external-tools.ts';
import { reviewFor } from './review.ts';
import { type ModelUse, type OpenedStep, openStep, storeAnswer } from './store/lifecycle/answers.ts';
import type { CallRow } from './store/calls/calls.ts';
import { mayPause } from './store/runs/attempts.ts';
import { beginRun } from './store/lifecycle/begin-run.ts';
import type { EndedRun } from './store/lifecycle/end-run.ts';
import type { Write } from './store/log/events.ts';
import { readContext } from './store/runs/messages.ts';
import {
  type LockedRun,
  lockRun,
  lockRunAndConversation,
  type RunRow,
  streamFor,
} from './store/runs/runs.ts';
import { RunStopped } from './store/runs/stops.ts';
import { toToolSpec } from './tools/index.ts';

// Room for a long file in one answer; providers cut at their own maximum below it.
const maxOutputTokens = 32_000;
// Kills that come by chance must never end a run, and a model call is safe to make again: only a prompt that takes
// down whoever sends it meets ten deaths in one step.
const mostLostAttempts = 10;

export function createCallModel(deps: ActivityDeps): (input: CallModelInput) => Promise<CallModelResult> {
  return (input) => {
    const unit = `model/${input.step}`;
    const { runId, generation, pauses } = input;
    return withAttempt(deps, { runId, unit, generation, pauses }, async (attempt) => {
      const opened = await open(deps, input, attempt);
      if (!opened) return { kind: 'foreign' };
      if (opened.kind === 'limit' || opened.kind === 'paused') return opened;
      if (opened.kind === 'stopped') return { kind: 'stopped' };
      if (opened.kind === 'stalled') return { kind: 'limit', reason: 'stalled' };
      if (opened.kind === 'stored') return resultOf(opened);
      return answerStep(deps, opened, input, attempt);
    });
  };
}

type Limited = Extract<CallModelResult, { kind: 'limit' | 'paused' }>;

async function open(
  deps: ActivityDeps,
  input: CallModelInput,
  attempt: Attempt,
): Promise<OpenedStep | Limited | undefined> {
  const { step } = input;
  return deps.log.write('open-step', async (write) => {
    const run = await runFor(deps, write, input);
    if (!run) return undefined;
    const question = run.steps < step && (await questionOf(write.tx, run, { step, attempt: attempt.ref }));
    if (question) return question;
    const reached: { reason?: StopReason | undefined } = {};
    const opened = await openStep(write, run, {
      step,
      attempt: attempt.ref,
      mayOpen() {
        reached.reason = limitReached(run);
        return reached.reason === undefined;
      },
    });
    if (reached.reason === 'limit_cost')
      return mayPause(attempt.ref) ? askForRun(deps, write, run, step) : tooManyPauses('costMicros');
    return reached.reason === undefined ? opened : { kind: 'limit', reason: reached.reason };
  });
}

/** The run, locked; begun with this call where nothing came before it. Undefined when it is another execution's. */
async function runFor(
  deps: ActivityDeps,
  write: Write,
  input: CallModelInput,
): Promise<LockedRun | undefined> {
  const { tenantId, runId, begins } = input;
  if (begins !== undefined) {
    const begun = await beginRun(write, {
      tenantId,
      runId,
      executionId: begins,
      generation: 0,
      isScripted: (model) => isScripted(deps.llms, model),
    });
    if (begun) return begun.run;
  }
  const run = await lockRun(write, tenantId, runId);
  if (!run) throw new Error(`There is no run ${runId}.`);
  // An attempt before this one may have stored the answer, and ended the run with it.
  return begins === undefined || run.execution_id === begins ? run : undefined;
}

/** Checked before a call, so that none is started beyond a limit; what one call uses may go over it once. */
function limitReached(run: RunRow): StopReason | undefined {
  const limits = run.limits as unknown as EffectiveLimits;
  if (run.steps >= limits.steps) return 'limit_steps';
  if (run.cost_micros >= limits.costMicros) return 'limit_cost';
  if (run.input_tokens + run.output_tokens >= limits.tokens) return 'limit_tokens';
  return undefined;
}

type Opened = Extract<OpenedStep, { kind: 'opened' }>;

async function answerStep(
  deps: ActivityDeps,
  opened: Opened,
  input: CallModelInput,
  attempt: Attempt,
): Promise<CallModelResult> {
  const { run } = opened;
  const llm = findLlm(deps.llms, run.model)?.llm;
  const prepared = await prepare(deps, opened, input, attempt);
  if ('kind' in prepared) return prepared;
  const { request } = prepared;
  const giveUp = new AbortController();
  const signal = AbortSignal.any([attempt.signal, giveUp.signal]);
  const journal = createJournal({
    log: deps.log,
    ...streamFor(run),
    attempt: attempt.ref,
    step: input.step,
    redactor: deps.redactor.stream(),
    onFailure: (error) => giveUp.abort(error),
  });
  const streamed: Streamed = { text: '', calls: [], usage: undefined };
  try {
    await stream(llm, request, signal, journal, streamed);
  } catch (error) {
    const closing = await journal.finish();
    if (signal.reason instanceof RunStopped) {
      const use = useOf(deps, run.model, request, streamed, 'stopped');
      await store(deps, run, input.step, attempt, { ...streamed, calls: [] }, use, closing);
      return { kind: 'stopped' };
    }
    const use = useOf(deps, run.model, request, streamed, 'failed');
    const cause: unknown = signal.aborted ? signal.reason : error;
    return failDrawn(deps, run, attempt, input.step, cause, use, closing);
  }
  const closing = await journal.finish();
  // The journal may have failed while the last pieces were sent. A stop at that time changes nothing about an answer
  // that is whole and paid for.
  if (giveUp.signal.aborted) {
    const use = useOf(deps, run.model, request, streamed, 'failed');
    return failDrawn(deps, run, attempt, input.step, giveUp.signal.reason, use);
  }
  const use = useOf(deps, run.model, request, streamed, 'answered');
  return resultOf(await store(deps, run, input.step, attempt, streamed, use, closing));
}

/** As failModelCall, of a call whose worst case was drawn. */
async function failDrawn(...failed: Parameters<typeof failModelCall>): Promise<never> {
  const [deps, run, attempt, step, , use] = failed;
  try {
    return await failModelCall(...failed);
  } finally {
    await settleUse(deps, run, step, attempt, use);
  }
}

/**
 * What to ask, or what becomes of the step when it may not be asked for want of money; what earlier attempts asked and
 * never accounted for is booked on the way.
 */
async function prepare(
  deps: ActivityDeps,
  { run, earlier, lost }: Opened,
  { step }: CallModelInput,
  attempt: Attempt,
): Promise<{ request: LlmRequest } | CallModelResult> {
  try {
    if (lost >= mostLostAttempts) throw new WorkersLost(step, lost);
    const request = await requestFor(deps, run, step);
    if (earlier > 0) {
      await deps.log.write('book-lost', async (write) => {
        const locked = await lockRun(write, run.tenant_id, run.id);
        if (locked) await bookLost(deps, write, locked, { step, before: attempt.ref.attempt, request });
      });
    }
    return (await draw(deps, run, step, attempt, request)) ?? { request };
  } catch (error) {
    return failModelCall(deps, run, attempt, step, error, noUse(deps, run.model));
  }
}

async function requestFor(deps: ActivityDeps, run: RunRow, step: number): Promise<LlmRequest> {
  const history = await readContext(deps.log.db, run.tenant_id, run.id);
  const limits = run.limits as unknown as EffectiveLimits;
  const prompt = assemble({
    tools: [...deps.tools.map(toToolSpec), ...externalToolsOf(run).map(toExternalSpec)],
    history,
    dynamic: {
      step,
      stepLimit: limits.steps,
      projectPath: run.project_path ?? undefined,
      date: new Date().toISOString().slice(0, 10),
    },
  });
  return {
    model: run.model.slice(run.model.indexOf('/') + 1),
    messages: prompt.messages,
    tools: prompt.tools,
    maxOutputTokens,
    runId: run.id,
    step,
  };
}

async function stream(
  llm: Llm | undefined,
  request: LlmRequest,
  signal: AbortSignal,
  journal: { text(text: string): void; thinking(text: string): void },
  streamed: Streamed,
): Promise<void> {
  if (!llm) throw new LlmError('bad_request', 'No model of that provider is configured on this worker.');
  for await (const part of llm.stream(request, signal)) {
    switch (part.type) {
      case 'text':
        streamed.text += part.text;
        journal.text(part.text);
        break;
      case 'thinking':
        journal.thinking(part.text);
        break;
      case 'call':
        streamed.calls.push(part.call);
        break;
      case 'finish':
        streamed.usage = part.usage;
        if (part.reason === 'refused')
          throw new LlmError('content_refused', 'The provider refused the content.');
        break;
    }
  }
  signal.throwIfAborted();
}

async function store(
  deps: ActivityDeps,
  run: RunRow,
  step: number,
  attempt: Attempt,
  streamed: Streamed,
  use: ModelUse,
  closing: Awaited<ReturnType<ReturnType<typeof createJournal>['finish']>>,
): Promise<StoredStep> {
  // On entry, before anything is hashed, stored or run: a model that got hold of a secret passes none on.
  const { redact } = deps.log;
  const asked = streamed.calls.map((call) => ({ ...call, input: redact(call.input) }));
  const needs = { tools: deps.tools, db: deps.log.db, profileOf: deps.profileOf };
  const calls = await reviewFor(needs, run, step, asked);
  const answer = {
    attempt: attempt.ref,
    step,
    text: redact(streamed.text),
    calls,
    use,
    closing,
    patience: patienceOf(deps),
  };
  // What has nothing left to do after its answer ends with it. A project's tree comes before the end, and so does the
  // end of what runs in the background.
  const ends =
    use.status === 'answered' && calls.length === 0 && !run.project_path && !deps.hasBackground(run.id);
  const stored = await untilStored(() =>
    deps.log.write('store-answer', async (write): Promise<StoredStep & Partial<EndedRun>> => {
      const lock = ends ? lockRunAndConversation : lockRun;
      const current = await lock(write, run.tenant_id, run.id);
      if (!current) throw new Error(`There is no run ${run.id}.`);
      const { run: locked, calls: rows } = await storeAnswer(write, current, answer);
      // Read back after a lost COMMIT, it may have ended with the first one.
      const mayEnd = ends && !isTerminal(locked.status as RunStatus);
      const ended =
        mayEnd && (await finish(deps, write, locked, { outcome: 'succeeded', reason: 'finished' }));
      return { calls: rows, ...(ended || { run: locked }) };
    }),
  );
  const { ended = false, waiting = false } = stored;
  // The end of the account settles what is open with what was booked.
  if (ended) await settleEnd(deps, { ...stored, ended, waiting });
  else await settleUse(deps, run, step, attempt, use);
  return stored;
}

interface StoredStep {
  run: RunRow;
  calls: CallRow[];
}

function resultOf({ run, calls }: StoredStep): CallModelResult {
  const status = run.status as RunStatus;
  if (calls.length === 0) return { kind: 'answer', ...(isTerminal(status) ? { ended: status } : {}) };
  const open = calls.filter((call) => call.status === 'requested' || call.status === 'running');
  const finish = calls.some(
    (call) => call.tool === 'finish' && call.decision === 'allow' && call.status !== 'failed',
  );
  return { kind: 'calls', finish, calls: open.map(toPlannedCall) };
}

export function toPlannedCall(call: CallRow): PlannedCall {
  return {
    callId: call.call_id,
    tool: call.tool,
    // What Temporal's UI can show of a summary.
    summary: `${call.tool} ${call.subject}`.slice(0, 100),
    decision: call.decision as PlannedCall['decision'],
    rule: call.rule.slice(0, 100),
    timeoutSeconds: call.timeout_seconds,
  };
}
