// The small activities at a run's two ends, and the look for a stop in between.
import type {
  BeginRunInput,
  BeginRunResult,
  FinishRunInput,
  FinishRunResult,
  PendingInputResult,
  RunRef,
  SnapshotProjectInput,
  SnapshotProjectResult,
} from '../workflows/contracts/activities.ts';
import { activityTable } from '../workflows/contracts/activity-table.ts';
import { type NewEvent, streamOf } from '../workflows/contracts/event.ts';
import type { RunStatus } from '../workflows/contracts/run.ts';
import { isTerminal } from '../workflows/run/transitions.ts';
import { type ActivityDeps, ProjectProblem } from './deps.ts';
import { beginOnExecutor } from './step/on-executor.ts';
import { concludeRun, followEnd, whatHolds } from './step/end.ts';
import type { Progress } from './git/record-files.ts';
import { GitProblem } from './git/tree.ts';
import { isScripted } from './llm/index.ts';
import { toPlannedCall } from './step/result.ts';
import { runResultOf } from './step/run-result.ts';
import { attendApprovals } from './store/approvals/approvals.ts';
import { beginRun, noteTree } from './store/lifecycle/begin-run.ts';
import { letsGo } from './store/delegation/mailbox.ts';
import { setWaiting } from './store/delegation/delegations.ts';
import { attendChildren } from './store/delegation/reports.ts';
import { untilStored } from './store/db/until-stored.ts';
import type { EndedRun } from './store/lifecycle/end-run.ts';
import { originOf } from './store/runs/own-trees.ts';
import { filesOf } from './store/runs/checkpoints.ts';
import { isMessage, stopAmong, waitingInputs } from './store/runs/inputs.ts';
import { findRun, lockRun, lockRunAndConversation, requireRun, type RunRow } from './store/runs/runs.ts';
import { stat } from 'node:fs/promises';
import { Context } from '@temporalio/activity';

export function createBeginRun(deps: ActivityDeps): (input: BeginRunInput) => Promise<BeginRunResult> {
  return async ({ tenantId, runId, executionId, generation }) => {
    const begun = await deps.log.write('begin-run', (write) =>
      beginRun(write, {
        tenantId,
        runId,
        executionId,
        generation,
        isScripted: (model) => isScripted(deps.llms, model),
      }),
    );
    if (!begun) {
      const run = await findRun(deps.log.db, tenantId, runId);
      // A run that another execution ended is reported by that execution.
      const result = run && run.execution_id === null && runResultOf(run);
      const nothing = { step: 0, openCalls: [], leftMs: 0, generation: 0, project: false };
      return { proceed: false, ...nothing, ...(result && { result }) };
    }
    const { run, openCalls, doubt, ends } = begun;
    return {
      proceed: true,
      step: run.steps,
      openCalls: openCalls.map((call) => toPlannedCall(call, doubt)),
      ...(ends && { ends }),
      leftMs: leftOf(run),
      generation: run.generation,
      project: run.project_path !== null,
      ...(run.executor !== null && { executor: run.executor }),
    };
  };
}

/** While a run waits for people its clock stands still. */
function leftOf({ deadline_at: deadline, awaiting_since: since }: RunRow): number {
  return Math.max(0, (deadline?.getTime() ?? 0) - (since?.getTime() ?? Date.now()));
}

export function createPendingInput(deps: ActivityDeps): (input: RunRef) => Promise<PendingInputResult> {
  return async ({ tenantId, runId }) =>
    deps.log.write('pending-input', async (write) => {
      const run = requireRun(await lockRun(write, tenantId, runId), runId);
      const { dueMs, answered, open } = await attendApprovals(write, run);
      const closed = await attendChildren(write, run, (mediaType, bytes) =>
        deps.contents.put(tenantId, mediaType, bytes, write.tx),
      );
      const messages = run.waiting.filter(isMessage).length;
      return {
        stop: stopAmong(run.waiting),
        answered: [...answered, ...closed.map((callId) => ({ waits: callId, allowed: false }))],
        open,
        ...lostOf(run),
        ...(messages > 0 && { messages }),
        ...(dueMs === undefined ? {} : { dueMs }),
      };
    });
}

/** While it waits for people, or for subagents, its executor may sleep. */
function lostOf({ executor, executor_silent_at: at, executor_until: until, status }: RunRow) {
  if (at === null || until === null || until > new Date() || status !== 'running') return {};
  const since = at.toISOString();
  return {
    lost: `Nothing has been heard of its executor ${executor} since ${since}. What it left there is there; a call that was under way may have taken effect.`,
  };
}

export function createSnapshotProject(
  deps: ActivityDeps,
): (input: SnapshotProjectInput) => Promise<SnapshotProjectResult> {
  return async ({ tenantId, runId, when }) => {
    const run = await findRun(deps.log.db, tenantId, runId);
    if (!run) return {};
    const context = Context.current();
    // Well inside the heartbeat timeout.
    const beat = setInterval(() => context.heartbeat(), 3000);
    const progress = createProgress(deps, run);
    try {
      if (when === 'start') await beginOnExecutor(deps, run);
      if (run.project_path === null) return {};
      const since = run.start_tree ?? undefined;
      const also = await untilStored(() => filesOf(deps.log.db, runId));
      const origin = await untilStored(() => originOf(deps.log.db, run));
      // Waits while the disk is full, for git as for the row.
      const { tree } = await untilStored(() =>
        when === 'start'
          ? deps.trees.begin(run, origin, progress.note)
          : deps.trees.record(run, { since, also }),
      );
      await progress.told();
      await untilStored(() => noteTree(deps.log.db, runId, when, tree));
      return {};
    } catch (error) {
      if (error instanceof ProjectProblem) return { problem: error.message };
      if (when === 'start' && (await lacksOwnTree(deps, run))) {
        if (context.info.attempt < activityTable.snapshotProject.retry.maximumAttempts) throw error;
        return {
          problem: `The copy of the project that the run was to work on could not be made: ${deps.log.redact((error as Error).message)}`,
        };
      }
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

/** Without its copy a run has no place to work in. */
async function lacksOwnTree(deps: ActivityDeps, run: RunRow): Promise<boolean> {
  const place = deps.place(run);
  if (run.work_tree !== 'own' || place === null) return false;
  return (await stat(place).catch(() => undefined)) === undefined;
}

// A person who waits longer begins to wonder; more often would only fill the stream.
const progressMs = 1_500;

/** Tells in the run's stream how far its project is recorded. Of interest to people alone: it may get lost. */
function createProgress(
  { log, logger }: ActivityDeps,
  { id, tenant_id: tenantId, conversation_id: conversationId }: RunRow,
): { note: Progress; told(): Promise<unknown> } {
  let next = performance.now() + progressMs;
  let told: Promise<unknown> = Promise.resolve();
  return {
    note(recorded, files) {
      if (performance.now() < next) return;
      next = performance.now() + progressMs;
      const event: NewEvent = { type: 'project-record', payload: { recorded, files } };
      told = log
        .append({ tenantId, stream: streamOf('run', id), conversationId, events: [event] })
        .catch((error: unknown) => logger.debug({ err: error, runId: id }, 'progress was not told'));
    },
    told: () => told,
  };
}

export function createFinishRun(deps: ActivityDeps): (input: FinishRunInput) => Promise<FinishRunResult> {
  return async ({ tenantId, runId, generation, executionId, ...ending }) => {
    // A run that goes on keeps what it runs in the background.
    if (ending.outcome === 'succeeded') {
      const held = whatHolds(await waitingInputs(deps.log.db, runId));
      if (held === 'messages') return { finished: false };
      if (held === 'children' && !(await letsGo(deps.log.db, runId)))
        return waitForChildren(deps, tenantId, runId);
    }
    await deps.endBackground(runId);
    const ended = await deps.log.write('finish-run', async (write): Promise<EndedRun | undefined> => {
      const run = requireRun(await lockRunAndConversation(write, tenantId, runId), runId);
      // Another execution has the run: this one ends without a word.
      if (generation !== run.generation || (run.execution_id ?? executionId) !== executionId)
        return unended(run);
      // Beside its workflow only the reconciler ends a run that was begun: any other end was stored by an attempt
      // whose answer was lost, and what decided it then, a stop for one, is not waiting any more.
      if (isTerminal(run.status as RunStatus) && run.reason !== 'workflow_gone') return unended(run);
      return concludeRun(deps, write, run, ending);
    });
    if (!ended) return { finished: false };
    await followEnd(deps, ended);
    if (!isTerminal(ended.run.status as RunStatus)) return { finished: true };
    // Not before it has ended: one that goes on keeps its sandbox.
    await deps.leaveRun(runId);
    const result = runResultOf(ended.run);
    return { finished: true, ...(result && { status: result.status, result }) };
  };
}

/** The run has nothing left to do but to hear of its subagents. */
async function waitForChildren(
  { log }: ActivityDeps,
  tenantId: string,
  runId: string,
): Promise<FinishRunResult> {
  return log.write('wait-for-children', async (write) => {
    const run = requireRun(await lockRun(write, tenantId, runId), runId);
    if (whatHolds(run.waiting) !== 'children') return { finished: false };
    await setWaiting(write, run, true);
    return { finished: false, waits: true };
  });
}

/** Another execution ends it, or it has ended already. */
function unended(run: RunRow): EndedRun {
  return { ended: false, run, waiting: false };
}
