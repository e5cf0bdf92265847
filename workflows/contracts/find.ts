// Finding what a person names by a part of its id: the whole id is too long to type.
import { z } from 'zod';
import { id, when } from './fields.ts';

export const foundKinds = ['run', 'conversation', 'approval', 'dead-letter', 'task'] as const;
export const FoundKind = z.enum(foundKinds).meta({ id: 'FoundKind' });
export type FoundKind = z.infer<typeof FoundKind>;

/** More than these would only scroll a list of candidates away. */
export const mostFound = 10;

export const FindQuery = z.strictObject({
  kind: FoundKind,
  id: z
    .string()
    .regex(
      // As many digits as an id has, at most: more are no id, and Postgres would refuse them.
      /^(last|([0-9a-f]-?){4,32})$/i,
      'must be an id, four or more of its first letters or of its last eight, or `last`',
    )
    .describe(
      'The first letters of an id, or of its last eight, which is the short form that tables print. `last`: the newest ' +
        'run or task, the conversation with the latest activity, the open approvals, the open dead letters.',
    ),
});
export type FindQuery = z.infer<typeof FindQuery>;

export const FoundView = z
  .object({
    kind: FoundKind,
    id,
    text: z.string().describe('What it is about, cut at 200 characters.'),
    createdAt: when,
  })
  .meta({ id: 'FoundView' });
export type FoundView = z.infer<typeof FoundView>;

export const FoundListView = z
  .object({
    items: z
      .array(FoundView)
      .describe(`Newest first, at most ${mostFound}: more than one means that the letters are too few.`),
  })
  .meta({ id: 'FoundListView' });
export type FoundListView = z.infer<typeof FoundListView>;
