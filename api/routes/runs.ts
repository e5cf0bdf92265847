// Runs: start, list, look at one, what it changed.
import { z } from 'zod';
import { findRun, listRuns, type RunRow, toRunView } from '../../activities/store/runs/runs.ts';
import { Failure } from '../../workflows/contracts/failures.ts';
import { id } from '../../workflows/contracts/fields.ts';
import {
  DiffView,
  RunListQuery,
  RunListView,
  RunView,
  StartRunBody,
  StartRunView,
} from '../../workflows/contracts/run.ts';
import type { Parts, Routes } from '../parts.ts';
import { accept, toNewRun } from './accepting.ts';
import { idCursor, toPage, usualLimit } from './paging.ts';
import { problems } from './problems.ts';

export const runParams = z.object({ id });

export async function runOf(parts: Parts, tenantId: string, runId: string): Promise<RunRow> {
  const run = await findRun(parts.log.db, tenantId, runId);
  if (!run) throw new Failure('NotFound', `There is no run ${runId}.`);
  return run;
}

export const runRoutes: Routes = (api, parts) => {
  api.post(
    '/runs',
    {
      schema: {
        tags: ['runs'],
        operationId: 'startRun',
        summary: 'Start a run',
        description:
          'Accepted means durable: the run starts even if everything is killed right after the answer.',
        body: StartRunBody,
        response: { 202: StartRunView, ...problems },
      },
    },
    (request, reply) =>
      parts.mutate(request, reply, async (write) => {
        const { body } = request;
        return accept(parts, write, await toNewRun(parts, write.tx, request, body, body.conversationId));
      }),
  );

  api.get(
    '/runs',
    {
      schema: {
        tags: ['runs'],
        operationId: 'listRuns',
        summary: 'Runs, newest first',
        querystring: RunListQuery,
        response: { 200: RunListView, ...problems },
      },
    },
    async (request) => {
      const { limit = usualLimit, cursor, status, conversationId, active } = request.query;
      const before = idCursor(cursor);
      const rows = await listRuns(parts.log.db, {
        tenantId: request.caller.tenantId,
        limit,
        ...(before !== undefined && { before }),
        ...(status !== undefined && { status }),
        ...(conversationId !== undefined && { conversationId }),
        ...(active !== undefined && { active }),
      });
      return toPage(rows, limit, { toView: toRunView, toCursor: (row) => row.id });
    },
  );

  api.get(
    '/runs/:id',
    {
      schema: {
        tags: ['runs'],
        operationId: 'getRun',
        summary: 'One run',
        params: runParams,
        response: { 200: RunView, ...problems },
      },
    },
    async (request) => toRunView(await runOf(parts, request.caller.tenantId, request.params.id)),
  );

  api.get(
    '/runs/:id/diff',
    {
      schema: {
        tags: ['runs'],
        operationId: 'getRunDiff',
        summary: 'What the run changed in its project, untracked and deleted files included',
        params: runParams,
        response: { 200: DiffView, ...problems },
      },
    },
    async (request) => parts.diff(await runOf(parts, request.caller.tenantId, request.params.id)),
  );
};
