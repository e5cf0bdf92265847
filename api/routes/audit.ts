// The audit, which can only be read.
import { type AuditRow, listAudit } from '../../activities/store/access/audit.ts';
import { AuditListView, AuditQuery } from '../../workflows/contracts/policy.ts';
import type { Routes } from '../parts.ts';
import { pageExample, runId } from './examples.ts';
import { highestNumberFirst, pageOf } from './paging.ts';
import { problems } from './problems.ts';

const decided = {
  id: '4711',
  at: '2026-02-03T10:15:00.000Z',
  actor: 'policy shop',
  action: 'call-deny',
  callId: '3.0',
  detail: { tool: 'read' },
  runId,
  rule: 'shop: deny anything: **/.env',
  reason: 'it holds the keys of the payment provider',
};

export const auditRoutes: Routes = (api, { db }) => {
  api.get(
    '/audit',
    {
      config: { example: { answer: pageExample(decided) } },
      schema: {
        tags: ['audit'],
        operationId: 'listAudit',
        summary: 'Who decided what, by which rule and why, newest first',
        description:
          'Decisions of policies and of people, and changes of tokens and profiles. Nothing is ever changed here.',
        querystring: AuditQuery,
        response: { 200: AuditListView, ...problems },
      },
    },
    async ({ query, caller: { tenantId } }) =>
      pageOf(query, highestNumberFirst, (page) => listAudit(db, { tenantId, ...page }), toAuditView),
  );
};

function toAuditView({ id, at, actor, action, run_id, call_id, rule, reason, detail }: AuditRow) {
  return {
    id: String(id),
    at: at.toISOString(),
    actor,
    action,
    runId: run_id,
    callId: call_id,
    rule,
    reason,
    detail,
  };
}
