// What a model was sent at a step of a run, on every wire.
import { z } from 'zod';
import { id } from './fields.ts';

// Of each message; the message by its id has all of it.
export const shownCharacters = 2_000;
// A window of a million tokens holds about as many; of more, the newest.
export const shownMessages = 1_000;

export const ContextQuery = z.strictObject({
  step: z.coerce
    .number()
    .int()
    .min(1)
    .max(1_000_000)
    .optional()
    .describe('Left out: the last step that asked its model.'),
});

const ContextPart = z.object({
  part: z
    .enum(['system', 'tools', 'summary', 'project', 'history', 'block'])
    .describe(
      '`block`: told anew with each step, behind all else, so that what stands before it can be cached.',
    ),
  name: z.string().optional().describe('Of a block: whose it is.'),
  tokens: z.int().describe('Estimated.'),
  text: z.string().optional().describe('Of a block: what it said.'),
});

const ContextMessage = z.object({
  runId: id,
  step: z.int(),
  kind: z
    .enum(['message', 'note', 'answer', 'result', 'summary', 'project'])
    .describe(
      '`note`: of the platform, hidden from people elsewhere. `summary` stands for earlier messages.',
    ),
  text: z.string().describe(`The first ${shownCharacters} characters.`),
  length: z.int().describe('Of the whole text, in characters.'),
  calls: z.array(z.object({ callId: z.string(), tool: z.string() })),
  callId: z.string().nullable(),
});

export const ContextView = z
  .object({
    runId: id,
    step: z.int(),
    model: z.string(),
    window: z
      .int()
      .nullable()
      .describe('Prompt and answer that its server takes, as far as known; null: not recorded.'),
    tokens: z
      .int()
      .nullable()
      .describe('Of the prompt, estimated: the sum of its parts; null: not recorded.'),
    parts: z.array(ContextPart).describe('In the order in which the model reads them.'),
    use: z
      .object({
        inputTokens: z.int(),
        cachedInputTokens: z.int().describe('What came out of the provider’s cache, where it says so.'),
        outputTokens: z.int(),
        estimated: z.boolean().describe('The provider has not said what it used.'),
      })
      .describe('What the call used.'),
    messages: z.array(ContextMessage).describe(`The newest ${shownMessages}, in order.`),
    messageCount: z.int(),
    leftOut: z.array(
      z.object({ what: z.string(), why: z.string() }).describe('What the model was not sent, and why.'),
    ),
  })
  .meta({ id: 'ContextView' });
export type ContextView = z.infer<typeof ContextView>;
