// A message as people read it: what a run was told, what its model answered, and what its calls gave back.
import { z } from 'zod';
import { id, when } from './fields.ts';
import { PartView } from './input-part.ts';
import { phases } from './message.ts';

// Some screens of text. A page of 200 such messages is four million characters.
export const listedCharacters = 20_000;

/** Step, phase and position: where it stands in its run, and its name there. */
export const messageIdField = z
  .string()
  .regex(
    new RegExp(`^\\d{1,6}\\.(${phases.join('|')})\\.\\d{1,6}$`),
    'must be the id of a message, such as 3.assistant.0',
  );

export const MessageView = z
  .object({
    id: messageIdField.describe('Step, phase and position in the run; unique there.'),
    runId: id,
    step: z.int().describe('The step that it belongs to; 0 is before the first.'),
    role: z.enum(['user', 'assistant', 'tool']),
    text: z
      .string()
      .describe(`In lists its first ${listedCharacters} characters; the message by its id has all of it.`),
    length: z.int().describe('Of the whole text, in characters.'),
    calls: z
      .array(z.object({ callId: z.string(), tool: z.string() }))
      .describe('What an answer asked for; GET /runs/{id}/calls has the arguments and the results.'),
    callId: z.string().nullable().describe('Of a tool message: the call whose result it is.'),
    failed: z.boolean().describe('Of a tool message: the call has failed.'),
    content: z
      .string()
      .nullable()
      .describe('Of a tool message whose text is cut: the key of the whole output, for GET /contents/{key}.'),
    parts: z.array(PartView).describe('Of what a person said: what it carries beside its words.'),
    createdAt: when,
  })
  .meta({ id: 'MessageView' });
export type MessageView = z.infer<typeof MessageView>;

export const MessageListView = z
  .object({ items: z.array(MessageView), nextCursor: z.string().nullable() })
  .meta({ id: 'MessageListView' });
export type MessageListView = z.infer<typeof MessageListView>;
