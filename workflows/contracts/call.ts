// A call: one tool call of the model, from the request to its one result.
import { z } from 'zod';
import { id, text, when } from './fields.ts';

export const Effect = z.enum(['read', 'write', 'execute', 'network']).meta({ id: 'Effect' });
export type Effect = z.infer<typeof Effect>;

export const Decision = z.enum(['allow', 'ask', 'deny']).meta({ id: 'Decision' });
export type Decision = z.infer<typeof Decision>;

/**
 * What the subject of a call is, for policy. Absent, it follows from the effect: paths for read and write, a command
 * for execute, a host for network. `run`: the call concerns the run itself and reaches nothing outside of it.
 */
export const SubjectKind = z.enum(['path', 'command', 'host', 'run']).meta({ id: 'SubjectKind' });
export type SubjectKind = z.infer<typeof SubjectKind>;

/**
 * Its place among the calls of one answer. A `read` waits for the last write before it, a `write` (also a command) for
 * all reads and writes before it. `beside`: it waits for people or for the caller, and for no other call.
 */
export type CallOrder = 'read' | 'write' | 'beside';

/** `safe`: may be re-run freely. `keyed`: idempotent under the key we pass. `once`: never run twice unasked. */
export type Repeat = 'safe' | 'keyed' | 'once';

export const callStatuses = [
  'requested',
  'running',
  'succeeded',
  'failed',
  'denied',
  'stopped',
  'unknown',
] as const;
/** `unknown`: it was started, and whether it took effect is not known; settle it by hand. */
export const CallStatus = z.enum(callStatuses).meta({ id: 'CallStatus' });
export type CallStatus = z.infer<typeof CallStatus>;

/** The text that runs in place of a call's subject: shown where the two differ. */
export const OtherText = z
  .string()
  .nullable()
  .describe(
    'What runs in place of the subject, written from what was judged; null where that is the same text.',
  );

export function otherText(subject: string, runs: string | null | undefined): string | null {
  const text = runs ?? subject;
  return text === subject ? null : text;
}

/** What was repaired in the arguments a model wrote before they were judged: shown wherever people look at the call. */
export const Repairs = z
  .array(z.string())
  .describe('What was repaired in the arguments the model wrote; `input` is what runs. Empty: nothing.');

/** What a command with a way out asked for of one host. It connects only to what its call named in `hosts`. */
export const NetworkContact = z
  .object({
    host: z.string(),
    port: z.int(),
    connections: z.int(),
    sentBytes: z.int().describe('To the host; of what is encrypted, as it was sent.'),
    receivedBytes: z.int(),
    refusals: z.int().describe('Attempts that were refused or failed.'),
    problem: z.string().nullable().describe('Why the last of these was.'),
  })
  .meta({ id: 'NetworkContact' });
export type NetworkContact = z.infer<typeof NetworkContact>;

export const CallView = z
  .object({
    runId: id,
    callId: z.string().describe('step.index'),
    step: z.int(),
    tool: z.string(),
    input: z.unknown(),
    repairs: Repairs,
    effect: Effect.nullable(),
    subject: z.string(),
    runs: OtherText,
    repeat: z.enum(['safe', 'keyed', 'once']).nullable(),
    decision: Decision,
    rule: z.string(),
    reason: z.string(),
    status: CallStatus,
    output: z.string().nullable(),
    outputBytes: z.int().nullable(),
    content: z.string().nullable().describe('Content key of the whole output when `output` was cut.'),
    network: z
      .array(NetworkContact)
      .describe('What its command reached beside the machine, and what it asked for in vain.'),
    attempts: z.int(),
    settled: z.enum(['done', 'not_done']).nullable(),
    settledBy: z.string().nullable(),
    startedAt: when.nullable(),
    endedAt: when.nullable(),
  })
  .meta({ id: 'CallView' });
export type CallView = z.infer<typeof CallView>;

export const CallListView = z
  .object({ items: z.array(CallView), nextCursor: z.string().nullable() })
  .meta({ id: 'CallListView' });
export type CallListView = z.infer<typeof CallListView>;

export const SettleBody = z
  .strictObject({
    outcome: z.enum(['done', 'not_done']).describe('What really happened, as far as you found out.'),
    output: text.optional().describe('What the tool would have answered; given to the model.'),
  })
  .meta({ id: 'SettleBody' });
export type SettleBody = z.infer<typeof SettleBody>;

export const callIdField = z.string().regex(/^[1-9]\d{0,8}\.\d{1,6}$/, 'must be step.index, such as 3.0');
