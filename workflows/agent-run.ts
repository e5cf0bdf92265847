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
import type { RunStatus } from './contracts/run.ts';
import { type RunState, searchAttributes, state, wake } from './contracts/messages.ts';
import {
  beginRun,
  callModel,
  finishRun,
  pendingInput,
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
  const executionId = workflowInfo().firstExecutionRunId;
  const current: RunState = { step: input.step ?? 0, phase: 'starting' };
  setHandler(state, () => current);
  const outside = watchOutside(ref);

  // A run without a project begins with its first model call: one activity less, and until a worker has room for that
  // call the run is queued, as it says.
  const fresh = current.step === 0 && input.fresh?.project === false ? input.fresh : undefined;
  const begun: BeginRunResult = fresh
    ? { proceed: true, step: 0, openCalls: [], leftMs: fresh.seconds * 1000, generation: 0, project: false }
    : await beginRun({ ...ref, executionId, generation: input.generation ?? 0 });
  if (!begun.proceed) return;
  outside.within(begun.leftMs);

  const ports: LoopPorts = {
    callModel(step, pauses) {
      current.phase = 'model';
      const begins = fresh && step === 1 ? { begins: executionId } : {};
      const paused = pauses > 0 ? { pauses } : {};
      return callModel({ ...ref, step, generation: begun.generation, ...begins, ...paused });
    },
    runTool(call) {
      current.phase = 'tools';
      return runToolFor(call)({ ...ref, callId: call.callId, tool: call.tool, generation: begun.generation });
    },
    guard: outside.guard,
    allowed: outside.allowed,
    async finish(step, ending) {
      current.phase = 'finishing';
      // It may never have come to the model call it begins with.
      const of = fresh ? { ...ref, executionId } : ref;
      return CancellationScope.nonCancellable(() => finish(of, begun, step, ending));
    },
    ended: showStatus,
    async betweenSteps(step) {
      current.step = step;
      const info = workflowInfo();
      if (info.historyLength < (input.historyEvents ?? historyEvents) && !info.continueAsNewSuggested) return;
      await continueAsNew<typeof agentRun>({ ...input, step });
    },
  };
  if (begun.project && begun.step === 0) {
    const project = await ports.guard(() => snapshotAtStart({ ...ref, when: 'start' }));
    const ending = endingOfProject(project);
    if (ending && (await ports.finish(0, ending))) return;
  }
  await runLoop(ports, begun);
}

interface Outside {
  /** Begins to count; called once. */
  within(leftMs: number): void;
  /** Runs work in a scope of its own, which a stop cancels; waits for the work to have stopped. */
  guard<T>(work: () => Promise<T>): Promise<Guarded<T>>;
  /** Waits for a person's word. Meanwhile the clock stands still. */
  allowed(waits: string): Promise<boolean>;
}

/** What reaches a run from outside: people, who send a wake and leave the rest in rows, and the end of its time. */
function watchOutside(ref: RunRef): Outside {
  let woken = false;
  let ending: RunEnding | undefined;
  let working: CancellationScope | undefined;
  const answers = new Map<string, boolean>();
  let asking = 0;
  let askedAt = 0;
  let waitedMs = 0;

  function stop(why: RunEnding): void {
    ending ??= why;
    working?.cancel();
  }

  async function watch(): Promise<void> {
    let dueMs: number | undefined;
    while (!ending) {
      const called = (): boolean => woken || ending !== undefined;
      if (dueMs === undefined) await condition(called);
      else await condition(called, dueMs);
      if (ending) return;
      woken = false;
      // Histories from when people could only stop a run have no answers.
      const { stop: stopped, answered = [], ...pending } = await pendingInput(ref);
      for (const { waits, allowed } of answered) answers.set(waits, allowed);
      dueMs = pending.dueMs;
      if (stopped !== 'none') stop(interrupted);
    }
  }

  async function clock(leftMs: number): Promise<void> {
    const began = Date.now();
    for (;;) {
      const left = began + leftMs + waitedMs - Date.now();
      if (left > 0) await sleep(left);
      else if (asking > 0) await condition(() => asking === 0);
      else return stop(timedOut);
    }
  }

  setHandler(wake, () => {
    woken = true;
  });
  // With the workflow itself cancelled, in Temporal's own UI or CLI, what is under way is cancelled too and says so.
  watch().catch(unlessCancelled);
  return {
    within(leftMs) {
      // One timer for the whole execution, which takes it along when it ends: a timer per step would cost two events
      // each. Timers may be late by a second, so whatever is out of time at its begin is told so at once, not by a
      // timer that the next begin would replace.
      if (leftMs === 0) stop(timedOut);
      else clock(leftMs).catch(unlessCancelled);
    },
    async guard(work) {
      if (ending) return { kind: 'ended', ending };
      working = new CancellationScope();
      try {
        const value = await working.run(work);
        return ending ? { kind: 'ended', ending } : { kind: 'done', value };
      } catch (error) {
        if (ending) return { kind: 'ended', ending };
        if (isCancellation(error)) return { kind: 'ended', ending: interrupted };
        const failed = failureEnding(error);
        if (!failed) throw error;
        return { kind: 'ended', ending: failed };
      } finally {
        working = undefined;
      }
    },
    async allowed(waits) {
      if (asking === 0) askedAt = Date.now();
      asking += 1;
      // The answer may have come before the question did: the first look tells, and when the next is due.
      woken = true;
      try {
        await condition(() => answers.has(waits));
        return answers.get(waits) === true;
      } finally {
        asking -= 1;
        if (asking === 0) waitedMs += Date.now() - askedAt;
      }
    },
  };
}

function unlessCancelled(error: unknown): void {
  if (!isCancellation(error)) throw error;
}

/** For who looks at Temporal's own UI. */
function showStatus(status: RunStatus): void {
  upsertSearchAttributes([{ key: searchAttributes.status, value: status }]);
}

function endingOfProject(project: Guarded<{ problem?: string }>): RunEnding | undefined {
  // Whatever else went wrong costs the run its diff, and no more.
  if (project.kind === 'ended')
    return project.ending.reason === 'internal_error' ? undefined : project.ending;
  if (project.value.problem === undefined) return undefined;
  return { outcome: 'failed', reason: 'project_missing', detail: project.value.problem };
}

async function finish(
  ref: RunRef & { executionId?: string },
  begun: BeginRunResult,
  step: number,
  ending: RunEnding,
): Promise<boolean> {
  // A run that may go on once more records its tree again at its real end.
  if (begun.project && ending.reason !== 'project_missing') {
    await snapshotAtEnd({ ...ref, when: 'end' }).catch((error: unknown) => {
      // The run's own outcome does not depend on whether its diff can be shown.
      if (!(error instanceof ActivityFailure)) throw error;
    });
  }
  const { finished, status } = await finishRun({ ...ref, step, generation: begun.generation, ...ending });
  if (status) showStatus(status);
  return finished;
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
