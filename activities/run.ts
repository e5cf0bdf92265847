// The small activities at a run's two ends, and the look for a stop in between.
import type {
  BeginRunInput,
  BeginRunResult,
  FinishRunInput,
  FinishRunResult,
  PendingStopResult,
  RunRef,
  SnapshotProjectInput,
  SnapshotProjectResult,
} from '../workflows/contracts/activities.ts';
import type { RunStatus, StopReason } from '../workflows/contracts/run.ts';
import { isTerminal } from '../workflows/run/transitions.ts';
import { type ActivityDeps, ProjectProblem } from './deps.ts';
import { GitProblem } from './git/tree.ts';
import { findLlm } from './llm/index.ts';
import { toPlannedCall } from './model.ts';
import { bookLost } from './model-use.ts';
import { beginRun, noteTree } from './store/begin-run.ts';
import { endRun } from './store/end-run.ts';
import { isMessage, pendingStop, stopAmong, waitingInputs } from './store/inputs.ts';
import { findRun, lockRun } from './store/runs.ts';
import { toStorable } from './store/storable.ts';
import { Context } from '@temporalio/activity';

export function createBeginRun(deps: ActivityDeps): (input: BeginRunInput) => Promise<BeginRunResult> {
  return async ({ tenantId, runId, executionId, generation = 0 }) => {
    const model = (await findRun(deps.log.db, tenantId, runId))?.model ?? '';
    const scripted = findLlm(deps.llms, model)?.llm.scripted ?? false;
    const begun = await deps.log.write((write) =>
      beginRun(write, { tenantId, runId, executionId, generation, scripted }),
    );
    if (!begun) return { proceed: false, step: 0, openCalls: [], leftMs: 0, generation: 0, project: false };
    const { run, openCalls } = begun;
    return {
      proceed: true,
      step: run.steps,
      openCalls: openCalls.map(toPlannedCall),
      leftMs: Math.max(0, (run.deadline_at?.getTime() ?? 0) - Date.now()),
      generation: run.generation,
      project: run.project_path !== null,
    };
  };
}

export function createPendingStop(deps: ActivityDeps): (input: RunRef) => Promise<PendingStopResult> {
  return async ({ runId }) => ({ stop: await pendingStop(deps.log.db, runId) });
}

export function createSnapshotProject(
  deps: ActivityDeps,
): (input: SnapshotProjectInput) => Promise<SnapshotProjectResult> {
  return async ({ tenantId, runId, when }) => {
    const run = await findRun(deps.log.db, tenantId, runId);
    if (!run?.project_path) return {};
    const context = Context.current();
    // Well inside the heartbeat timeout.
    const beat = setInterval(() => context.heartbeat(), 3000);
    try {
      await noteTree(
        deps.log.db,
        runId,
        when,
        await deps.trees.record(run.project_path, (when === 'end' && run.start_tree) || undefined),
      );
      return {};
    } catch (error) {
      if (error instanceof ProjectProblem) return { problem: error.message };
      if (error instanceof GitProblem) {
        // The agent can work without it; only the diff will be missing, and says so.
        deps.logger.warn({ err: error, runId }, `the project's tree was not recorded at the ${when}`);
        return {};
      }
      throw error;
    } finally {
      clearInterval(beat);
    }
  };
}

const sentences: Record<StopReason, string> = {
  finished: 'The agent finished.',
  interrupted: 'The run was interrupted; what it did is kept.',
  cancelled: 'The run was cancelled; its results are discarded.',
  limit_steps: 'The run reached its limit of steps.',
  limit_seconds: 'The run reached its limit of time.',
  limit_cost: 'The run reached its limit of cost.',
  limit_tokens: 'The run reached its limit of tokens.',
  model_failed: 'The model call failed.',
  model_unavailable: 'The model provider failed for too long.',
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

export function createFinishRun(deps: ActivityDeps): (input: FinishRunInput) => Promise<FinishRunResult> {
  return async ({ tenantId, runId, generation, outcome, reason, detail }) => {
    // A run that goes on keeps what it runs in the background.
    if (outcome === 'succeeded' && mustGoOn(await waitingInputs(deps.log.db, runId)))
      return { finished: false };
    await deps.endBackground(runId);
    const result = await deps.log.write(async (write) => {
      const run = await lockRun(write, tenantId, runId);
      if (!run) throw new Error(`There is no run ${runId}.`);
      // Another execution has taken the run over: this one ends without a word.
      if (generation !== undefined && generation !== run.generation) return { run };
      // Beside its workflow only the reconciler ends a run that was begun: any other end was stored by an attempt
      // whose answer was lost, and what decided it then, a stop for one, is not waiting any more.
      if (isTerminal(run.status as RunStatus) && run.reason !== 'workflow_gone') return { run };
      const waiting = await waitingInputs(write.tx, runId);
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
      // Nobody asks again, and the prompt of what was lost went with its worker: what it streamed is all that is known.
      if (outcome !== 'succeeded')
        await bookLost(deps, write, run, { step: run.steps + 1, request: { messages: [], tools: [] } });
      return endRun(write, { tenantId, runId, ...ending, reasonText });
    });
    if (!result) return { finished: false };
    if ('promoted' in result && result.promoted) deps.startRun(toStart(result.promoted));
    const status = result.run.status as RunStatus;
    return isTerminal(status) ? { finished: true, status } : { finished: true };
  };
}

/** Whoever said something before the end is heard, unless somebody stopped the run. */
function mustGoOn(waiting: readonly { kind: string }[]): boolean {
  return stopAmong(waiting) === 'none' && waiting.some(isMessage);
}

function toStart(run: { id: string; tenant_id: string; request_id: string; priority: number }) {
  return { id: run.id, tenantId: run.tenant_id, requestId: run.request_id, priority: run.priority };
}
