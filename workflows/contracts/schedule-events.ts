// The events of schedules. A schedule has no stream of its own: these are in the tenant's, with the source `schedule/<id>`.
import { z } from 'zod';
import { id, when } from './fields.ts';
import { Outcome } from './schedule.ts';

const occurrence = {
  scheduleId: id,
  schedule: z.string().describe('Its name.'),
  occurrenceId: z.string(),
  dueAt: when,
};

export const scheduleEvents = {
  /** An attempt of it has begun. */
  'occurrence-start': z.object({ ...occurrence, runId: id, attempt: z.int() }),
  /** What became of a due time, once: also of one that never began. */
  'occurrence-end': z.object({
    ...occurrence,
    outcome: Outcome.exclude(['waiting', 'running']),
    reason: z.string().nullable(),
    runId: id.nullable().describe('The run of its latest attempt.'),
    attempts: z.int(),
  }),
} as const;
