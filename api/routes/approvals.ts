// Approvals: what runs wait for people to answer. Whoever answers first decides; every other is told who did.
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import {
  findApproval,
  listApprovals,
  openApprovals,
  rememberedDays,
  rememberedRule,
  toApprovalView,
} from '../../activities/store/approval-lists.ts';
import { type ApprovalAnswer, type ApprovalRow, answerApproval } from '../../activities/store/approvals.ts';
import { findCall } from '../../activities/store/calls.ts';
import type { Write } from '../../activities/store/events.ts';
import { rememberAnswer } from '../../activities/store/policy-scopes.ts';
import { lockRun, type RunRow } from '../../activities/store/runs.ts';
import {
  ApprovalListQuery,
  ApprovalListView,
  ApprovalView,
  ApproveBody,
  DenyBody,
  ResultsBody,
} from '../../workflows/contracts/approval.ts';
import { Failure } from '../../workflows/contracts/failures.ts';
import { id, text } from '../../workflows/contracts/fields.ts';
import { ReceiptListView } from '../../workflows/contracts/run.ts';
import type { Parts, Routes } from '../parts.ts';
import type { Outcome } from '../plugins/idempotency.ts';
import { allowMore } from './limit-answers.ts';
import { idCursor, toPage, usualLimit } from './paging.ts';
import { problems } from './problems.ts';
import { runParams } from './runs.ts';

const params = z.object({ id });
const QuestionInput = z.strictObject({ answer: text });

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
    (request, reply) =>
      parts.mutate(request, reply, (write) =>
        decide(parts, write, request, async (run, approval) => {
          const answer = await approved(parts, write, run, approval, request);
          const { remember } = request.body ?? {};
          if (remember) await rememberIt(write, request, run, approval, remember, answer.edited?.subject);
          return answer;
        }),
      ),
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
    (request, reply) =>
      parts.mutate(request, reply, (write) =>
        decide(parts, write, request, async () => ({ status: 'denied', ...noteOf(parts, request.body) })),
      ),
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
        const run = await locked(write, request, request.params.id);
        const open = (await openApprovals(write.tx, run.id)).filter(({ kind }) => kind === 'result');
        for (const { callId, output, failed = false } of request.body.results) {
          const approval = open.find(({ call_id }) => call_id === callId);
          if (!approval) {
            const waiting = open.map(({ call_id }) => call_id).join(', ') || 'none';
            throw new Failure(
              'NotRunnable',
              `Call ${callId} does not wait for a result of yours; these do: ${waiting}.`,
            );
          }
          const status = failed ? 'failed' : 'succeeded';
          const answered = await answerApproval(write, run, approval.id, {
            status: 'approved',
            by: request.caller.by,
            result: { status, output: parts.redact(output), failed },
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

async function locked(write: Write, request: FastifyRequest, runId: string): Promise<RunRow> {
  const run = await lockRun(write, request.caller.tenantId, runId);
  if (!run) throw new Failure('NotFound', `There is no run ${runId}.`);
  return run;
}

type Answer = Omit<ApprovalAnswer, 'by'>;

async function decide(
  parts: Parts,
  write: Write,
  request: FastifyRequest,
  answerOf: (run: RunRow, approval: ApprovalRow) => Promise<Answer>,
): Promise<Outcome> {
  const { tenantId, by } = request.caller;
  const { id: approvalId } = request.params as { id: string };
  const known = await findApproval(write.tx, tenantId, approvalId);
  if (!known) throw new Failure('NotFound', `There is no approval ${approvalId}.`);
  const run = await locked(write, request, known.run_id);
  // Asked again under the run's lock: somebody may have answered while we waited for it.
  const approval = (await findApproval(write.tx, tenantId, approvalId)) ?? known;
  if (approval.status !== 'open') throw alreadyDecided(approval);
  if (approval.deadline_at <= new Date()) {
    throw new Failure('ApprovalDecided', `Nobody answered until ${approval.deadline_at.toISOString()}.`, {
      outcome: 'expired',
      decidedBy: 'the deadline',
    });
  }
  if (approval.kind === 'result') {
    throw new Failure(
      'NotRunnable',
      `Call ${approval.call_id} waits for the result of your own tool: POST /runs/${run.id}/results.`,
    );
  }
  await answerApproval(write, run, approvalId, { ...(await answerOf(run, approval)), by });
  const [row] = await listApprovals(write.tx, { tenantId, limit: 1, id: approvalId });
  return {
    status: 200,
    body: row && toApprovalView(row),
    after: () => parts.runs.wake(run.id),
  };
}

function alreadyDecided(approval: ApprovalRow): Failure {
  const { decided_by: decidedBy, decided_at: at, status } = approval;
  return new Failure('ApprovalDecided', `It was ${status} by ${decidedBy} at ${at?.toISOString()}.`, {
    outcome: status,
    decidedBy,
  });
}

function noteOf(parts: Parts, body: { note?: string | undefined } | null | undefined): { note?: string } {
  return body?.note === undefined ? {} : { note: parts.redact(body.note) };
}

async function rememberIt(
  write: Write,
  request: FastifyRequest,
  run: RunRow,
  approval: ApprovalRow,
  { scope, days = rememberedDays }: NonNullable<NonNullable<ApproveBody>['remember']>,
  // Of other arguments that were given: those are what is allowed.
  edited: string | undefined,
): Promise<void> {
  const { tenantId, by } = request.caller;
  const [listed] = await listApprovals(write.tx, { tenantId, limit: 1, id: approval.id });
  const asked = listed && { ...listed, subject: edited ?? listed.subject };
  const rule = asked && approval.kind === 'call' ? rememberedRule(asked, days) : null;
  if (!rule) throw new Failure('NotRunnable', 'This cannot be remembered as a rule; approve it without.');
  const key = { run: run.id, project: run.project_path, global: '' }[scope];
  if (key === null)
    throw new Failure('NotRunnable', 'The run has no project; remember it for the run or everywhere.');
  const expiresAt = new Date(rule.expiresAt ?? 0);
  await rememberAnswer(write, { scope, key, rule, expiresAt }, { tenantId, by });
}

async function approved(
  parts: Parts,
  write: Write,
  run: RunRow,
  approval: ApprovalRow,
  { body, caller }: { body: ApproveBody; caller: FastifyRequest['caller'] },
): Promise<Answer> {
  const answer = { status: 'approved' as const, ...noteOf(parts, body) };
  const input = body?.input;
  if (approval.kind === 'question') {
    const said = QuestionInput.safeParse(input);
    if (!said.success) {
      throw new Failure('InvalidInput', 'A question is answered with {"input": {"answer": "…"}}.');
    }
    const output = parts.redact(said.data.answer);
    return { ...answer, result: { status: 'succeeded', output, failed: false } };
  }
  if (approval.kind === 'limit') {
    await allowMore(write, run, approval, { input, by: caller.by, note: answer.note });
    return answer;
  }
  if (input === undefined) return answer;
  const call = await findCall(write.tx, run.tenant_id, run.id, approval.call_id);
  if (!call) throw new Failure('InvalidInput', 'This approval is about no call: it takes no input.');
  return { ...answer, edited: await parts.reviewEdit(run, call, input) };
}
