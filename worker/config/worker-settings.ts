// What a worker takes at once, and what it offers to tasks. Reads nothing.
import { z } from 'zod';
import { readHostAndPort } from '../../workflows/policy/host.ts';
import { executorName } from '../../workflows/contracts/needed-executor.ts';
import { labels, note } from './setting-kinds.ts';

export const workerSettings = {
  workerOnly: z
    .enum(['on', 'off'])
    .default('off')
    .meta(
      note(
        'Joins an installation that runs, by its DATABASE_URL and TEMPORAL_ADDRESS: no server is started here, and the worker takes only what needs this machine.',
      ),
    ),
  executorName: executorName
    .optional()
    .meta(
      note(
        "What this machine is called among executors, for runs and tasks that need it; its host's name unless said.",
      ),
    ),
  // Longer than a machine takes to restart with its checks of file systems; a person who waits has had a look by then.
  executorPatienceSeconds: z
    .int()
    .min(5)
    .max(31_536_000)
    .default(900)
    .meta(
      note(
        'How long a run at work waits for its executor when nothing is heard of that, before it fails as executor_lost.',
      ),
    ),
  capabilities: labels(
    'What workers here can do that not all can: tasks with these labels are handed to them.',
  ),
  llmSlots: z
    .int()
    .min(1)
    .max(1_000)
    .default(16)
    .meta(note('Model calls at once in one worker; they mostly wait.')),
  webhookHosts: z
    .string()
    .refine(
      (hosts) => hosts.split(',').every((host) => readHostAndPort(host) !== undefined),
      'must look like hooks.internal,localhost:9000',
    )
    .optional()
    .meta(
      note(
        'Hosts, or host:port, that webhooks may reach though they are not public: those of your own network.',
      ),
    ),
  toolSlots: z
    .int()
    .min(1)
    .max(200)
    .default(4)
    .meta(note('Tool calls at once in one worker; they use the machine.')),
};
