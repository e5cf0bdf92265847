// Approvals: what a run waits for a person to answer. One row each; the first answer is the only one.
import { z } from 'zod';
import { LimitName } from './allowance.ts';
import { Effect, OtherText, Repairs } from './call.ts';
import { PolicyScopeName } from './policy.ts';
import { anyText, id, money, page, shortText, when } from './fields.ts';

/**
 * `call`: may this call be made. `question`: the agent asks. `result`: the caller's own tool is to answer. `limit`:
 * the run has come to the end of its money.
 */
export const ApprovalKind = z.enum(['call', 'question', 'result', 'limit']).meta({ id: 'ApprovalKind' });
export type ApprovalKind = z.infer<typeof ApprovalKind>;

/** `expired`: no answer came in time. `withdrawn`: the run ended first, or its call is not made. */
export const ApprovalStatus = z
  .enum(['open', 'approved', 'denied', 'expired', 'withdrawn'])
  .meta({ id: 'ApprovalStatus' });
export type ApprovalStatus = z.infer<typeof ApprovalStatus>;

export const ApprovalView = z
  .object({
    id,
    runId: id,
    kind: ApprovalKind,
    callId: z.string().nullable(),
    tool: z.string().nullable(),
    effect: Effect.nullable(),
    subject: z
      .string()
      .nullable()
      .describe('The exact command, path or host; control and direction characters are written out.'),
    runs: OtherText,
    input: z.unknown().describe('The exact arguments; edited ones once it is approved with an edit.'),
    change: z
      .string()
      .nullable()
      .optional()
      .describe(
        'What an open call would change in files as they are now, as a unified diff; null where that is not known. Only ' +
          'when this one approval is asked for.',
      ),
    repairs: Repairs,
    inputHash: z.string(),
    text: z.string().describe('What is asked.'),
    choices: z.array(z.string()),
    limit: z
      .object({ name: LimitName, allowance: z.string().nullable() })
      .nullable()
      .describe(
        "Of a question about money: the limit that was met, and the allowance it is of. Null: the limit is the run's own, " +
          'the only one that an answer can raise.',
      ),
    rule: z.string().nullable(),
    reason: z.string().nullable(),
    status: ApprovalStatus,
    createdAt: when,
    escalateAt: when,
    deadlineAt: when.describe('Nobody answers until then: denied.'),
    decidedBy: z.string().nullable(),
    decidedAt: when.nullable(),
    note: z.string().nullable(),
    edited: z.boolean(),
    remembers: z
      .string()
      .nullable()
      .describe('What `remember` would allow, in words; null when this cannot be remembered.'),
  })
  .meta({ id: 'ApprovalView' });
export type ApprovalView = z.infer<typeof ApprovalView>;

export const ApprovalListQuery = page.extend({ runId: id.optional(), status: ApprovalStatus.optional() });
export const ApprovalListView = z
  .object({ items: z.array(ApprovalView), nextCursor: z.string().nullable() })
  .meta({ id: 'ApprovalListView' });
export type ApprovalListView = z.infer<typeof ApprovalListView>;

const note = shortText(2000).optional().describe('For the record, and for the model when it is denied.');

export const ApproveBody = z
  .strictObject({
    input: z
      .unknown()
      .optional()
      .describe(
        'Other arguments for the call; of a question `{answer}`; of a limit `{dollars}` more for this run.',
      ),
    note,
    remember: z
      .strictObject({
        scope: PolicyScopeName.describe('For this run, for its project, or everywhere.'),
        days: z.int().min(1).max(365).optional().describe('How long; 30 days unless said otherwise.'),
      })
      .optional()
      .describe('Allow exactly these arguments again without asking, as `remembers` of the approval says.'),
  })
  .nullish()
  .meta({ id: 'ApproveBody' });
export type ApproveBody = z.infer<typeof ApproveBody>;

/** More money for a run that has spent its limit, as the input of its approval: in dollars or in micro-dollars. */
export const MoreMoney = z.union([
  z
    // A micro-dollar is the least that is counted.
    .strictObject({ dollars: z.number().min(0.000_001).max(1_000_000_000) })
    .transform(({ dollars }) => ({ costMicros: Math.round(dollars * 1_000_000) })),
  z.strictObject({ costMicros: money.min(1) }),
]);

export const DenyBody = z.strictObject({ note }).nullish().meta({ id: 'DenyBody' });
export type DenyBody = z.infer<typeof DenyBody>;

export const ResultsBody = z
  .strictObject({
    results: z
      .array(
        z.strictObject({
          callId: z.string().min(1).max(20),
          output: anyText.describe('What the tool answered; nothing is an answer too.'),
          failed: z.boolean().optional(),
        }),
      )
      .min(1)
      // As many as one step has calls.
      .max(64),
  })
  .meta({ id: 'ResultsBody' });
export type ResultsBody = z.infer<typeof ResultsBody>;
