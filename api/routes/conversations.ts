// Conversations: lists, one with its runs, and sending the next message.
import { z } from 'zod';
import {
  findConversation,
  listConversations,
  toConversationView,
} from '../../activities/store/runs/conversations.ts';
import { toRunViews } from '../../activities/store/allowances/run-money.ts';
import { listRuns } from '../../activities/store/runs/runs.ts';
import { ConversationDetailView, ConversationListView } from '../../workflows/contracts/conversation.ts';
import { found } from '../../workflows/contracts/failures.ts';
import { id, page } from '../../workflows/contracts/fields.ts';
import { SendMessageBody, StartRunQuery } from '../../workflows/contracts/run.ts';
import type { Routes } from '../parts.ts';
import { sendMessage } from '../verbs/send-message.ts';
import { at, conversationId as exampleId, pageExample, runExample, startedExample } from './examples.ts';
import { latestActivityFirst, pageOf } from './paging.ts';
import { problems } from './problems.ts';
import { toStartRunView } from './runs.ts';
import { startAnswers, waitForStarted } from './waiting.ts';

const params = z.object({ id });

// The runs a person looks back over; GET /runs?conversationId= pages through all of them.
const latestRuns = 50;

const conversation = {
  id: exampleId,
  title: 'Make the failing test pass.',
  metadata: {},
  activeRunId: null,
  createdAt: at,
  lastActivityAt: at,
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
        querystring: page,
        response: { 200: ConversationListView, ...problems },
      },
    },
    async ({ query, caller: { tenantId } }) =>
      pageOf(
        query,
        latestActivityFirst,
        (page) => listConversations(db, { tenantId, ...page }),
        (row) => toConversationView(db, row),
      ),
  );

  api.get(
    '/conversations/:id',
    {
      config: { example: { answer: { ...conversation, runs: [runExample] } } },
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
      const row = await findConversation(db, tenantId, conversationId);
      const [view, runs] = await Promise.all([
        toConversationView(db, found(row, `conversation ${conversationId}`)),
        listRuns(db, { tenantId, conversationId, limit: latestRuns }),
      ]);
      return { ...view, runs: await toRunViews(db, runs) };
    },
  );
};

const sendRoute: Routes = (api, parts) => {
  api.post(
    '/conversations/:id/messages',
    {
      config: {
        example: {
          body: { prompt: 'Now add a test for negative amounts.', whenBusy: 'queue' },
          answer: startedExample,
          ended: runExample,
        },
      },
      schema: {
        tags: ['conversations'],
        operationId: 'sendMessage',
        summary: 'Send the next message; `whenBusy` says what becomes of it while a run is active',
        description:
          'While no run is active it starts the next one, which continues the last. What the body leaves out is as in the ' +
          'run that was accepted before it: project, model, policy, limits and the rest that `sources` of a run names. ' +
          'A message into an active run changes none of that. Accepted means durable.',
        params: params,
        querystring: StartRunQuery,
        body: SendMessageBody,
        response: startAnswers,
      },
    },
    (request, reply) =>
      parts.mutate(
        request,
        reply,
        sendMessage,
        { ...request.body, conversationId: request.params.id },
        toStartRunView,
        waitForStarted(parts, request, reply, request.query.wait),
      ),
  );
};

export const conversationRoutes: Routes = (api, parts) => {
  readRoutes(api, parts);
  sendRoute(api, parts);
};
