// What was drawn from allowances: the ledger, and sums of it.
import { readHeld, readLedger, readUsage } from '../../activities/store/allowances/ledger.ts';
import { LedgerListView, LedgerQuery, UsageQuery, UsageView } from '../../workflows/contracts/allowance.ts';
import type { Routes } from '../parts.ts';
import { at, pageExample, runId } from './examples.ts';
import { highestNumberFirst, pageOf, usualLimit } from './paging.ts';
import { problems } from './problems.ts';

// A month, as bills have it. The whole ledger has two entries a model call and takes seconds to sum after a year.
const usualDays = 30;

const settled = {
  id: 1042,
  kind: 'settle',
  at,
  day: '2026-01-05',
  runId,
  step: 2,
  attempt: 1,
  model: 'openai/gpt-5',
  pools: ['tenant'],
  tokens: 5310,
  costMicros: 9200,
  estimated: false,
  possibleCostMicros: 0,
  change: null,
  by: 'allowances',
  reason: 'What the call used.',
};
const used = {
  key: 'openai/gpt-5',
  calls: 31,
  inputTokens: 152_000,
  cachedInputTokens: 98_000,
  outputTokens: 12_400,
  costMicros: 410_000,
  estimatedCostMicros: 0,
  possibleCostMicros: 0,
  ceilingCostMicros: 0,
  refundedTokens: 0,
};

export const usageRoutes: Routes = (api, { db }) => {
  api.get(
    '/allowances/ledger',
    {
      config: { example: { answer: pageExample(settled) } },
      schema: {
        tags: ['allowances'],
        operationId: 'listLedger',
        summary: 'Every reservation, settlement, refund and change of a limit, newest first',
        description: 'The entries add up to what the allowances show as used and held.',
        querystring: LedgerQuery,
        response: { 200: LedgerListView, ...problems },
      },
    },
    async ({ query, caller: { tenantId } }) =>
      pageOf(
        query,
        highestNumberFirst,
        (page) => readLedger(db, { tenantId, ...page }),
        (row) => ({ ...row, change: row.change ?? null }),
      ),
  );

  api.get(
    '/usage',
    {
      config: {
        example: { answer: { by: 'model', items: [used], held: { tokens: 33_000, costMicros: 60_000 } } },
      },
      schema: {
        tags: ['allowances'],
        operationId: 'getUsage',
        summary:
          'What was used in thirty days or those asked for, the dearest first; by day, the latest first',
        description: 'Summed from the ledger for a time, by what `by` says.',
        querystring: UsageQuery,
        response: { 200: UsageView, ...problems },
      },
    },
    async (request) => {
      const { by = 'day', from, to, limit = usualLimit } = request.query;
      const { tenantId } = request.caller;
      const [items, held] = await Promise.all([
        readUsage(db, {
          tenantId,
          by,
          limit,
          from: from ?? daysBefore(to, usualDays - 1),
          ...(to !== undefined && { to }),
        }),
        readHeld(db, tenantId),
      ]);
      return { by, items, held };
    },
  );
};

function daysBefore(day: string | undefined, days: number): string {
  const end = day === undefined ? Date.now() : Date.parse(day);
  return new Date(end - days * 86_400_000).toISOString().slice(0, 10);
}
