// The executor that a run needs, as requests, runs and events name it.
import { z } from 'zod';
import { shortText, when } from './fields.ts';

/** In the names of queues and of allowances too. */
export const executorName = shortText(100).regex(/^[\w.@:-]+$/, 'must be letters, digits, _ . @ : and -');

export const WantedExecutor = executorName
  .nullish()
  .describe(
    'The name or id of a worker-only executor: the calls of the run act on its machine, where `project` is a real path; the ' +
      'server calls the model. null, or a worker of the server: the machine of the server, also where the run before had ' +
      'another.',
  );

export const ExecutorOfRun = z
  .object({ name: z.string(), silentSince: when.nullable(), until: when.nullable() })
  .meta({
    id: 'ExecutorOfRun',
    description:
      'On whose machine its calls act; null: on that of the server. `silentSince`: it waits, as nothing has been heard of that ' +
      'executor since; `until` then it fails as executor_lost.',
  });
export type ExecutorOfRun = z.infer<typeof ExecutorOfRun>;

export const queuedOn = z
  .string()
  .optional()
  .describe('On whose machine its calls act. Left out: the server’s.');

export const executorEvents = {
  /** A run at work waits for its executor, of which nothing is heard any more. */
  'executor-silent': z.object({
    executor: z.string(),
    since: when,
    until: when.describe('Then the run fails, unless it is back.'),
  }),
  'executor-back': z.object({ executor: z.string() }),
};
