// Opens the step of a model call, or says what becomes of it: another execution has the run, an earlier attempt stored
// the answer, the run was stopped, a limit is reached, or a question about money is open.
import type { CallModelInput, CallModelResult } from '../../workflows/contracts/activities.ts';
import type { StoredMessage } from '../../workflows/contracts/message.ts';
import type { EffectiveLimits, StopReason } from '../../workflows/contracts/run.ts';
import type { ActivityDeps, ActivityTask, Attempt } from '../deps.ts';
import { isScripted } from '../llm/index.ts';
import { shortageOf } from '../store/allowances/own-limits.ts';
import type { Queries } from '../store/db/database.ts';
import { type OpenedStep, openStep } from '../store/lifecycle/answers.ts';
import { beginRun } from '../store/lifecycle/begin-run.ts';
import type { Write } from '../store/log/events.ts';
import type { NewAttempt } from '../store/runs/attempts.ts';
import { readContext } from '../store/runs/messages.ts';
import { findRun, type LockedRun, lockRun, requireRun, type RunRow } from '../store/runs/runs.ts';
import { askForMore, questionOf, reasonOf } from './ask-for-money.ts';
import { unknownPrice } from './unknown-price.ts';
import { toStepResult } from './result.ts';
import { runResultOf } from './run-result.ts';

/** One call of a model: the only one of its run at that time. */
export interface ModelCall {
  run: RunRow;
  step: number;
  attempt: Attempt;
}

export type Opened = Extract<OpenedStep, { kind: 'opened' }> & {
  /** What the model is told. */
  history: StoredMessage[];
};

type Opening = Extract<OpenedStep, { kind: 'opened' }> | { result: CallModelResult };

/** `ahead`: done once the step's context is read, while its begin is still on the way to the disk. */
export async function openModelCall<Ahead>(
  deps: ActivityDeps,
  input: CallModelInput,
  { task }: ActivityTask,
  ahead: (opened: Opened) => Ahead,
): Promise<(Opened & { ahead: Ahead }) | { result: CallModelResult }> {
  const { step } = input;
  let reading: Promise<{ history: StoredMessage[]; ahead: Ahead }> | undefined;
  const opening = await deps.log.write('open-step', async (write): Promise<Opening> => {
    const run = await runFor(deps, write, input);
    if (!run) return { result: await foreign(write, input) };
    const question = run.steps < step && (await questionOf(write.tx, run, { step, task }));
    if (question) return { result: question };
    const notes = step === 1 ? unknownPrice(deps, run.model) : [];
    const opened = await openStep(write, run, {
      step,
      attempt: task,
      reached: await limitReached(write.tx, run),
      notes,
      keep: (mediaType, bytes) => deps.contents.put(run.tenant_id, mediaType, bytes, write.tx),
    });
    switch (opened.kind) {
      case 'opened':
        // With what people have just told it. Read on the way to the commit, it costs no round trip.
        reading = readContext(write.tx, run.tenant_id, run.id).then((history) => ({
          history,
          ahead: ahead({ ...opened, history }),
        }));
        write.send(reading);
        return opened;
      case 'stored':
        return { result: toStepResult(opened) };
      case 'stopped':
        return { result: { kind: 'stopped' } };
      case 'stalled':
        return { result: { kind: 'limit', reason: 'stalled' } };
      case 'limit':
        return { result: await limited(deps, write, { run, step, task }, opened.reason) };
    }
  });
  if ('result' in opening) return opening;
  if (!reading) throw new Error('A step was opened without its context.');
  return { ...opening, ...(await reading) };
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
  const run = requireRun(await lockRun(write, tenantId, runId), runId);
  // An attempt before this one may have stored the answer, and ended the run with it.
  return begins === undefined || run.execution_id === begins ? run : undefined;
}

/** What becomes of the call of a run that is not this execution's. */
async function foreign(write: Write, { tenantId, runId }: CallModelInput): Promise<CallModelResult> {
  const run = await findRun(write.tx, tenantId, runId);
  const result = run && run.execution_id === null && runResultOf(run);
  return { kind: 'foreign', ...(result && { result }) };
}

/** Checked before a call, so that none is started beyond a limit; what one call uses may go over it once. */
async function limitReached(queries: Queries, run: RunRow): Promise<StopReason | undefined> {
  const { steps } = run.limits as unknown as EffectiveLimits;
  if (run.steps >= steps) return 'limit_steps';
  const short = await shortageOf(queries, run);
  return short && reasonOf(short);
}

/** For more money a person is asked; every other limit ends the run. */
async function limited(
  deps: ActivityDeps,
  write: Write,
  { run, step, task }: { run: RunRow; step: number; task: NewAttempt },
  reason: StopReason,
): Promise<CallModelResult> {
  const short = reason === 'limit_steps' ? undefined : await shortageOf(write.tx, run);
  return short ? askForMore(deps, write, run, { step, task, short }) : { kind: 'limit', reason };
}
