// Memory: a short text that an agent or a person keeps for the later runs of a conversation or of a preset.
import { z } from 'zod';
import { presetId } from './configuration.ts';
import { id, page, shortText, when } from './fields.ts';

/** Longer texts belong into a file of the project. */
export const longestMemory = 2_000;
/** Of one conversation or preset: as many as a person can still look through. */
export const mostMemories = 500;

export const MemoryScope = z.enum(['conversation', 'preset']).meta({ id: 'MemoryScope' });
export type MemoryScope = z.infer<typeof MemoryScope>;

export const MemoryQuery = page.extend({
  conversationId: id.optional(),
  preset: presetId.optional(),
  find: shortText(500).optional().describe('Only those that have one of these words; the best match first.'),
});

const kept = shortText(longestMemory);
export const AddMemoryBody = z
  .union([
    z.strictObject({ conversationId: id, text: kept }),
    z.strictObject({ preset: presetId, text: kept }),
  ])
  .meta({ id: 'AddMemoryBody' });
export type AddMemoryBody = z.infer<typeof AddMemoryBody>;

export const MemoryView = z
  .object({
    id,
    scope: MemoryScope,
    key: z.string().describe('The id of the conversation, or the name of the preset.'),
    text: z.string(),
    runId: id.nullable().describe('The run that kept it; null: a person did.'),
    createdBy: z.string(),
    createdAt: when,
  })
  .meta({ id: 'MemoryView' });
export type MemoryView = z.infer<typeof MemoryView>;

export const MemoryListView = z
  .object({ items: z.array(MemoryView), nextCursor: z.string().nullable() })
  .meta({ id: 'MemoryListView' });
export type MemoryListView = z.infer<typeof MemoryListView>;
