// What is kept how long: the table with what would go, pruning, and deleting finished runs and conversations.
import { z } from 'zod';
import { planOf } from '../../activities/store/retention/plan.ts';
import { cutoffsOf, findPruning, toPruningView } from '../../activities/store/retention/prunings.ts';
import { found } from '../../workflows/contracts/failures.ts';
import { id } from '../../workflows/contracts/fields.ts';
import {
  DeletedView,
  PruneBody,
  PrunePlanQuery,
  PrunePlanView,
  PruningView,
} from '../../workflows/contracts/retention.ts';
import type { Routes } from '../parts.ts';
import { deleteConversation, deleteRun } from '../verbs/delete-run.ts';
import { prune } from '../verbs/prune.ts';
import { at, conversationId } from './examples.ts';
import { problems, refusals } from './problems.ts';

const params = z.object({ id });

const before = '2025-12-06T09:30:00.000Z';
const row = {
  name: 'events',
  what: 'pieces of text, thinking and live output of finished runs',
  kept: '30 days',
  setting: 'PERDURE_RETENTION_EVENTS_DAYS',
  why: 'nobody reads them again once the whole is there',
  goes: { rows: 41_200, bytes: 9_100_000, more: false, before },
};
const pruning = {
  id: '0193d5a4-11aa-7c0e-8d1f-5b6a7c8d9e01',
  by: 'first (cli)',
  createdAt: at,
  finishedAt: null,
  items: [{ name: 'events', before, rows: 2000, bytes: 441_000 }],
};
const deleted = {
  runs: 1,
  conversationId,
  ...{ events: 120, messages: 8, calls: 4, approvals: 1 },
  remains: ['audit: who decided what, for ever'],
};
const warning =
  'For good. 409 while it is active, or while other runs go on from it; audit and ledger stay. A message sent again later starts a new run: its id is gone too.';

export const retentionRoutes: Routes = (api, parts) => {
  pruneRoutes(api, parts);
  deleteRoutes(api, parts);
};

const pruneRoutes: Routes = (api, parts) => {
  const { db, retention, sweeps } = parts;

  api.get(
    '/prune',
    {
      config: { example: { answer: { items: [row] } } },
      schema: {
        tags: ['retention'],
        operationId: 'getPrunePlan',
        summary: 'What is kept how long and why, and what a pruning would remove now',
        description: 'With what each setting is called and how much there is of it now. Changes nothing.',
        querystring: PrunePlanQuery,
        response: { 200: PrunePlanView, ...problems },
      },
    },
    async ({ query, caller: { tenantId } }) => {
      const cutoffs = cutoffsOf(retention, new Date(), query);
      return { items: await planOf(db, { tenantId, sweeps, settings: retention, cutoffs }) };
    },
  );

  api.post(
    '/prune',
    {
      config: { example: { body: { olderThanSeconds: 2_592_000 }, answer: pruning } },
      schema: {
        tags: ['retention'],
        operationId: 'prune',
        summary: 'Remove what is past its time, as every night does',
        description: 'Accepted means that it is carried out, in small steps, whatever is killed meanwhile.',
        body: PruneBody,
        response: { 202: PruningView, ...problems },
      },
    },
    (request, reply) => parts.mutate(request, reply, prune, request.body ?? {}),
  );

  api.get(
    '/prune/:id',
    {
      config: { example: { answer: { ...pruning, finishedAt: at } } },
      schema: {
        tags: ['retention'],
        operationId: 'getPruning',
        summary: 'One pruning: how far it has come, and what it removed',
        description: 'It goes on from where it was after a restart.',
        params,
        response: { 200: PruningView, ...problems },
      },
    },
    async ({ params: { id: pruningId }, caller: { tenantId } }) =>
      toPruningView(found(await findPruning(db, tenantId, pruningId), `pruning ${pruningId}`)),
  );
};

const deleteRoutes: Routes = (api, parts) => {
  api.delete(
    '/runs/:id',
    {
      config: { example: { answer: deleted } },
      schema: {
        tags: ['retention'],
        operationId: 'deleteRun',
        summary: 'Delete a finished run with all that is its own; its conversation goes with its last run',
        description: warning,
        params,
        response: { 200: DeletedView, ...problems, ...refusals('RunActive', 'RewindOpen', 'HasDescendants') },
      },
    },
    (request, reply) => parts.mutate(request, reply, deleteRun, { runId: request.params.id }),
  );

  api.delete(
    '/conversations/:id',
    {
      config: { example: { answer: deleted } },
      schema: {
        tags: ['retention'],
        operationId: 'deleteConversation',
        summary: 'Delete a conversation with all its runs',
        description: warning,
        params,
        response: { 200: DeletedView, ...problems, ...refusals('RunActive', 'RewindOpen', 'HasDescendants') },
      },
    },
    (request, reply) =>
      parts.mutate(request, reply, deleteConversation, { conversationId: request.params.id }),
  );
};
