// Approvals: what runs wait for people to answer. Whoever answers first decides; every other is told who did.
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import {
  listApprovals,
  openApprovals,
  toApprovalView,
} from '../../activities/store/approvals/approval-lists.ts';
import { answerApproval } from '../../activities/store/approvals/approvals.ts';
import {
  ApprovalListQuery,
  ApprovalListView,
  ApprovalView,
  ApproveBody,
  DenyBody,
  ResultsBody,
} from '../../workflows/contracts/approval.ts';
import { Failure } from '../../workflows/contracts/failures.ts';
import { id } from '../../workflows/contracts/fields.ts';
import { ReceiptListView } from '../../workflows/contracts/run.ts';
import type { Parts, Routes } from '../parts.ts';
import { approve, deny, lockedRun, refuseLate, toResult } from './approval-answers.ts';
import { idCursor, toPage, usualLimit } from './paging.ts';
import { problems } from './problems.ts';
import { runParams } from './runs.ts';

const params = z.object({ id });

export const approvalRoutes: Routes = (api, parts) => {
  lookRoutes(api, parts);
  answerRoutes(api, parts);
  resultRoutes(api, parts);
};

const lookRoutes: Routes = (api, parts) => {
  api.get(
    '/approvals',
    {
      schema: {
        tags: ['approvals'],
        operationId: 'listApprovals',
        summary: 'What runs wait for people to answer, newest first',
        querystring: ApprovalListQuery,
        response: { 200: ApprovalListView, ...problems },
      },
    },
    async (request) => {
      const { limit = usualLimit, cursor, runId, status } = request.query;
      const before = idCursor(cursor);
      const rows = await listApprovals(parts.log.db, {
        tenantId: request.caller.tenantId,
        limit,
        ...(before !== undefined && { before }),
        ...(runId !== undefined && { runId }),
        ...(status !== undefined && { status }),
      });
      return toPage(rows, limit, { toView: toApprovalView, toCursor: (row) => row.id });
    },
  );

  api.get(
    '/approvals/:id',
    {
      schema: {
        tags: ['approvals'],
        operationId: 'getApproval',
        summary: 'One approval, with the exact arguments it is about',
        params,
        response: { 200: ApprovalView, ...problems },
      },
    },
    async (request) => viewOf(parts, request),
  );
};

const answerRoutes: Routes = (api, parts) => {
  api.post(
    '/approvals/:id/approve',
    {
      schema: {
        tags: ['approvals'],
        operationId: 'approve',
        summary: 'Allow it, with other arguments if need be; answer a question',
        description: '200 to the one that decided, 409 naming who did to every other.',
        params,
        body: ApproveBody,
        response: { 200: ApprovalView, ...problems },
      },
    },
    (request, reply) => parts.mutate(request, reply, (write) => approve(parts, write, request, request.body)),
  );

  api.post(
    '/approvals/:id/deny',
    {
      schema: {
        tags: ['approvals'],
        operationId: 'deny',
        summary: 'Say no; the note is told to the agent',
        params,
        body: DenyBody,
        response: { 200: ApprovalView, ...problems },
      },
    },
    (request, reply) => parts.mutate(request, reply, (write) => deny(parts, write, request, request.body)),
  );
};

const resultRoutes: Routes = (api, parts) => {
  api.post(
    '/runs/:id/results',
    {
      schema: {
        tags: ['approvals'],
        operationId: 'bringResults',
        summary: 'What the tools you execute yourself answered; all of them or none is taken',
        params: runParams,
        body: ResultsBody,
        response: { 200: ReceiptListView, ...problems },
      },
    },
    (request, reply) =>
      parts.mutate(request, reply, async (write) => {
        const run = await lockedRun(write, request, request.params.id);
        const open = (await openApprovals(write.tx, run)).filter(({ kind }) => kind === 'result');
        for (const { callId, output, failed = false } of request.body.results) {
          const approval = open.find(({ call_id }) => call_id === callId);
          if (!approval) {
            const waiting = open.map(({ call_id }) => call_id).join(', ') || 'none';
            throw new Failure(
              'NotRunnable',
              `Call ${callId} does not wait for a result of yours; these do: ${waiting}.`,
            );
          }
          refuseLate(approval);
          const answered = await answerApproval(write, run, approval.id, {
            status: 'approved',
            by: request.caller.by,
            result: await toResult(parts, write, run.tenant_id, { said: output, failed }),
          });
          if (!answered) throw new Failure('InvalidInput', `Call ${callId} is named twice.`);
        }
        const items = request.body.results.map(({ callId }) => ({ callId }));
        return { status: 200, body: { items }, after: () => parts.runs.wake(run.id) };
      }),
  );
};

async function viewOf(parts: Parts, request: FastifyRequest): Promise<ApprovalView> {
  const { id: approvalId } = request.params as { id: string };
  const [row] = await listApprovals(parts.log.db, {
    tenantId: request.caller.tenantId,
    limit: 1,
    id: approvalId,
  });
  if (!row) throw new Failure('NotFound', `There is no approval ${approvalId}.`);
  return toApprovalView(row);
}
