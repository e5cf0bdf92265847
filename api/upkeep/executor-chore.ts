// Tells runs that their executor has gone quiet or is back, and wakes those that have waited for long enough.
import { listUnheard, noteUnheard } from '../../activities/store/runs/silent-executors.ts';
import type { Logger } from 'pino';
import type { EventLog } from '../../activities/store/log/events.ts';
import type { Runs } from './run-kind.ts';
import { type Chore, eachOf } from './upkeep.ts';

// The next pass takes the rest.
const mostPerPass = 200;

export interface ExecutorChoreInput {
  log: EventLog;
  runs: Pick<Runs, 'wake'>;
  logger: Logger;
  /** How long a run at work waits for its executor. */
  executorPatienceSeconds: number;
}

export function createExecutorChore({
  log,
  runs,
  logger,
  executorPatienceSeconds,
}: ExecutorChoreInput): Chore {
  return {
    name: 'looking for silent executors',
    async act() {
      await eachOf(
        await listUnheard(log.db, mostPerPass),
        async (unheard) => {
          if (unheard.isGivenUp) runs.wake(unheard.run.id);
          else
            await log.write('note-unheard', (write) => noteUnheard(write, unheard, executorPatienceSeconds));
        },
        (error, unheard) => logger.error({ err: error, unheard }, 'a run was not told of its executor'),
      );
    },
  };
}
