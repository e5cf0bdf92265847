// What was said in a run or a conversation: its messages as people read them. What goes into a run is in run-messages.ts.
import { z } from 'zod';
import { findConversation } from '../../activities/store/runs/conversations.ts';
import { findMessage, listMessages, type MessageList } from '../../activities/store/runs/message-lists.ts';
import { findRun } from '../../activities/store/runs/runs.ts';
import { found } from '../../workflows/contracts/failures.ts';
import { id, page } from '../../workflows/contracts/fields.ts';
import { messageIdField, MessageListView, MessageView } from '../../workflows/contracts/message-view.ts';
import type { Routes } from '../parts.ts';
import { at, pageExample, runId as exampleRunId } from './examples.ts';
import { inOrderOfMessages, pageOf, placeOf } from './paging.ts';
import { problems } from './problems.ts';

const params = z.object({ id });

const message = {
  id: '1.assistant.0',
  runId: exampleRunId,
  step: 1,
  role: 'assistant',
  text: 'I read the test first.',
  length: 22,
  calls: [{ callId: '1.0', tool: 'read' }],
  callId: null,
  failed: false,
  content: null,
  parts: [],
  createdAt: at,
};

const asIs = (view: MessageView): MessageView => view;

export const messageRoutes: Routes = (api, { db }) => {
  const listOf = (
    query: z.infer<typeof page>,
    tenantId: string,
    of: MessageList['of'],
  ): Promise<MessageListView> =>
    pageOf(query, inOrderOfMessages, (wanted) => listMessages(db, { tenantId, of, ...wanted }), asIs);

  api.get(
    '/runs/:id/messages',
    {
      config: { example: { answer: pageExample(message) } },
      schema: {
        tags: ['runs'],
        operationId: 'listRunMessages',
        summary: 'What was said in a run, in order',
        description:
          "The run's own messages: what it was told, its model's answers and the results of its calls. Messages that only the model sees are left out; those of the runs it continues are in the conversation's list.",
        params,
        querystring: page,
        response: { 200: MessageListView, ...problems },
      },
    },
    async ({ query, params: { id: runId }, caller: { tenantId } }) => {
      found(await findRun(db, tenantId, runId), `run ${runId}`);
      return listOf(query, tenantId, { runId });
    },
  );

  api.get(
    '/runs/:id/messages/:messageId',
    {
      config: { example: { answer: message } },
      schema: {
        tags: ['runs'],
        operationId: 'getMessage',
        summary: 'One message of a run with the whole of its text',
        description: 'Its id is as in the list: step, phase and position.',
        params: params.extend({ messageId: messageIdField }),
        response: { 200: MessageView, ...problems },
      },
    },
    async ({ params: { id: runId, messageId }, caller: { tenantId } }) => {
      const row = await findMessage(db, tenantId, { runId, ...placeOf(messageId) });
      return found(row, `message ${messageId} of run ${runId}`);
    },
  );

  api.get(
    '/conversations/:id/messages',
    {
      config: { example: { answer: pageExample(message) } },
      schema: {
        tags: ['conversations'],
        operationId: 'listConversationMessages',
        summary: 'What was said in all runs of a conversation, in order',
        description: 'As the messages of a run, run after run in the order in which they were accepted.',
        params,
        querystring: page,
        response: { 200: MessageListView, ...problems },
      },
    },
    async ({ query, params: { id: conversationId }, caller: { tenantId } }) => {
      found(await findConversation(db, tenantId, conversationId), `conversation ${conversationId}`);
      return listOf(query, tenantId, { conversationId });
    },
  );
};
