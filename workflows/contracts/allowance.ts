// Allowances on every wire: pools with limits that runs draw from, the ledger of what they drew, and what was used.
import { z } from 'zod';
import { id, money, nameText, page, shortText, tokens, when } from './fields.ts';

/** The limits that can be reached. How long a run may take is none: it only caps the run's own limit. */
export const LimitName = z
  .enum(['dayRuns', 'hourCalls', 'tokens', 'costMicros', 'dayTokens', 'dayCostMicros'])
  .meta({ id: 'LimitName' });
export type LimitName = z.infer<typeof LimitName>;

const count = z.int().min(0).max(Number.MAX_SAFE_INTEGER);

export const AllowanceLimits = z
  .strictObject({
    runSeconds: count.describe('How long a run may take; a change holds for runs accepted after it.'),
    concurrentRuns: count.describe('Runs at once; one more waits as queued.'),
    dayRuns: count.describe('Runs accepted in a UTC day; one more is refused.'),
    hourCalls: count.describe('Model calls in any sixty minutes.'),
    tokens: count.describe('In all.'),
    costMicros: count.describe('In all, in micro-dollars.'),
    dayTokens: count.describe('In a UTC day.'),
    dayCostMicros: count.describe('In a UTC day, in micro-dollars.'),
    models: z
      .array(z.string().min(1).max(200))
      // Enough for every model that a person would name one by one.
      .max(200)
      .describe('The only models its runs may call: provider/model or provider/*.'),
  })
  .describe('Zero, and an empty list, is unlimited.')
  .meta({ id: 'AllowanceLimits' });

const name = nameText(300).describe(
  'tenant, conversation/<id>, run/<id>, owner/<anything> or executor/<name>.',
);
const model = z
  .string()
  .max(200)
  .regex(/^([a-z0-9-]+\/\S+)?$/, 'must be provider/model or provider/*')
  .describe('Whose calls alone draw from it: provider/model or provider/*; empty for all.');

export const AllowanceView = z
  .object({
    id,
    name,
    model,
    version: z.int().min(1),
    limits: AllowanceLimits,
    used: z.object({
      concurrentRuns: count,
      dayRuns: count,
      hourCalls: count,
      tokens: count,
      costMicros: count,
      dayTokens: count,
      dayCostMicros: count,
    }),
    held: z
      .object({ tokens: count, costMicros: count, dayTokens: count, dayCostMicros: count })
      .describe('What calls under way may use at most; not spent, and no part of what is used.'),
  })
  .meta({ id: 'AllowanceView' });
export type AllowanceView = z.infer<typeof AllowanceView>;

export const AllowanceListQuery = page.extend({ name: name.optional() });
export const AllowanceListView = z
  .object({ items: z.array(AllowanceView), nextCursor: z.string().nullable() })
  .meta({ id: 'AllowanceListView' });
export type AllowanceListView = z.infer<typeof AllowanceListView>;

export const ChangeAllowanceBody = z
  .strictObject({
    name,
    model: model.optional(),
    limits: AllowanceLimits.partial().describe('Those left out stay as they are; of a new one, unlimited.'),
    version: z.int().min(0).describe('The version that was read; 0 makes a new one.'),
    reason: shortText(500).describe('For the ledger and the audit.'),
  })
  .meta({ id: 'ChangeAllowanceBody' });
export type ChangeAllowanceBody = z.infer<typeof ChangeAllowanceBody>;

export const LedgerKind = z.enum(['reserve', 'settle', 'refund', 'limit']).meta({ id: 'LedgerKind' });

export const LedgerQuery = page.extend({ runId: id.optional(), kind: LedgerKind.optional() });
export const LedgerListView = z
  .object({
    items: z.array(
      z
        .object({
          id: z.int(),
          kind: LedgerKind,
          at: when,
          day: z.string().describe('The UTC day it counts for.'),
          runId: id.nullable(),
          step: z.int().nullable(),
          attempt: z.int().nullable(),
          model: z.string(),
          pools: z.array(z.string()).describe('The allowances it is about.'),
          tokens,
          costMicros: money,
          estimated: z.boolean().describe('Nobody knows the real figure.'),
          possibleCostMicros: money.describe(
            'Of a call that died: what it may have cost beside costMicros, at most. It is drawn from no allowance.',
          ),
          change: z.unknown().describe('The limits before and after a change of them.'),
          by: z.string(),
          reason: z.string(),
        })
        .meta({ id: 'LedgerEntry' }),
    ),
    nextCursor: z.string().nullable(),
  })
  .meta({ id: 'LedgerListView' });
export type LedgerListView = z.infer<typeof LedgerListView>;

export const UsageBy = z.enum(['run', 'conversation', 'model', 'project', 'day']).meta({ id: 'UsageBy' });
export type UsageBy = z.infer<typeof UsageBy>;

const day = z.iso
  .date()
  // Postgres knows no year 0.
  .regex(/^(19[789]|[2-9]\d)/, 'must be a day from 1970 on')
  .describe('A UTC day, such as 2026-01-05; included.');

export const UsageQuery = z.strictObject({
  by: UsageBy.optional(),
  from: day.optional().describe('The first UTC day; without it, the thirty days to `to` or to today.'),
  to: day.optional(),
  limit: page.shape.limit,
});
export const UsageView = z
  .object({
    by: UsageBy,
    items: z.array(
      z
        .object({
          key: z
            .string()
            .nullable()
            .describe(
              'Null: runs without a project, and what is not known of months that were summed or runs that were deleted. By day, a summed month is one row, such as 2026-01.',
            ),
          calls: z.int(),
          inputTokens: tokens,
          cachedInputTokens: tokens,
          outputTokens: tokens,
          costMicros: money,
          estimatedCostMicros: money.describe('The part of the cost that nobody knows for certain.'),
          possibleCostMicros: money.describe(
            'What calls that died may have cost beside the cost, at most: nobody knows it, and it counts nowhere.',
          ),
          ceilingCostMicros: money.describe(
            'Of the estimated part, what was charged at the configured ceiling, since nobody knows the price of the model; ' +
              'of months that were summed and runs that were deleted it is not told apart.',
          ),
          refundedTokens: tokens.describe('What was given back to token allowances.'),
        })
        .meta({ id: 'UsageRow' }),
    ),
    held: z
      .object({ tokens, costMicros: money })
      .describe('What all calls under way may use at most; not spent, and in none of the items.'),
  })
  .meta({ id: 'UsageView' });
export type UsageView = z.infer<typeof UsageView>;
