// What a run did to its project call by call, and bringing the project back.
import { z } from 'zod';
import { findRewind, toRewindView } from '../../activities/store/runs/rewinds.ts';
import {
  type CheckpointList,
  checkpointsOf,
  listCheckpoints,
  toCheckpointView,
} from '../../activities/store/runs/checkpoints.ts';
import { findRun, type RunRow } from '../../activities/store/runs/runs.ts';
import {
  ApplyBody,
  CheckpointListView,
  RewindBody,
  RewindView,
} from '../../workflows/contracts/checkpoint.ts';
import { Failure, found } from '../../workflows/contracts/failures.ts';
import { id, page } from '../../workflows/contracts/fields.ts';
import { DiffView } from '../../workflows/contracts/checkpoint.ts';
import type { Routes } from '../parts.ts';
import { applyRun } from '../verbs/apply-run.ts';
import { rewindRun } from '../verbs/rewind-run.ts';
import { at, pageExample, runId as exampleRunId } from './examples.ts';
import { byNumber, pageOf } from './paging.ts';
import { problems, refusals } from './problems.ts';
import { runParams } from './runs.ts';

const checkpoint = {
  runId: exampleRunId,
  number: 3,
  callId: '3.0',
  rewindId: null,
  tool: 'write',
  subject: 'cart.ts',
  tree: '9bb8a4f2c1d3e5f60718293a4b5c6d7e8f901234',
  treeAfter: '0b5c6d7e8f9012349bb8a4f2c1d3e5f60718293a',
  changed: true,
  at,
};

const rewind = {
  id: '0193d5a1-3a10-7c44-9d21-7f00aa12b3c4',
  runId: exampleRunId,
  kind: 'rewind',
  to: 3,
  status: 'done',
  restored: 2,
  kept: [{ path: 'README.md', why: 'changed' }],
  keptCount: 1,
  tree: checkpoint.tree,
  problem: null,
  by: 'first (cli)',
  createdAt: at,
  endedAt: at,
};

const changed = {
  runId: exampleRunId,
  diff: 'diff --git a/cart.ts b/cart.ts\n…',
  files: [{ path: 'cart.ts', status: 'modified' }],
  truncated: false,
  others: [],
};

const numbered = z.object({ id, number: z.coerce.number().int().min(1).max(1_000_000) });

const readRoutes: Routes = (api, parts) => {
  const { db } = parts;
  const runOf = async ({ tenantId }: { tenantId: string }, runId: string): Promise<RunRow> =>
    found(await findRun(db, tenantId, runId), `run ${runId}`);

  api.get(
    '/runs/:id/checkpoints',
    {
      config: { example: { answer: pageExample(checkpoint) } },
      schema: {
        tags: ['checkpoints'],
        operationId: 'listCheckpoints',
        summary: 'What the project held before and after each call of a run that may write, in order',
        description:
          'Where a tree differs from the one before it behind the call before, another than the run has changed something. ' +
          'What commands do to ignored files is not recorded, and of files above 50 MB only that they changed.',
        params: runParams,
        querystring: page,
        response: { 200: CheckpointListView, ...problems },
      },
    },
    async ({ query, params: { id: runId }, caller }) => {
      const { tenantId } = caller;
      const read = async (of: Omit<CheckpointList, 'tenantId' | 'runId'>) => {
        await runOf(caller, runId);
        return listCheckpoints(db, { tenantId, runId, ...of });
      };
      return pageOf(query, byNumber, read, toCheckpointView);
    },
  );

  api.get(
    '/runs/:id/checkpoints/:number/diff',
    {
      config: { example: { answer: changed } },
      schema: {
        tags: ['checkpoints'],
        operationId: 'getCheckpointDiff',
        summary: 'What changed in the project while the call of a checkpoint was made',
        description: 'What others changed in the same moments is in it too.',
        params: numbered,
        response: { 200: DiffView, ...problems },
      },
    },
    async ({ caller, params: { id: runId, number } }) => {
      const run = await runOf(caller, runId);
      const [row] = await checkpointsOf(db, run, number);
      const { tree_before: from, tree_after: to } = found(
        row?.number === number ? row : undefined,
        `checkpoint ${number} of run ${runId}`,
      );
      if (from !== null && to !== null) return parts.diffOf(run, from, to);
      throw new Failure(
        'NotRunnable',
        `What checkpoint ${number} of run ${runId} changed was not recorded, or not yet.`,
      );
    },
  );

  api.get(
    '/runs/:id/rewinds/:rewindId',
    {
      config: { example: { answer: rewind } },
      schema: {
        tags: ['checkpoints'],
        operationId: 'getRewind',
        summary: 'What has become of a rewind',
        description: '`open` until a worker has ended it.',
        params: z.object({ id, rewindId: id }),
        response: { 200: RewindView, ...problems },
      },
    },
    async ({ caller: { tenantId }, params: { id: runId, rewindId } }) =>
      toRewindView(found(await findRewind(db, { tenantId, runId, rewindId }), `rewind ${rewindId}`)),
  );
};

const applyRoute: Routes = (api, parts) => {
  const begun = { ...rewind, kind: 'apply', to: 'home', status: 'open', restored: 0, kept: [], keptCount: 0 };
  api.post(
    '/runs/:id/apply',
    {
      config: {
        example: { body: { exceptConflicts: true }, answer: { ...begun, tree: null, endedAt: null } },
      },
      schema: {
        tags: ['checkpoints'],
        operationId: 'applyRun',
        summary: 'Bring what a run changed in a tree of its own to its project',
        description:
          'A file that was changed in the project meanwhile is a conflict: it is named and never overwritten, and nothing ' +
          'is brought home unless `exceptConflicts` leaves such files out. `GET /runs/{id}/rewinds/{rewindId}` says what has ' +
          'become of it.',
        params: runParams,
        body: ApplyBody,
        response: {
          202: RewindView,
          ...problems,
          ...refusals('RunActive', 'RewindOpen', 'ProjectBusy', 'NotRunnable'),
        },
      },
    },
    (request, reply) => parts.mutate(request, reply, applyRun, { ...request.body, runId: request.params.id }),
  );
};

export const checkpointRoutes: Routes = (api, parts) => {
  readRoutes(api, parts);
  applyRoute(api, parts);
  api.post(
    '/runs/:id/rewind',
    {
      config: {
        example: {
          body: { to: 3 },
          answer: {
            ...rewind,
            status: 'open',
            restored: 0,
            kept: [],
            keptCount: 0,
            tree: null,
            endedAt: null,
          },
        },
      },
      schema: {
        tags: ['checkpoints'],
        operationId: 'rewindRun',
        summary: 'Bring the project of a run back, as far as the run changed it',
        description:
          'For a run that has ended or waits for people. A worker does it: `GET /runs/{id}/rewinds/{rewindId}` says what ' +
          'has become of it. Files that another than the run has changed since stay as they are and are named.',
        params: runParams,
        body: RewindBody,
        response: {
          202: RewindView,
          ...problems,
          ...refusals('RunActive', 'RewindOpen', 'ProjectBusy', 'NotRunnable'),
        },
      },
    },
    (request, reply) =>
      parts.mutate(request, reply, rewindRun, { ...request.body, runId: request.params.id }),
  );
};
