// One agent run: wires Temporal to the loop. It decides nothing itself and holds no text; what it knows of the
// run beyond its step is in Postgres.
import {
  ActivityFailure,
  ApplicationFailure,
  CancellationScope,
  condition,
  continueAsNew,
  isCancellation,
  setHandler,
  sleep,
  TimeoutFailure,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import type { AgentRunInput, BeginRunResult, RunRef } from './contracts/activities.ts';
import { type RunState, searchAttributes, state, wake } from './contracts/messages.ts';
import {
  beginRun,
  callModel,
  finishRun,
  pendingStop,
  runToolFor,
  snapshotAtEnd,
  snapshotAtStart,
} from './proxies.ts';
import { type Guarded, type LoopPorts, type RunEnding, runLoop } from './run/loop.ts';

// Replaying this many takes about a second after a worker's death; ten thousand would take five.
const historyEvents = 2000;

const interrupted: RunEnding = { outcome: 'stopped', reason: 'interrupted' };
const timedOut: RunEnding = { outcome: 'timed_out', reason: 'limit_seconds' };

export async function agentRun(input: AgentRunInput): Promise<void> {
  const ref: RunRef = { tenantId: input.tenantId, runId: input.runId, requestId: input.requestId };
  const current: RunState = { step: input.step ?? 0, phase: 'starting' };
  let woken = false;
  let timeIsUp = false;
  setHandler(wake, () => {
    woken = true;
  });
  setHandler(state, () => current);

  const begun = await beginRun({
    ...ref,
    executionId: workflowInfo().firstExecutionRunId,
    generation: input.generation ?? 0,
  });
  if (!begun.proceed) return;
  // One timer for the whole execution: a timer per step would cost two events each. Timers may be late by a second,
  // so whatever is out of time at its begin is told so at once, not by a timer that the next begin would replace.
  const timer = new CancellationScope();
  if (begun.leftMs === 0) timeIsUp = true;
  else {
    void timer
      .run(() => sleep(begun.leftMs))
      .then(
        () => {
          timeIsUp = true;
        },
        () => undefined,
      );
  }

  /** Resolves when the run is to stop: a wake is looked into, since most wakes are steers. */
  async function stopSign(): Promise<RunEnding> {
    for (;;) {
      await condition(() => woken || timeIsUp);
      if (timeIsUp) return timedOut;
      woken = false;
      if ((await pendingStop(ref)).stop !== 'none') return interrupted;
    }
  }

  const ports: LoopPorts = {
    callModel(step) {
      current.phase = 'model';
      return callModel({ ...ref, step, generation: begun.generation });
    },
    runTool(call) {
      current.phase = 'tools';
      return runToolFor(call)({ ...ref, callId: call.callId, tool: call.tool, generation: begun.generation });
    },
    guard: (work) => guard(work, stopSign),
    async finish(step, ending) {
      current.phase = 'finishing';
      return CancellationScope.nonCancellable(() => finish(ref, begun, step, ending));
    },
    async betweenSteps(step) {
      current.step = step;
      const info = workflowInfo();
      if (info.historyLength < (input.historyEvents ?? historyEvents) && !info.continueAsNewSuggested) return;
      timer.cancel();
      await continueAsNew<typeof agentRun>({ ...input, step });
    },
  };
  if (begun.project && begun.step === 0) {
    const project = await ports.guard(() => snapshotAtStart({ ...ref, when: 'start' }));
    const ending = endingOfProject(project);
    if (ending && (await ports.finish(0, ending))) return timer.cancel();
  }
  await runLoop(ports, begun);
  timer.cancel();
}

function endingOfProject(project: Guarded<{ problem?: string }>): RunEnding | undefined {
  // Whatever else went wrong costs the run its diff, and no more.
  if (project.kind === 'ended')
    return project.ending.reason === 'internal_error' ? undefined : project.ending;
  if (project.value.problem === undefined) return undefined;
  return { outcome: 'failed', reason: 'project_missing', detail: project.value.problem };
}

async function finish(ref: RunRef, begun: BeginRunResult, step: number, ending: RunEnding): Promise<boolean> {
  // A run that may go on once more records its tree again at its real end.
  if (begun.project && ending.reason !== 'project_missing') {
    await snapshotAtEnd({ ...ref, when: 'end' }).catch((error: unknown) => {
      // The run's own outcome does not depend on whether its diff can be shown.
      if (!(error instanceof ActivityFailure)) throw error;
    });
  }
  const { finished, status } = await finishRun({ ...ref, step, generation: begun.generation, ...ending });
  if (status) upsertSearchAttributes([{ key: searchAttributes.status, value: status }]);
  return finished;
}

/** Runs work in a scope of its own, which a stop cancels; waits for the work to have stopped. */
async function guard<T>(work: () => Promise<T>, stopSign: () => Promise<RunEnding>): Promise<Guarded<T>> {
  const scope = new CancellationScope();
  const watch = new CancellationScope();
  let ending: RunEnding | undefined;
  void watch.run(stopSign).then(
    (sign) => {
      ending = sign;
      scope.cancel();
    },
    (error: unknown) => {
      if (!isCancellation(error)) throw error;
    },
  );
  try {
    const value = await scope.run(work);
    return ending ? { kind: 'ended', ending } : { kind: 'done', value };
  } catch (error) {
    if (ending) return { kind: 'ended', ending };
    // Somebody cancelled the workflow itself, in Temporal's own UI or CLI.
    if (isCancellation(error)) return { kind: 'ended', ending: interrupted };
    const failed = failureEnding(error);
    if (!failed) throw error;
    return { kind: 'ended', ending: failed };
  } finally {
    watch.cancel();
  }
}

/** What an activity's last failure means for the run. Undefined for what no activity failed with. */
function failureEnding(error: unknown): RunEnding | undefined {
  if (!(error instanceof ActivityFailure)) return undefined;
  const { cause } = error;
  if (cause instanceof ApplicationFailure) {
    const reason =
      cause.type === 'ModelContextTooLong'
        ? 'context_too_long'
        : cause.type === 'ModelUnavailable'
          ? 'model_unavailable'
          : cause.type?.startsWith('Model')
            ? 'model_failed'
            : 'internal_error';
    return { outcome: 'failed', reason, detail: cause.message.slice(0, 500) };
  }
  if (cause instanceof TimeoutFailure)
    return { outcome: 'failed', reason: 'internal_error', detail: cause.message };
  return undefined;
}
