// The audit: to be read, and only that.
import { listAudit } from '../../activities/store/access/audit.ts';
import { AuditListView, AuditQuery } from '../../workflows/contracts/policy.ts';
import type { Routes } from '../parts.ts';
import { numberCursor, toPage, usualLimit } from './paging.ts';
import { problems } from './problems.ts';

export const auditRoutes: Routes = (api, parts) => {
  api.get(
    '/audit',
    {
      schema: {
        tags: ['audit'],
        operationId: 'listAudit',
        summary: 'Who decided what, by which rule and why, newest first',
        querystring: AuditQuery,
        response: { 200: AuditListView, ...problems },
      },
    },
    async (request) => {
      const { limit = usualLimit, cursor, runId } = request.query;
      const rows = await listAudit(parts.log.db, {
        tenantId: request.caller.tenantId,
        limit,
        ...(cursor !== undefined && { before: numberCursor(cursor) }),
        ...(runId !== undefined && { runId }),
      });
      return toPage(rows, limit, {
        toView: ({ id: number, at, actor, action, run_id, call_id, rule, reason, detail }) => ({
          id: String(number),
          at: at.toISOString(),
          actor,
          action,
          runId: run_id,
          callId: call_id,
          rule,
          reason,
          detail,
        }),
        toCursor: (row) => String(row.id),
      });
    },
  );
};
