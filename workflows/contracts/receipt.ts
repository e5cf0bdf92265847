// What became of what was sent into a run.
import { z } from 'zod';
import { id } from './fields.ts';

/** What a message into a conversation has become, with the run that the answer names. */
export const Became = z
  .enum(['run', 'parked', 'steered'])
  .describe(
    'What the message has become: this run; this run once its turn has come; something said to this run, which was active.',
  );

/** What a message into a run has become; `status` of a stop request is always `accepted`. */
export const ReceiptView = z
  .object({
    runId: id,
    messageId: z.string(),
    status: z.enum(['accepted', 'applied', 'refused']),
    step: z.int().nullable(),
    became: id
      .optional()
      .describe(
        'The run that a refused message has become or gone into, when it was sent again to the conversation.',
      ),
  })
  .meta({ id: 'ReceiptView' });
export type ReceiptView = z.infer<typeof ReceiptView>;

/** What an interrupt of a whole conversation has reached. */
export const InterruptedView = z
  .object({
    conversationId: id,
    items: z.array(ReceiptView).describe('One for each run that was told, in the order in which they began.'),
  })
  .meta({ id: 'InterruptedView' });
export type InterruptedView = z.infer<typeof InterruptedView>;

/** The calls whose results were taken. */
export const ReceiptListView = z
  .object({ items: z.array(z.object({ callId: z.string() })) })
  .meta({ id: 'ReceiptListView' });
export type ReceiptListView = z.infer<typeof ReceiptListView>;
