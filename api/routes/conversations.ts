// Conversations: lists, one with its runs, and changes of it. What is sent into one is in conversation-messages.ts.
import { z } from 'zod';
import {
  findConversation,
  findListed,
  findForkedFrom,
  listConversations,
  toConversationView,
} from '../../activities/store/runs/conversations.ts';
import { listTurns } from '../../activities/store/runs/turns.ts';
import { toRunViews } from '../../activities/store/allowances/run-money.ts';
import { findRun, latestRunOf, listRuns } from '../../activities/store/runs/runs.ts';
import {
  ChangeConversationBody,
  ConversationDetailView,
  ConversationListQuery,
  ConversationListView,
  ConversationView,
  TurnListView,
} from '../../workflows/contracts/conversation.ts';
import { found } from '../../workflows/contracts/failures.ts';
import { id, page } from '../../workflows/contracts/fields.ts';
import { RunListView, type RunView } from '../../workflows/contracts/run.ts';
import type { Routes } from '../parts.ts';
import { changeConversation } from '../verbs/change-conversation.ts';
import { at, conversationId as exampleId, pageExample, runExample } from './examples.ts';
import { labelsOf } from './labels.ts';
import { latestActivityFirst, newestFirst, pageOf, turnsNewestFirst } from './paging.ts';
import { problems, refusals } from './problems.ts';

const params = z.object({ id });

// The runs a person looks back over; GET /runs?conversationId= pages through all of them.
const latestRuns = 50;

const conversation = {
  id: exampleId,
  title: 'Make the failing test pass.',
  metadata: { ticket: 'SHOP-12' },
  settings: {},
  activeRunId: null,
  parkedRuns: 0,
  pendingMailbox: 0,
  wakeUp: null,
  wakeUpSeconds: null,
  wakeAt: null,
  archivedAt: null,
  createdAt: at,
  lastActivityAt: at,
};

const head = { headRunId: runExample.id, forkedFrom: null };
const detail = {
  ...conversation,
  ...head,
  latestRun: runExample,
  activeRun: null,
  runs: [runExample],
  lastEvent: 64,
};

const readRoutes: Routes = (api, parts) => {
  const { db } = parts;

  api.get(
    '/conversations',
    {
      config: { example: { answer: pageExample(conversation) } },
      schema: {
        tags: ['conversations'],
        operationId: 'listConversations',
        summary: 'Conversations, the latest activity first',
        description: 'A conversation is a chain of runs that share their context.',
        querystring: ConversationListQuery,
        response: { 200: ConversationListView, ...problems },
      },
    },
    async ({ query: { metadata: labels, ...query }, caller: { tenantId } }) => {
      const metadata = labelsOf(labels);
      return pageOf(
        query,
        latestActivityFirst,
        (page) => listConversations(db, { tenantId, ...page, ...(metadata && { metadata }) }),
        toConversationView,
      );
    },
  );

  api.get(
    '/conversations/:id',
    {
      config: {
        example: { answer: detail },
      },
      schema: {
        tags: ['conversations'],
        operationId: 'getConversation',
        summary: 'One conversation with its latest runs',
        description:
          'Its runs are the latest 50, newest first; GET /runs with `conversationId` pages through all of them.',
        params: params,
        response: { 200: ConversationDetailView, ...problems },
      },
    },
    async ({ params: { id: conversationId }, caller: { tenantId } }) => {
      // First: who reads its stream from there on misses nothing of what is said here.
      const head = await findConversation(db, tenantId, conversationId);
      const row = await findListed(db, tenantId, conversationId);
      const known = found(row, `conversation ${conversationId}`);
      const view = toConversationView(known);
      const [runs, latest, active, forkedFrom = null] = await Promise.all([
        listRuns(db, { tenantId, conversationId, limit: latestRuns }),
        latestRunOf(db, tenantId, conversationId),
        view.activeRunId === null ? undefined : findRun(db, tenantId, view.activeRunId),
        findForkedFrom(db, conversationId),
      ]);
      const shown = await toRunViews(db, [...runs, ...[latest, active].filter((run) => run !== undefined)]);
      const viewOf = (run: typeof latest): RunView | null =>
        shown.find(({ id: of }) => of === run?.id) ?? null;
      return {
        ...view,
        headRunId: known.head_run_id,
        forkedFrom,
        latestRun: viewOf(latest),
        activeRun: viewOf(active),
        runs: shown.slice(0, runs.length),
        lastEvent: head?.seq ?? 0,
      };
    },
  );
};

const turn = {
  runId: runExample.id,
  parentId: null,
  inContext: true,
  alternatives: [],
  forks: [
    { conversationId: '01980000-0000-7000-8000-000000000011', runId: '01980000-0000-7000-8000-000000000012' },
  ],
  messageId: runExample.id,
  status: 'succeeded',
  parked: false,
  prompt: runExample.prompt,
  answer: runExample.finalMessage,
  createdAt: at,
  endedAt: at,
};

const partRoutes: Routes = (api, { db }) => {
  const known = async ({ tenantId }: { tenantId: string }, conversationId: string) => {
    found(await findConversation(db, tenantId, conversationId), `conversation ${conversationId}`);
    return { tenantId, conversationId };
  };

  api.get(
    '/conversations/:id/turns',
    {
      config: { example: { answer: pageExample(turn) } },
      schema: {
        tags: ['conversations'],
        operationId: 'listTurns',
        summary: 'What people said and what was answered, newest first',
        description:
          'A turn is a main run: its message and its final message. `alternatives` answer the same message, `forks` are ' +
          'conversations that began from it, and `inContext` says whether the next message goes on from it.',
        params,
        querystring: page,
        response: { 200: TurnListView, ...problems },
      },
    },
    async ({ params: { id: of }, query, caller }) => {
      const place = await known(caller, of);
      return pageOf(
        query,
        turnsNewestFirst,
        (asked) => listTurns(db, { ...place, ...asked }),
        (view) => view,
      );
    },
  );

  api.get(
    '/conversations/:id/runs',
    {
      config: { example: { answer: pageExample(runExample) } },
      schema: {
        tags: ['conversations'],
        operationId: 'listRunsOfConversation',
        summary: 'Its runs, newest first',
        description: 'Its main runs; those of the subagents of each are at `GET /runs/{id}/children`.',
        params,
        querystring: page,
        response: { 200: RunListView, ...problems },
      },
    },
    async ({ params: { id: of }, query, caller }) => {
      const place = await known(caller, of);
      return pageOf(
        query,
        newestFirst,
        async (asked) => toRunViews(db, await listRuns(db, { ...place, ...asked })),
        (view) => view,
      );
    },
  );
};

const changeRoute: Routes = (api, parts) => {
  api.patch(
    '/conversations/:id',
    {
      config: {
        example: {
          body: { title: 'The rounding', metadata: { ticket: null }, settings: { preset: 'reviewer' } },
          answer: { ...conversation, title: 'The rounding', metadata: {}, settings: { preset: 'reviewer' } },
        },
      },
      schema: {
        tags: ['conversations'],
        operationId: 'changeConversation',
        summary: 'Change its title, its labels, what its next runs go by, or archive it',
        description:
          'What the body leaves out stays as it is. Runs under way and parked ones keep what they go by.',
        params,
        body: ChangeConversationBody,
        response: {
          200: ConversationView,
          ...problems,
          ...refusals('UnknownPreset', 'UnknownModel', 'UnknownPolicy'),
        },
      },
    },
    (request, reply) =>
      parts.mutate(request, reply, changeConversation, {
        ...request.body,
        conversationId: request.params.id,
      }),
  );
};

export const conversationRoutes: Routes = (api, parts) => {
  readRoutes(api, parts);
  partRoutes(api, parts);
  changeRoute(api, parts);
};
