// Approvals: what runs wait for people to answer, and answering.
import { z } from 'zod';
import { listApprovals, toApprovalView } from '../../activities/store/approvals/approval-lists.ts';
import {
  ApprovalListQuery,
  ApprovalListView,
  ApprovalView,
  ApproveBody,
  DenyBody,
  ResultsBody,
} from '../../workflows/contracts/approval.ts';
import { findCall } from '../../activities/store/calls/calls.ts';
import { findRun } from '../../activities/store/runs/runs.ts';
import { found } from '../../workflows/contracts/failures.ts';
import { id } from '../../workflows/contracts/fields.ts';
import { writtenOut } from '../../workflows/contracts/hidden-characters.ts';
import { ReceiptListView } from '../../workflows/contracts/receipt.ts';
import type { Routes } from '../parts.ts';
import { approve, deny } from '../verbs/answer-approval.ts';
import { bringResults } from '../verbs/bring-results.ts';
import { pageExample, runId } from './examples.ts';
import { newestFirst, pageOf } from './paging.ts';
import { problems, refusals } from './problems.ts';
import { runParams } from './runs.ts';

const params = z.object({ id });

const at = '2026-02-03T10:15:00.000Z';
const openExample = {
  id: '0193d5a2-40be-7d55-9c2f-33a1c0ffee01',
  runId,
  kind: 'call',
  callId: '3.0',
  ...{ tool: 'shell', effect: 'execute', subject: 'npm publish', input: { command: 'npm publish' } },
  runs: null,
  repairs: [],
  inputHash: '0d5e3cf1d2b7ab8a8fd8c7c1b9d0a3c4e5f60718293a4b5c6d7e8f9001122334',
  text: 'shell npm publish',
  choices: [],
  limit: null,
  rule: 'ask-everything: ask anything',
  reason: 'this profile asks about everything',
  status: 'open',
  ...{ createdAt: at, escalateAt: '2026-02-03T22:15:00.000Z', deadlineAt: '2026-02-04T10:15:00.000Z' },
  ...{ decidedBy: null, decidedAt: null, note: null, edited: false },
  remembers: 'the tool shell with exactly these arguments and no others: {"command":"npm publish"}',
};
const decidedExample = { ...openExample, decidedBy: 'first (cli)', decidedAt: '2026-02-03T10:16:00.000Z' };

export const approvalRoutes: Routes = (api, parts) => {
  lookRoutes(api, parts);
  answerRoutes(api, parts);
  resultRoutes(api, parts);
};

const lookRoutes: Routes = (api, parts) => {
  const { db } = parts;
  api.get(
    '/approvals',
    {
      config: { example: { answer: pageExample(openExample) } },
      schema: {
        tags: ['approvals'],
        operationId: 'listApprovals',
        summary: 'What runs wait for people to answer, newest first',
        description: 'All of them unless `status` says which.',
        querystring: ApprovalListQuery,
        response: { 200: ApprovalListView, ...problems },
      },
    },
    async ({ query, caller: { tenantId } }) =>
      pageOf(query, newestFirst, (page) => listApprovals(db, { tenantId, ...page }), toApprovalView),
  );

  api.get(
    '/approvals/:id',
    {
      config: { example: { answer: openExample } },
      schema: {
        tags: ['approvals'],
        operationId: 'getApproval',
        summary: 'One approval, with the exact arguments it is about',
        description:
          'Decide on what this says: an event shows the same cut and cannot show hidden characters.',
        params,
        response: { 200: ApprovalView, ...problems },
      },
    },
    async (request) => {
      const { id: approvalId } = request.params;
      const list = { tenantId: request.caller.tenantId, limit: 1, id: approvalId };
      const [row] = await listApprovals(db, list);
      const view = toApprovalView(found(row, `approval ${approvalId}`));
      if (view.kind !== 'call' || view.status !== 'open' || view.callId === null) return view;
      const { tenantId } = request.caller;
      const run = await findRun(db, tenantId, view.runId);
      const call = await findCall(db, tenantId, view.runId, view.callId);
      const change = run && call ? await parts.plannedChange(db, run, call) : null;
      return { ...view, change: change === null ? null : writtenOut(parts.redact(change)) };
    },
  );
};

const answerRoutes: Routes = (api, parts) => {
  api.post(
    '/approvals/:id/approve',
    {
      config: {
        example: {
          body: { note: 'The version is right.', remember: { scope: 'run' } },
          answer: { ...decidedExample, status: 'approved', note: 'The version is right.' },
        },
      },
      schema: {
        tags: ['approvals'],
        operationId: 'approve',
        summary: 'Allow it, with other arguments if need be; answer a question',
        description: '200 to the one that decided, 409 naming who did to every other.',
        params,
        body: ApproveBody,
        response: { 200: ApprovalView, ...problems, ...refusals('ApprovalDecided', 'EditRefused') },
      },
    },
    (request, reply) =>
      parts.mutate(request, reply, approve, { ...request.body, approvalId: request.params.id }),
  );

  api.post(
    '/approvals/:id/deny',
    {
      config: {
        example: {
          body: { note: 'Not before Monday.' },
          answer: { ...decidedExample, status: 'denied', note: 'Not before Monday.' },
        },
      },
      schema: {
        tags: ['approvals'],
        operationId: 'deny',
        summary: 'Say no; the note is told to the agent',
        description: '200 to the one that decided, 409 naming who did to every other.',
        params,
        body: DenyBody,
        response: { 200: ApprovalView, ...problems, ...refusals('ApprovalDecided') },
      },
    },
    (request, reply) =>
      parts.mutate(request, reply, deny, { ...request.body, approvalId: request.params.id }),
  );
};

const resultRoutes: Routes = (api, parts) => {
  api.post(
    '/runs/:id/results',
    {
      config: {
        example: {
          body: { results: [{ callId: '3.0', output: 'The order is paid.' }] },
          answer: { items: [{ callId: '3.0' }] },
        },
      },
      schema: {
        tags: ['approvals'],
        operationId: 'bringResults',
        summary: 'What the tools you execute yourself answered; all of them or none is taken',
        description:
          'A run waits for the results of tools that its request brought along as `externalTools`.',
        params: runParams,
        body: ResultsBody,
        response: { 200: ReceiptListView, ...problems, ...refusals('ApprovalDecided') },
      },
    },
    (request, reply) =>
      parts.mutate(request, reply, bringResults, { ...request.body, runId: request.params.id }),
  );
};
