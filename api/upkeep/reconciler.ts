// Compares active runs with the workflows that really exist: a run whose workflow is gone (an operator terminated
// it) is ended, one whose workflow task keeps failing is marked as stuck and becomes a dead letter.
import type { Logger } from 'pino';
import { afterEnd } from '../../activities/store/lifecycle/after-end.ts';
import { isStoreOutage } from '../../activities/store/db/database.ts';
import type { EventLog } from '../../activities/store/log/events.ts';
import { listActive, type RunRow } from '../../activities/store/runs/runs.ts';
import { type Book, endLostRun, markGoingOn, markStuck } from '../../activities/store/lifecycle/stuck-run.ts';
import { isTemporalOutage, type TemporalRuns } from './executions.ts';
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
  /** A model call that was under way has been paid for, and nobody else books it any more. */
  book: Book;
  everyMs?: number;
}): Loop {
  const { log, runs, logger } = input;

  async function reconcile(run: RunRow): Promise<void> {
    const workflow = await runs.describe(run.id);
    // The sweeper starts it: Temporal never heard of it, or only of the execution it was taken away from.
    if (run.execution_id === null && (workflow?.generation ?? -1) < run.generation) return;
    if (!workflow?.isRunning) {
      await endLost(run);
      return;
    }
    const { tries } = workflow;
    if (tries >= stuckAfterTries && run.stuck === null) {
      if (await log.write('mark-stuck', (write) => markStuck(write, run, tries)))
        logger.error({ runId: run.id }, 'a run is stuck');
    }
    if (tries <= 1 && run.stuck !== null)
      await log.write('mark-going-on', (write) => markGoingOn(write, run));
  }

  async function endLost(run: RunRow): Promise<void> {
    const result = await log.write('end-lost-run', (write) => endLostRun(write, run, input.book));
    if (result?.ended) logger.warn({ runId: run.id }, 'a run was ended: its workflow is gone');
    if (result) for (const admitted of await afterEnd(log, result)) runs.started(admitted);
  }

  /** False when Temporal is away: what is true of the others cannot be known either. */
  async function reconcileAll(page: RunRow[]): Promise<boolean> {
    for (const run of page) {
      try {
        await reconcile(run);
      } catch (error) {
        if (isStoreOutage(error)) throw error;
        if (isTemporalOutage(error)) {
          logger.warn({ err: error, runId: run.id }, 'the reconciler could not ask Temporal');
          return false;
        }
        // The trouble of one run must not keep the others from being looked at.
        logger.error({ err: error, runId: run.id }, 'the reconciler could not deal with a run');
      }
    }
    return true;
  }

  const pauseMs = input.everyMs ?? everyMs;
  return repeat(pauseMs, logger, 'the reconciler', async () => {
    let after: string | undefined;
    for (;;) {
      const page = await listActive(log.db, pageSize, after);
      if (!(await reconcileAll(page)) || page.length < pageSize) return;
      after = page.at(-1)?.id;
    }
  });
}
