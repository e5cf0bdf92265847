// Carries out the jobs of schedules that take longer than a pass of the sweeper: one at a time, beside it.
import type { Logger } from 'pino';
import type { LongJob } from '../../activities/store/schedules/attend.ts';
import { endJob, nextJob, type OpenJob } from '../../activities/store/schedules/jobs.ts';
import type { EventLog } from '../../activities/store/log/events.ts';
import type { Chore } from './upkeep.ts';

/** Each answers in a sentence what it did, or throws one. */
export type Jobs = Record<LongJob, () => Promise<string>>;

export interface JobChoreInput {
  log: EventLog;
  jobs: Jobs;
  /** Tells the workflow of an occurrence that there is something new. */
  wake(occurrenceId: string): void;
  logger: Logger;
}

export function createJobChore({ log, jobs, wake, logger }: JobChoreInput): Chore {
  let isAtWork = false;

  async function carryOut(open: OpenJob): Promise<void> {
    const became = await jobs[open.job]().then(
      (reason) => ({ outcome: 'ran', reason }) as const,
      (error: Error) => ({ outcome: 'failed', reason: error.message }) as const,
    );
    if (became.outcome === 'failed') logger.error({ job: open.job }, became.reason);
    else logger.info({ job: open.job }, became.reason);
    for (const id of await endJob(log, open, became)) wake(id);
  }

  return {
    name: 'doing jobs of schedules',
    async act() {
      if (isAtWork) return;
      const open = await nextJob(log.db);
      if (open === undefined) return;
      isAtWork = true;
      void carryOut(open)
        // What could not be written down is done again with the next pass.
        .catch((error: unknown) => logger.warn({ err: error }, 'what became of a job could not be written'))
        .finally(() => {
          isAtWork = false;
        });
    },
  };
}
