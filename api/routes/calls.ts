// Tool calls of a run, and settling by hand those whose outcome is unknown.
import { z } from 'zod';
import { type CallList, listCalls, toCallView } from '../../activities/store/calls/calls.ts';
import { findRun } from '../../activities/store/runs/runs.ts';
import { CallListView, CallView, callIdField, SettleBody } from '../../workflows/contracts/call.ts';
import { id, page } from '../../workflows/contracts/fields.ts';
import { found } from '../../workflows/contracts/failures.ts';
import type { Routes } from '../parts.ts';
import { settleCall } from '../verbs/settle-call.ts';
import { at, pageExample, runId as exampleRunId } from './examples.ts';
import { byStepAndIndex, pageOf } from './paging.ts';
import { problems, refusals } from './problems.ts';
import { runParams } from './runs.ts';

const call = {
  runId: exampleRunId,
  callId: '3.0',
  step: 3,
  tool: 'shell',
  input: { command: 'npm publish' },
  repairs: [],
  effect: 'execute',
  subject: 'npm publish',
  runs: null,
  repeat: 'once',
  decision: 'allow',
  rule: 'trusted-mount-autonomous: allow anything',
  reason: 'trusted-mount-autonomous allows execute',
  status: 'unknown',
  output: 'The worker died while this ran: nobody can tell whether it took effect.',
  outputBytes: 73,
  content: null,
  network: [],
  attempts: 1,
  settled: 'done',
  settledBy: 'first (api)',
  startedAt: at,
  endedAt: at,
};

export const callRoutes: Routes = (api, parts) => {
  const { db } = parts;

  api.get(
    '/runs/:id/calls',
    {
      config: { example: { answer: pageExample(call) } },
      schema: {
        tags: ['calls'],
        operationId: 'listCalls',
        summary: 'Tool calls of a run, in order',
        description:
          'Each with the arguments as they ran, the decision about it and its result; long output is cut, `content` has the whole.',
        params: runParams,
        querystring: page,
        response: { 200: CallListView, ...problems },
      },
    },
    async ({ query, params: { id: runId }, caller: { tenantId } }) => {
      const read = async (page: Omit<CallList, 'tenantId' | 'runId'>) => {
        found(await findRun(db, tenantId, runId), `run ${runId}`);
        return listCalls(db, { tenantId, runId, ...page });
      };
      return pageOf(query, byStepAndIndex, read, toCallView);
    },
  );

  api.post(
    '/runs/:id/calls/:callId/settle',
    {
      config: { example: { body: { outcome: 'done', output: '+ shop@1.2.0' }, answer: call } },
      schema: {
        tags: ['calls'],
        operationId: 'settleCall',
        summary: 'Say what became of a call whose outcome is unknown',
        description:
          'A person has looked and says whether it took effect. The record is corrected, and a run that is still active is told.',
        params: z.object({ id, callId: callIdField }),
        body: SettleBody,
        response: { 200: CallView, ...problems, ...refusals('CallNotUnknown', 'AlreadyResolved') },
      },
    },
    (request, reply) =>
      parts.mutate(request, reply, settleCall, {
        ...request.body,
        runId: request.params.id,
        callId: request.params.callId,
      }),
  );
};
