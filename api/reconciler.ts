// Compares active runs with the workflows that really exist: a run whose workflow is gone (an operator terminated
// it) is ended, one whose workflow task keeps failing is marked as stuck and becomes a dead letter.
import type { Logger } from 'pino';
import { streamFor } from '../activities/store/calls.ts';
import { addDeadLetter } from '../activities/store/dead-letters.ts';
import { endRun } from '../activities/store/end-run.ts';
import type { EventLog } from '../activities/store/events.ts';
import { listStarted, listUnstarted, lockRun, type RunRow } from '../activities/store/runs.ts';
import type { TemporalRuns } from './runs.ts';
import { type Loop, repeat } from './sweeper.ts';

// Operators' doings are seen within half a minute; each pass costs one small request per active run.
const everyMs = 15_000;
const pageSize = 200;
// A failing workflow task is tried again after 1, 2, 4, 8 s and so on: five failures are half a minute of trouble.
const stuckAfterTries = 5;

export function createReconciler(input: {
  log: EventLog;
  runs: TemporalRuns;
  logger: Logger;
  everyMs?: number;
}): Loop {
  const { log, runs, logger } = input;

  async function reconcile(run: RunRow): Promise<void> {
    const workflow = await runs.describe(run.id);
    // The sweeper starts it: Temporal never heard of it, or takes another execution of a run that was handed over.
    if (run.execution_id === null && (!workflow || run.generation > 0)) return;
    if (workflow?.status.name !== 'RUNNING') {
      await endLost(run);
      return;
    }
    const tries = workflow.raw.pendingWorkflowTask?.attempt ?? 0;
    if (tries >= stuckAfterTries && run.stuck === null) await markStuck(run, tries);
    if (tries <= 1 && run.stuck !== null) await markGoingOn(run);
  }

  /** The row is asked again under its lock: a workflow that ended well has ended its run before itself. */
  async function endLost(run: RunRow): Promise<void> {
    const result = await log.write(async (write) => {
      const current = await lockRun(write, run.tenant_id, run.id);
      if (!current || current.execution_id !== run.execution_id || current.ended_at) return undefined;
      return endRun(write, {
        tenantId: run.tenant_id,
        runId: run.id,
        status: 'failed',
        reason: 'workflow_gone',
        reasonText: 'The workflow of this run is gone: somebody terminated it, or Temporal lost it.',
      });
    });
    if (result?.ended) logger.warn({ runId: run.id }, 'a run was ended: its workflow is gone');
    if (result?.promoted) runs.started(result.promoted);
  }

  async function markStuck(run: RunRow, tries: number): Promise<void> {
    const reason = `Its workflow task has failed ${tries} times in a row; the worker's log says why.`;
    await log.write(async (write) => {
      const current = await lockRun(write, run.tenant_id, run.id);
      if (!current || current.ended_at || current.stuck !== null) return;
      await write.tx.updateTable('runs').set({ stuck: reason }).where('id', '=', run.id).execute();
      await write.append({ ...streamFor(current), events: [{ type: 'run-stuck', payload: { reason } }] });
      await addDeadLetter(write, current, { kind: 'run', reason, attempts: tries });
    });
    logger.error({ runId: run.id }, 'a run is stuck');
  }

  async function markGoingOn(run: RunRow): Promise<void> {
    await log.write(async (write) => {
      const current = await lockRun(write, run.tenant_id, run.id);
      if (!current || current.ended_at || current.stuck === null) return;
      await write.tx.updateTable('runs').set({ stuck: null }).where('id', '=', run.id).execute();
      const reason = 'Its workflow task succeeded.';
      await write.append({ ...streamFor(current), events: [{ type: 'run-resume', payload: { reason } }] });
    });
  }

  /** False when Temporal is away: what is true of the others cannot be known either. */
  async function reconcileAll(page: RunRow[]): Promise<boolean> {
    for (const run of page) {
      try {
        await reconcile(run);
      } catch (error) {
        logger.warn({ err: error, runId: run.id }, 'the reconciler could not ask Temporal');
        return false;
      }
    }
    return true;
  }

  const pauseMs = input.everyMs ?? everyMs;
  return repeat(pauseMs, logger, 'the reconciler', async () => {
    // A workflow may be terminated before any worker has taken it up; it is not started a second time.
    if (!(await reconcileAll(await listUnstarted(log.db, pauseMs, pageSize)))) return;
    let after: string | undefined;
    for (;;) {
      const page = await listStarted(log.db, pageSize, after);
      if (!(await reconcileAll(page)) || page.length < pageSize) return;
      after = page.at(-1)?.id;
    }
  });
}
