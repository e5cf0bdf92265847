// The kinds of settings. Reads nothing.
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
/** No request uses a login in an address, and showing the address would show the password. */
export const address = () =>
  z
    .url({ protocol: /^https?$/ })
    .refine(hasNoLogin, 'must have no user and no password in it; a key has a setting of its own')
    .optional();

function hasNoLogin(url: string): boolean {
  if (!URL.canParse(url)) return true;
  const { username, password } = new URL(url);
  return username === '' && password === '';
}

const aPort = 'must be a number from 1 to 65535';
export const port = () => z.int(aPort).min(1, aPort).max(65_535, aPort);

export const file = (why: string) =>
  z
    .string()
    .min(1)
    .optional()
    .meta(note(why, { folder: true }));
export const labels = (why: string) =>
  z
    .string()
    .regex(/^[A-Za-z0-9][\w.:-]*(,[A-Za-z0-9][\w.:-]*)*$/, 'must look like gpu,linux')
    .optional()
    .meta(note(why));

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

/** What holds by model. */
export const byModel = <Value extends z.ZodType>(value: Value) =>
  z.record(z.string().regex(/^[a-z]+\/\S+$/), value, {
    error: ({ code }) => (code === 'invalid_key' ? 'must be provider/model or provider/*' : undefined),
  });

// No model costs less: a smaller amount is in dollars but not under `dollars`, and calls would be nearly free.
const leastMicros = 1000;
const amount = z
  .number()
  .nonnegative()
  .refine(
    (micros) => micros === 0 || micros >= leastMicros,
    'is less than $0.001 for a million tokens; give dollars as {"dollars": {"input": 1, "output": 4}}',
  );

/** For a million tokens: in micro-dollars, or in dollars under `dollars`, as in price lists. */
export const price = z.preprocess(
  fromDollars,
  z.strictObject({ input: amount, cachedInput: amount.optional(), output: amount }),
);

/** What is no amount stays as it is, and is refused by its name. */
function fromDollars(given: unknown): unknown {
  const { dollars, ...others } = Object(given) as { dollars?: unknown };
  if (typeof dollars !== 'object' || dollars === null || Object.keys(others).length > 0) return given;
  return Object.fromEntries(
    Object.entries(dollars).map(([name, amount]) => [
      name,
      // What rounds to nothing stays as it is: it is refused, and not free.
      typeof amount === 'number' ? Math.round(amount * 1_000_000) || amount : amount,
    ]),
  );
}

// As in activities/llm/server-profiles.ts, which has the reasons.
export const modelProfile = z.strictObject({
  profile: z.enum(profileNames).optional(),
  longestAnswer: z.int().min(1).max(1_000_000).optional(),
  // Below a thousand not even what every request says fits; ten million is above what any server takes.
  contextWindow: z.int().min(1_000).max(10_000_000).optional(),
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
