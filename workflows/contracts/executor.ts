// Who takes tasks, on every wire: our own workers, and agents of others that pull.
import { z } from 'zod';
import { id, page, when } from './fields.ts';
import { executorName } from './needed-executor.ts';
import { labels, TaskWithClaimsView } from './task.ts';

export const executorKinds = ['worker', 'agent'] as const;
export const executorStates = ['available', 'busy', 'draining', 'offline'] as const;

// Sixty-four agents with as many tasks are more than one tenant's tasks are handed out for in a second.
const mostPlaces = 1000;

export const ExecutorBody = z
  .strictObject({
    name: executorName.describe(
      'Registering a name again changes what it offers; what it holds stays its own.',
    ),
    capabilities: labels.optional(),
    places: z
      .int()
      .min(1)
      .max(mostPlaces)
      .optional()
      .describe('How many tasks it takes at once; 1 unless said.'),
    ttlSeconds: z
      .int()
      .min(5)
      .max(86_400)
      .optional()
      .describe(
        'After so long without a heartbeat it is gone, and what it held is taken back; 60 unless said.',
      ),
  })
  .meta({ id: 'ExecutorBody' });
export type ExecutorBody = z.infer<typeof ExecutorBody>;

export const HeartbeatBody = z
  .strictObject({
    draining: z.boolean().optional().describe('true: it takes no more tasks and ends those it has.'),
  })
  .nullish();
export type HeartbeatBody = z.infer<typeof HeartbeatBody>;

export const ExecutorView = z
  .object({
    id,
    kind: z.enum(executorKinds).describe('worker: a process of ours. agent: one that pulls tasks over HTTP.'),
    name: z.string(),
    host: z.string(),
    state: z
      .enum(executorStates)
      .describe('busy: it has tasks, and room for more where load is below places.'),
    capabilities: z.array(z.string()),
    sandboxes: z.array(z.string()).describe('The kinds that its machine can use.'),
    load: z.int().describe('How many tasks it has.'),
    places: z.int(),
    codeVersion: z.string(),
    ttlSeconds: z.int(),
    startedAt: when,
    heartbeatAt: when,
  })
  .meta({ id: 'ExecutorView' });
export type ExecutorView = z.infer<typeof ExecutorView>;

export const HeartbeatView = ExecutorView.extend({
  holds: z
    .array(z.object({ taskId: id, claim: z.int() }))
    .describe('What it has; anything else was taken back.'),
}).meta({ id: 'HeartbeatView' });
export type HeartbeatView = z.infer<typeof HeartbeatView>;

export const ExecutorListQuery = page.extend({});

export const ExecutorListView = z
  .object({ items: z.array(ExecutorView), nextCursor: z.string().nullable() })
  .meta({ id: 'ExecutorListView' });
export type ExecutorListView = z.infer<typeof ExecutorListView>;

export const PulledView = z
  .object({ task: TaskWithClaimsView.nullable().describe('null: nothing that fits waits.') })
  .meta({ id: 'PulledView' });
export type PulledView = z.infer<typeof PulledView>;
