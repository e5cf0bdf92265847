// One agent run: wires Temporal to the loop and to what reaches it from outside. It decides nothing itself and holds no
// text; what it knows of the run beyond its step is in Postgres.
import {
  ActivityFailure,
  ApplicationFailure,
  CancellationScope,
  condition,
  continueAsNew,
  isCancellation,
  patched,
  setHandler,
  sleep,
  TimeoutFailure,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import type {
  AgentRunInput,
  BeginRunResult,
  FinishRunInput,
  FinishRunResult,
  RunRef,
  RunResult,
} from './contracts/activities.ts';
import type { RunStatus, StopReason } from './contracts/run.ts';
import { type RunState, searchAttributes, state, wake } from './contracts/messages.ts';
import { activities } from './proxies.ts';
import { closeWith } from './close.ts';
import { type Guarded, type LoopPorts, type RunEnding, runLoop } from './run/loop.ts';
import { createOutside, type Outside } from './run/outside.ts';

// Replaying this many takes about a second after a worker's death; ten thousand would take five.
const historyEvents = 2000;

export async function agentRun(input: AgentRunInput): Promise<RunResult | undefined> {
  return closeWith(await drive(input));
}

/** Does the run's work. The result is undefined where the run belongs to another execution. */
async function drive(input: AgentRunInput): Promise<RunResult | undefined> {
  const ref: RunRef = { tenantId: input.tenantId, runId: input.runId, requestId: input.requestId };
  const executionId = workflowInfo().firstExecutionRunId;
  const current: RunState = { step: input.step ?? 0, phase: 'starting' };
  setHandler(state, () => current);
  const outside = listen(ref);

  // A run without a project begins with its first model call: one activity less, and the run stays queued until a
  // worker has room for that call.
  const fresh = current.step === 0 && input.fresh?.project === false ? input.fresh : undefined;
  const begun: BeginRunResult = fresh
    ? { proceed: true, step: 0, openCalls: [], leftMs: fresh.seconds * 1000, generation: 0, project: false }
    : // A cancelled workflow makes this call too: the answer decides how it closes, and the code below ends a run that
      // has begun.
      await CancellationScope.nonCancellable(() =>
        activities.beginRun({ ...ref, executionId, generation: input.generation }),
      );
  if (!begun.proceed) return begun.result;
  const { generation, project, executor } = begun;
  let result: RunResult | undefined;
  outside.within(begun.leftMs).catch(unlessCancelled);

  // The project as it was, under way beside the first model call.
  let recording: Promise<Guarded<{ problem?: string }>> | undefined;

  const ports: LoopPorts = {
    callModel(step, pauses) {
      current.phase = 'model';
      const begins = fresh && step === 1 ? { begins: executionId } : {};
      return activities.callModel({ ...ref, step, generation, ...begins, ...(pauses > 0 && { pauses }) });
    },
    recorded: () => recording?.then(endingOfProject),
    runTool({ callId, tool, timeoutSeconds, summary }, after) {
      current.phase = 'tools';
      const input = { ...ref, callId, tool, generation, timeoutSeconds, ...(after && { after }) };
      return activities.runTool(input, summary, executor);
    },
    // Runs accepted before this patch made all calls of one answer side by side. Asked only where the order matters, so
    // that no other history holds the mark. The patch may go once no such run is active.
    keepsOrder: () => patched('calls-in-the-order-written'),
    guard: outside.guard,
    closed: outside.closed,
    allowed: outside.allowed,
    async finish(step, ending) {
      current.phase = 'finishing';
      // The tree of the end is compared with that of the start; a failed recording of the start no longer matters.
      if (recording) await recording.catch(unlessCancelled);
      const end: FinishRunInput = { ...ref, executionId, generation, step, ...ending };
      const ended = await CancellationScope.nonCancellable(() => finish(end, project, executor));
      result = ended.result;
      // A stop, or the end of its time, is what the next look at it finds.
      if (ended.waits) await outside.guard(outside.message);
      return ended.finished;
    },
    ended(status, of) {
      showStatus(status);
      result = of;
    },
    async betweenSteps(step) {
      current.step = step;
      const info = workflowInfo();
      if (info.historyLength < (input.historyEvents ?? historyEvents) && !info.continueAsNewSuggested) return;
      await continueAsNew<typeof agentRun>({ ...input, step });
    },
  };
  if (begun.step === 0 && executor !== undefined) {
    // What a model is told of the project is read there: the first call waits for it.
    const ending = endingOfProject(
      await ports.guard(() => activities.snapshotProject({ ...ref, when: 'start' }, undefined, executor)),
    );
    if (ending && (await ports.finish(0, ending))) return result;
  } else if (project && begun.step === 0) {
    // Runs begun before this patch recorded first and called the model then. It may go once no such run is active.
    const isBeside = patched('project-recorded-beside-the-first-model-call');
    const recorded = ports.guard(() => activities.snapshotProject({ ...ref, when: 'start' }));
    if (isBeside) {
      recording = recorded;
      // A project that is gone ends the model call. Any other failure is handled where the recording is awaited.
      recorded.then(endingOfProject).then(
        (ending) => ending && outside.end(ending),
        () => undefined,
      );
    } else {
      const ending = endingOfProject(await recorded);
      if (ending && (await ports.finish(0, ending))) return result;
    }
  }
  await runLoop(ports, begun);
  return result;
}

function listen(ref: RunRef): Outside {
  const outside = createOutside({
    pendingInput: () => activities.pendingInput(ref),
    now: Date.now,
    sleep,
    until: (holds, ms) => (ms === undefined ? condition(holds) : condition(holds, ms)),
    begin(work) {
      const scope = new CancellationScope();
      return { result: scope.run(work), cancel: () => scope.cancel() };
    },
    endingOf: endingOfFailure,
  });
  setHandler(wake, outside.wake);
  outside.watch().catch(unlessCancelled);
  return outside;
}

/** A cancel of the workflow itself, in Temporal's own UI or CLI, also cancels work under way: no failure of its own. */
function unlessCancelled(error: unknown): void {
  if (!isCancellation(error)) throw error;
}

/** For people who look at Temporal's own UI. */
function showStatus(status: RunStatus): void {
  upsertSearchAttributes([{ key: searchAttributes.status, value: status }]);
}

function endingOfProject(recorded: Guarded<{ problem?: string }>): RunEnding | undefined {
  // Any other failure costs the run its diff, and no more.
  if (recorded.kind === 'ended')
    return recorded.ending.reason === 'internal_error' ? undefined : recorded.ending;
  if (recorded.value.problem === undefined) return undefined;
  return { outcome: 'failed', reason: 'project_missing', detail: recorded.value.problem };
}

async function finish(
  end: FinishRunInput,
  project: boolean,
  executor: string | undefined,
): Promise<FinishRunResult> {
  // A run that may go on once more records its tree again at its real end.
  if (project && end.reason !== 'project_missing' && end.reason !== 'executor_lost') {
    const { tenantId, runId, requestId } = end;
    await activities
      .snapshotProject({ tenantId, runId, requestId, when: 'end' }, undefined, executor)
      .catch((error: unknown) => {
        // The run's own outcome does not depend on whether its diff can be shown.
        if (!(error instanceof ActivityFailure)) throw error;
      });
  }
  const finished = await activities.finishRun(end);
  if (finished.status) showStatus(finished.status);
  return finished;
}

/** How the run ends when its work failed. Undefined for an error that is no failure of an activity. */
function endingOfFailure(error: unknown): RunEnding | undefined {
  if (isCancellation(error)) return { outcome: 'stopped', reason: 'interrupted' };
  if (!(error instanceof ActivityFailure)) return undefined;
  const { cause } = error;
  if (cause instanceof ApplicationFailure) {
    return { outcome: 'failed', reason: reasonOf(cause.type ?? ''), detail: cause.message.slice(0, 500) };
  }
  if (cause instanceof TimeoutFailure)
    return { outcome: 'failed', reason: 'internal_error', detail: cause.message };
  return undefined;
}

const reasons: Record<string, StopReason> = {
  ModelContextTooLong: 'context_too_long',
  ModelUnavailable: 'model_unavailable',
  InputMissing: 'input_missing',
};

function reasonOf(type: string): StopReason {
  return reasons[type] ?? (type.startsWith('Model') ? 'model_failed' : 'internal_error');
}
