// Runs: start, list, look at one, what it changed.
import { z } from 'zod';
import { toRunViews } from '../../activities/store/allowances/run-money.ts';
import { findRun, listRuns, type RunRow } from '../../activities/store/runs/runs.ts';
import { found } from '../../workflows/contracts/failures.ts';
import { id } from '../../workflows/contracts/fields.ts';
import {
  DiffView,
  RunListQuery,
  RunListView,
  RunView,
  StartRunBody,
  StartRunQuery,
  type StartRunView,
} from '../../workflows/contracts/run.ts';
import type { Routes } from '../parts.ts';
import { type SentMessage, sendMessage } from '../verbs/send-message.ts';
import { pageExample, runExample, runId, startedExample } from './examples.ts';
import { newestFirst, pageOf } from './paging.ts';
import { problems } from './problems.ts';
import { startAnswers, waitForStarted } from './waiting.ts';

export const runParams = z.object({ id });

const { prompt, project, model, limits, metadata } = runExample;
const wanted = { prompt, project, model, limits, metadata };
const changed = {
  runId,
  diff: 'diff --git a/cart.ts b/cart.ts\n…',
  files: [{ path: 'cart.ts', status: 'modified' }],
  truncated: false,
};

export function toStartRunView(run: SentMessage): StartRunView {
  const url = `/api/v1/runs/${run.id}`;
  return { ...run, streamUrl: `${url}/stream`, eventsUrl: `${url}/events` };
}

const startRoute: Routes = (api, parts) => {
  api.post(
    '/runs',
    {
      config: { example: { body: wanted, answer: startedExample, ended: runExample } },
      schema: {
        tags: ['runs'],
        operationId: 'startRun',
        summary: 'Start a run',
        description:
          'Accepted means durable: the run starts even if everything is killed right after the answer. With ' +
          '`conversationId`, what the body leaves out is as in the run before it; `sources` of the run says what came ' +
          'from where.',
        querystring: StartRunQuery,
        body: StartRunBody,
        response: startAnswers,
      },
    },
    (request, reply) =>
      parts.mutate(
        request,
        reply,
        sendMessage,
        request.body,
        toStartRunView,
        waitForStarted(parts, request, reply, request.query.wait),
      ),
  );
};

const readRoutes: Routes = (api, parts) => {
  const { db } = parts;
  const runOf = async ({ tenantId }: { tenantId: string }, of: string): Promise<RunRow> =>
    found(await findRun(db, tenantId, of), `run ${of}`);

  api.get(
    '/runs',
    {
      config: { example: { answer: pageExample(runExample) } },
      schema: {
        tags: ['runs'],
        operationId: 'listRuns',
        summary: 'Runs, newest first',
        description: 'Filters can be combined.',
        querystring: RunListQuery,
        response: { 200: RunListView, ...problems },
      },
    },
    async ({ query, caller: { tenantId } }) =>
      pageOf(
        query,
        newestFirst,
        async (page) => toRunViews(db, await listRuns(db, { tenantId, ...page })),
        (view) => view,
      ),
  );

  api.get(
    '/runs/:id',
    {
      config: { example: { answer: runExample } },
      schema: {
        tags: ['runs'],
        operationId: 'getRun',
        summary: 'One run',
        description: 'With what it has used so far; its end is in `reason` and `reasonText`.',
        params: runParams,
        response: { 200: RunView, ...problems },
      },
    },
    async ({ caller, params }) => {
      const [view] = await toRunViews(db, [await runOf(caller, params.id)]);
      return found(view, `run ${params.id}`);
    },
  );

  api.get(
    '/runs/:id/diff',
    {
      config: { example: { answer: changed } },
      schema: {
        tags: ['runs'],
        operationId: 'getRunDiff',
        summary: 'What the run changed in its project, untracked and deleted files included',
        description: 'Against the tree that was recorded at its start.',
        params: runParams,
        response: { 200: DiffView, ...problems },
      },
    },
    async ({ caller, params }) => parts.diff(await runOf(caller, params.id)),
  );
};

export const runRoutes: Routes = (api, parts) => {
  startRoute(api, parts);
  readRoutes(api, parts);
};
