// The events of a task's stream, which is `task/<id>`. They stay few: a reason for waiting is told when it changes.
import { z } from 'zod';
import { id, when } from './fields.ts';
import { Priority } from './run.ts';
import { TaskStatus } from './task.ts';

const claim = z.int().describe('The number of the claim.');
const by = z.string();

const waitKinds = ['no-executor', 'no-allowance', 'refused'] as const;
/** Why a task is not handed out. */
export interface TaskWait {
  reason: string;
  kind: (typeof waitKinds)[number];
}

export const taskEvents = {
  'task-start': z.object({
    title: z.string(),
    status: TaskStatus,
    priority: Priority,
    labels: z.array(z.string()),
    dependsOn: z.array(id),
    by,
  }),
  'task-change': z.object({ fields: z.array(z.string()), version: z.int(), by }),
  /** All it depends on is completed. */
  'task-ready': z.object({}),
  /** It is not handed out yet. */
  'task-wait': z.object({
    reason: z.string(),
    kind: z
      .enum(waitKinds)
      .optional()
      .describe(
        'no-executor: none fits, or none has room. no-allowance: the money is used up. refused: its run would be, and that ' +
          'passes. Left out by events from before it was said.',
      ),
  }),
  /** An executor has it: with the run that the dispatcher started for it, or without one, an outside agent. */
  'task-claim': z.object({ claim, executorId: id, executor: z.string(), runId: id.nullable() }),
  'task-progress': z.object({ claim, progress: z.int(), note: z.string().nullable() }),
  /** It was given back or taken back: no failed attempt. */
  'task-release': z.object({ claim, reason: z.string() }),
  'task-error': z.object({
    attempt: z.int(),
    reason: z.string(),
    againAt: when.nullable().describe('null: that was the last attempt.'),
  }),
  /** Something came for a claim that had ended, and was refused. */
  'task-late': z.object({ claim, what: z.string() }),
  'task-end': z.object({ final: z.literal(true), status: TaskStatus, reason: z.string().nullable() }),
} as const;
