// What was drawn from allowances: the ledger, and sums of it. Reading tells nobody anything.
import { readLedger, readUsage } from '../../activities/store/allowances/ledger.ts';
import { LedgerListView, LedgerQuery, UsageQuery, UsageView } from '../../workflows/contracts/allowance.ts';
import type { Routes } from '../parts.ts';
import { numberCursor, toPage, usualLimit } from './paging.ts';
import { problems } from './problems.ts';

// A month, as bills have it. The whole ledger has two entries a model call and takes seconds to sum after a year.
const usualDays = 30;

export const usageRoutes: Routes = (api, { log: { db } }) => {
  api.get(
    '/allowances/ledger',
    {
      schema: {
        tags: ['allowances'],
        operationId: 'listLedger',
        summary: 'Every reservation, settlement, refund and change of a limit, newest first',
        querystring: LedgerQuery,
        response: { 200: LedgerListView, ...problems },
      },
    },
    async (request) => {
      const { limit = usualLimit, cursor, runId, kind } = request.query;
      const rows = await readLedger(db, {
        tenantId: request.caller.tenantId,
        limit,
        ...(cursor !== undefined && { before: numberCursor(cursor) }),
        ...(runId !== undefined && { runId }),
        ...(kind !== undefined && { kind }),
      });
      return toPage(rows, limit, {
        toView: (row) => ({ ...row, change: row.change ?? null }),
        toCursor: (row) => String(row.id),
      });
    },
  );

  api.get(
    '/usage',
    {
      schema: {
        tags: ['allowances'],
        operationId: 'getUsage',
        summary:
          'What was used in thirty days or those asked for, the dearest first; by day, the latest first',
        querystring: UsageQuery,
        response: { 200: UsageView, ...problems },
      },
    },
    async (request) => {
      const { by = 'day', from, to, limit = usualLimit } = request.query;
      const items = await readUsage(db, {
        tenantId: request.caller.tenantId,
        by,
        limit,
        from: from ?? daysBefore(to, usualDays - 1),
        ...(to !== undefined && { to }),
      });
      return { by, items };
    },
  );
};

function daysBefore(day: string | undefined, days: number): string {
  const end = day === undefined ? Date.now() : Date.parse(day);
  return new Date(end - days * 86_400_000).toISOString().slice(0, 10);
}
