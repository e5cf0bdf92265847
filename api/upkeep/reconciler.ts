// Compares what is active with the workflows that really exist: what has lost its workflow (an operator terminated it)
// is ended, what has a workflow task that keeps failing is marked as stuck and becomes a dead letter.
import type { Logger } from 'pino';
import { type Db, isStoreOutage } from '../../activities/store/db/database.ts';
import { isTemporalOutage, logged } from './executions.ts';
import type { ExecutionRow } from './kind.ts';
import { type Loop, repeat, report, type Upkeep } from './upkeep.ts';

// Operators' doings are seen within half a minute; each pass costs one small request per active row.
const everyMs = 15_000;
const pageSize = 200;
// A failing workflow task is tried again after 1, 2, 4, 8 s and so on: five failures are half a minute of trouble.
const stuckAfterTries = 5;

export function createReconciler(input: {
  db: Db;
  kinds: readonly Upkeep[];
  logger: Logger;
  everyMs?: number;
}): Loop {
  const { db, kinds, logger } = input;

  async function reconcile<Row extends ExecutionRow>(upkeep: Upkeep<Row>, row: Row): Promise<void> {
    const { kind, executions } = upkeep;
    const workflow = await executions.describe(row.id);
    // The sweeper starts it: Temporal never heard of it, or only of the execution it was taken away from.
    if (row.execution_id === null && (workflow?.generation ?? -1) < row.generation) return;
    if (!workflow?.isRunning) {
      if (await upkeep.endLost(row))
        logger.warn(logged(kind, row.id), `a ${kind.name} was ended: its workflow is gone`);
      return;
    }
    const { tries } = workflow;
    if (tries >= stuckAfterTries && row.stuck === null && (await upkeep.markStuck(row, tries)))
      logger.error(logged(kind, row.id), `a ${kind.name} is stuck`);
    if (tries <= 1 && row.stuck !== null) await upkeep.markGoingOn(row);
  }

  /** False when Temporal is away: what is true of the others cannot be known either. */
  async function reconcilePage<Row extends ExecutionRow>(upkeep: Upkeep<Row>, page: Row[]): Promise<boolean> {
    for (const row of page) {
      try {
        await reconcile(upkeep, row);
      } catch (error) {
        if (isStoreOutage(error)) throw error;
        const about = { err: error, ...logged(upkeep.kind, row.id) };
        if (isTemporalOutage(error)) {
          logger.warn(about, 'the reconciler could not ask Temporal');
          return false;
        }
        // The trouble of one must not keep the others from being looked at.
        logger.error(about, `the reconciler could not deal with a ${upkeep.kind.name}`);
      }
    }
    return true;
  }

  async function reconcileAll(upkeep: Upkeep): Promise<boolean> {
    let after: string | undefined;
    for (;;) {
      const page = await upkeep.kind.listActive(db, pageSize, after);
      if (!(await reconcilePage(upkeep, page))) return false;
      if (page.length < pageSize) return true;
      after = page.at(-1)?.id;
    }
  }

  return repeat(input.everyMs ?? everyMs, logger, 'the reconciler', async () => {
    for (const each of kinds) {
      try {
        if (!(await reconcileAll(each))) return;
      } catch (error) {
        report(logger, `the reconciler, looking at each ${each.kind.name},`, error);
      }
    }
  });
}
