// What is kept how long, what would go now, prunings, and what a deletion took with it.
import { z } from 'zod';
import { flag, id, when } from './fields.ts';

const amount = z.int().min(0);

export const Removed = z.object({ rows: amount, bytes: amount }).meta({ id: 'Removed' });
export type Removed = z.infer<typeof Removed>;

// A stream's reader that is a minute behind has been disconnected.
const leastSeconds = 60;
// A hundred years: older than anything stored.
const mostSeconds = 3_155_760_000;
const olderThanSeconds = z.int().min(leastSeconds).max(mostSeconds);

export const PruneBody = z
  .strictObject({
    olderThanSeconds: olderThanSeconds
      .optional()
      .describe('In place of the settings, for what has one and is not kept for ever.'),
    runs: z
      .boolean()
      .optional()
      .describe('Finished runs themselves go too: needs `olderThanSeconds` or the setting for them.'),
  })
  .nullish();
export type PruneBody = z.infer<typeof PruneBody>;

export const PrunePlanQuery = z.strictObject({
  olderThanSeconds: z.coerce.number().int().min(leastSeconds).max(mostSeconds).optional(),
  runs: flag.optional(),
});

export const RetentionRowView = z
  .object({
    name: z.string(),
    what: z.string(),
    kept: z.string().describe('How long, in words.'),
    setting: z.string().nullable().describe('The variable that changes it.'),
    why: z.string(),
    goes: Removed.extend({
      more: z.boolean().describe('There is more: counting stopped here.'),
      before: when,
    })
      .nullable()
      .describe('What a pruning would remove now; null: nothing is removed by it.'),
  })
  .meta({ id: 'RetentionRow' });
export type RetentionRowView = z.infer<typeof RetentionRowView>;

export const PrunePlanView = z.object({ items: z.array(RetentionRowView) }).meta({ id: 'PrunePlan' });
export type PrunePlanView = z.infer<typeof PrunePlanView>;

export const PruningView = z
  .object({
    id,
    by: z.string(),
    createdAt: when,
    finishedAt: when.nullable().describe('Null: it is under way, also after a restart.'),
    items: z.array(Removed.extend({ name: z.string(), before: when })),
  })
  .meta({ id: 'Pruning' });
export type PruningView = z.infer<typeof PruningView>;

export const DeletedView = z
  .object({
    runs: amount,
    conversationId: id.nullable().describe('The conversation that went with its last run.'),
    events: amount,
    messages: amount,
    calls: amount,
    approvals: amount,
    remains: z.array(z.string()).describe('What is still there, and for how long.'),
  })
  .meta({ id: 'Deleted' });
export type DeletedView = z.infer<typeof DeletedView>;
