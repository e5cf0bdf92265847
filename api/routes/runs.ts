// Runs: start, list, look at one, what it changed.
import { DiffView } from '../../workflows/contracts/checkpoint.ts';
import { z } from 'zod';
import { listTree } from '../../activities/store/delegation/delegations.ts';
import { toRunViews } from '../../activities/store/allowances/run-money.ts';
import { recordedSpans } from '../../activities/store/runs/checkpoints.ts';
import { keptState } from '../../activities/store/runs/kept-state.ts';
import { findRun, listRuns, type RunRow } from '../../activities/store/runs/runs.ts';
import { ChildListView } from '../../workflows/contracts/children.ts';
import { found } from '../../workflows/contracts/failures.ts';
import { id } from '../../workflows/contracts/fields.ts';
import {
  RunListQuery,
  RunListView,
  StartRunBody,
  StartRunQuery,
  type StartRunView,
} from '../../workflows/contracts/run.ts';
import { RunQuery, RunWithState } from '../../workflows/contracts/run-state.ts';
import type { Parts, Routes } from '../parts.ts';
import { type SentMessage, sendMessage } from '../verbs/send-message.ts';
import { childExample, pageExample, runExample, runId, startedExample } from './examples.ts';
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
  others: [{ path: 'README.md', status: 'modified' }],
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

/** Finds the run of a path. */
function runsIn(db: Parts['db']): (caller: { tenantId: string }, runId: string) => Promise<RunRow> {
  return async ({ tenantId }, runId) => found(await findRun(db, tenantId, runId), `run ${runId}`);
}

const readRoutes: Routes = (api, parts) => {
  const { db } = parts;
  const runOf = runsIn(db);

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
        querystring: RunQuery,
        response: { 200: RunWithState, ...problems },
      },
    },
    async ({ caller, params, query }) => {
      const run = await runOf(caller, params.id);
      const [view] = await toRunViews(db, [run]);
      const known = found(view, `run ${params.id}`);
      return query.include === 'state' ? { ...known, state: await keptState(db, run) } : known;
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
        description:
          'By what was recorded before and after each of its calls: what others changed meanwhile is named in `others`, and ' +
          'is no part of the diff.',
        params: runParams,
        response: { 200: DiffView, ...problems },
      },
    },
    async ({ caller, params }) => {
      const run = await runOf(caller, params.id);
      return parts.diff(run, await recordedSpans(db, run));
    },
  );
};

const treeRoutes: Routes = (api, parts) => {
  const { db } = parts;
  const runOf = runsIn(db);

  api.get(
    '/runs/:id/children',
    {
      config: { example: { answer: { items: [childExample] } } },
      schema: {
        tags: ['runs'],
        operationId: 'listChildren',
        summary: 'The subagents of a run',
        description:
          'At all depths below it, at most 64 under one main run; `delegation` of each says who asked for it. Each is a run ' +
          'with a stream, events, calls and messages of its own.',
        params: runParams,
        response: { 200: ChildListView, ...problems },
      },
    },
    async ({ caller, params }) => {
      const { id: runId } = await runOf(caller, params.id);
      return { items: await toRunViews(db, await listTree(db, caller.tenantId, runId)) };
    },
  );
};

export const runRoutes: Routes = (api, parts) => {
  startRoute(api, parts);
  readRoutes(api, parts);
  treeRoutes(api, parts);
};
