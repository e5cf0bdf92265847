// Tool calls of a run, and settling by hand the ones nobody can tell the outcome of.
import { z } from 'zod';
import { listCalls, toCallView } from '../../activities/store/calls/calls.ts';
import { settleCall } from '../../activities/store/calls/settle-call.ts';
import { CallListView, CallView, callIdField, SettleBody } from '../../workflows/contracts/call.ts';
import { id, page } from '../../workflows/contracts/fields.ts';
import type { Routes } from '../parts.ts';
import { invalidCursor, toPage, usualLimit } from './paging.ts';
import { problems } from './problems.ts';
import { runOf, runParams } from './runs.ts';

export const callRoutes: Routes = (api, parts) => {
  api.get(
    '/runs/:id/calls',
    {
      schema: {
        tags: ['calls'],
        operationId: 'listCalls',
        summary: 'Tool calls of a run, in order',
        params: runParams,
        querystring: page,
        response: { 200: CallListView, ...problems },
      },
    },
    async (request) => {
      const { limit = usualLimit, cursor } = request.query;
      const after = callCursor(cursor);
      const { tenantId } = request.caller;
      await runOf(parts, tenantId, request.params.id);
      const rows = await listCalls(parts.log.db, {
        tenantId,
        runId: request.params.id,
        limit,
        ...(after && { after }),
      });
      return toPage(rows, limit, { toView: toCallView, toCursor: (row) => row.call_id });
    },
  );

  api.post(
    '/runs/:id/calls/:callId/settle',
    {
      schema: {
        tags: ['calls'],
        operationId: 'settleCall',
        summary: 'Say what became of a call whose outcome is unknown',
        params: z.object({ id, callId: callIdField }),
        body: SettleBody,
        response: { 200: CallView, ...problems },
      },
    },
    (request, reply) =>
      parts.mutate(request, reply, async (write) => {
        const { outcome, output } = request.body;
        const call = await settleCall(write, {
          tenantId: request.caller.tenantId,
          runId: request.params.id,
          callId: request.params.callId,
          outcome,
          ...(output !== undefined && { output }),
          by: request.caller.by,
        });
        return { status: 200, body: toCallView(call), after: () => parts.runs.wake(call.run_id) };
      }),
  );
};

function callCursor(cursor: string | undefined): { step: number; index: number } | undefined {
  if (cursor === undefined) return undefined;
  if (!callIdField.safeParse(cursor).success) throw invalidCursor();
  const [step = 0, index = 0] = cursor.split('.').map(Number);
  return { step, index };
}
