// Carrying out the prunings that the night's schedule and people asked for: a slice of it with each pass of the sweeper,
// so that no start waits behind it. What one pass cannot do, the next ones do.
import type { Logger } from 'pino';
import type { EventLog } from '../../activities/store/log/events.ts';
import { pruneBatch } from '../../activities/store/retention/prunings.ts';
import type { Sweeps } from '../../activities/store/retention/sweeps.ts';
import type { Chore } from './upkeep.ts';

// A fifth of the time between two passes.
const sliceMs = 1000;

export interface PruneChoreInput {
  log: EventLog;
  sweeps: Sweeps;
  logger: Logger;
}

export function createPruneChore({ log, sweeps, logger }: PruneChoreInput): Chore {
  return {
    name: 'pruning',
    async act() {
      const until = Date.now() + sliceMs;
      const onFailure = (error: unknown, name: string): void =>
        logger.error({ err: error }, `${name} could not be pruned; the next pruning tries again`);
      while (Date.now() < until && (await pruneBatch(log.db, sweeps, onFailure)));
    },
  };
}
