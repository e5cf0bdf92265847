// The mailbox of a conversation: what subagents have reported that no call waited for.
import { z } from 'zod';
import { flag, id, page, text, when } from './fields.ts';
import { listedCharacters } from './message-view.ts';
import { RunStatus, StopReason } from './run.ts';

export const MailboxItem = z
  .object({
    runId: id.describe('The run of the subagent.'),
    name: z.string(),
    fromRunId: id.describe('The run that asked for it.'),
    callId: z.string().describe('The call that asked for it.'),
    status: RunStatus,
    reason: StopReason.nullable(),
    text: z.string().nullable().describe(`The first ${listedCharacters} characters of what it said last.`),
    state: z
      .enum(['pending', 'delivered', 'late'])
      .describe(
        'pending: no run was told yet, or the one that was has left nothing to go on from. late: the run that asked for it ' +
          'was cancelled, so nobody is told.',
      ),
    late: z.boolean().describe('It came when its time was over, or when nobody wanted it any more.'),
    deliveredTo: id.nullable().describe('The run that was told.'),
    reportedAt: when.nullable(),
  })
  .meta({ id: 'MailboxItem' });
export type MailboxItem = z.infer<typeof MailboxItem>;

export const MailboxQuery = page.extend({
  pending: flag.optional().describe('true: only what a continuation would be told. false: only the rest.'),
});

export const MailboxView = z
  .object({ items: z.array(MailboxItem), nextCursor: z.string().nullable() })
  .meta({ id: 'MailboxView' });
export type MailboxView = z.infer<typeof MailboxView>;

export const FireBody = z
  .strictObject({ prompt: text.optional().describe('What to say beside the reports.') })
  .nullish()
  .meta({ id: 'FireBody' });
export type FireBody = z.infer<typeof FireBody>;
