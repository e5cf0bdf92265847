// Of what kinds settings are. Reads nothing.
import { z } from 'zod';
import { profileNames } from '../../activities/llm/server-profiles.ts';

export type SettingNotes = {
  why: string;
  /** Only where the name is not PERDURE_ and the setting's own name. */
  variable?: string;
  secret?: true;
  /** Or a file: taken relative to the folder the process was started in, and made absolute. */
  folder?: true;
  /** Of what is JSON in the environment. */
  example?: string;
};

export const note = (why: string, more: Omit<SettingNotes, 'why'> = {}): SettingNotes => ({ why, ...more });
export const key = () => z.string().min(1).optional();
export const address = () => z.url({ protocol: /^https?$/ }).optional();
export const port = () => z.int('must be a number').min(1).max(65_535);

export const file = (why: string) =>
  z
    .string()
    .min(1)
    .optional()
    .meta(note(why, { folder: true }));
// A century.
export const days = (usual: number) => z.int().min(0).max(36_500).default(usual);

// A call ends within the 30 minutes of its activity; less than a second is a mistake in the unit.
const callSeconds = () => z.number().min(1).max(1_740).optional();
export const modelSeconds = z.strictObject({
  first: callSeconds(),
  between: callSeconds(),
  call: callSeconds(),
  total: callSeconds(),
});

/** For a million tokens: in micro-dollars, or under `dollars` in those, as price lists have them. */
export const price = z.preprocess(
  fromDollars,
  z.strictObject({
    input: z.number().nonnegative(),
    cachedInput: z.number().nonnegative().optional(),
    output: z.number().nonnegative(),
  }),
);

/** What is no amount stays as it is, and is refused by its name. */
function fromDollars(given: unknown): unknown {
  const { dollars, ...others } = Object(given) as { dollars?: unknown };
  if (typeof dollars !== 'object' || dollars === null || Object.keys(others).length > 0) return given;
  return Object.fromEntries(
    Object.entries(dollars).map(([name, amount]) => [
      name,
      typeof amount === 'number' ? Math.round(amount * 1_000_000) : amount,
    ]),
  );
}

// As in activities/llm/server-profiles.ts, which has the reasons.
export const modelProfile = z.strictObject({
  profile: z.enum(profileNames).optional(),
  longestAnswer: z.int().min(1).max(1_000_000).optional(),
  longestField: z.enum(['max_tokens', 'max_completion_tokens']).optional(),
  longestWhenFree: z.enum(['sent', 'left-out']).optional(),
  streamUsage: z.boolean().optional(),
  callIds: z.enum(['any', 'nine']).optional(),
  noText: z.enum(['null', 'empty']).optional(),
  schemaBounds: z.enum(['any', 'small']).optional(),
  reasoning: z.enum(['as-came', 'reasoning_content', 'reasoning', 'chunks', 'package', 'none']).optional(),
  reasoningFiller: z.string().max(10).optional(),
  reasoningBesideText: z.boolean().optional(),
  failedResults: z.enum(['marked', 'text']).optional(),
  partsAfterResult: z.boolean().optional(),
});
