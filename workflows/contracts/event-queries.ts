// What readers of events ask for.
import { z } from 'zod';
import { type EventType, eventTypes } from './event.ts';
import { flag } from './fields.ts';

// 19 digits is the widest 64-bit integer; anything longer is not a cursor of ours.
const cursor = z.string().regex(/^\d{1,19}$/, 'must be a sequence number');

const oneType = `(?:${eventTypes.join('|')})`;

// Each of them once makes less than a thousand characters.
const types = z
  .string()
  .max(2000)
  .regex(
    new RegExp(`^${oneType}(?:,${oneType})*$`),
    `must be types of events with commas between them; there are ${eventTypes.join(', ')}`,
  )
  .transform((value) => value.split(',') as EventType[])
  .describe('Only events of these types, with commas between them; their numbers skip.');

// A megabyte or so.
const most = z.coerce.number().int().min(1).max(1000);

export const EventsQuery = z.strictObject({
  after: cursor.optional(),
  limit: most.optional(),
  last: most.optional().describe('The newest so many, in order, in place of those after a number.'),
  type: types.optional(),
  format: z.enum(['json', 'jsonl']).optional(),
  kept: flag
    .optional()
    .describe('Also what is kept of folded events, whose numbers skip: whole messages and results.'),
});

export const StreamQuery = z.strictObject({
  after: cursor.optional(),
  type: types.optional(),
  include: z
    .enum(['tokens', 'no-tokens'])
    .optional()
    .describe(
      'no-tokens: without the pieces of texts and of thinking, so that numbers skip; `message-end` has each text whole. ' +
        'Unsaid: all.',
    ),
});

/** What a reader of whole messages can do without: their blocks, from start to end. */
export function isToken({ type }: { type: string }): boolean {
  return /^(text|thinking)-(start|delta|end)$/.test(type);
}
