// A conversation: a chain of runs that share their context.
import { z } from 'zod';
import { id, when } from './fields.ts';
import { Metadata, RunView } from './run.ts';

export const ConversationView = z
  .object({
    id,
    title: z.string(),
    metadata: Metadata,
    activeRunId: id.nullable(),
    createdAt: when,
    lastActivityAt: when,
  })
  .meta({ id: 'ConversationView' });
export type ConversationView = z.infer<typeof ConversationView>;

export const ConversationListView = z
  .object({ items: z.array(ConversationView), nextCursor: z.string().nullable() })
  .meta({ id: 'ConversationListView' });
export type ConversationListView = z.infer<typeof ConversationListView>;

export const ConversationDetailView = ConversationView.extend({
  runs: z.array(RunView).describe('The latest 50, newest first.'),
}).meta({ id: 'ConversationDetailView' });
export type ConversationDetailView = z.infer<typeof ConversationDetailView>;
