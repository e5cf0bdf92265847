// What happened in all runs of a conversation, numbered through the conversation.
import { readConversationEvents } from '../../activities/store/log/events.ts';
import { EventListView, EventsQuery, StreamQuery } from '../../workflows/contracts/event.ts';
import { cursorOf } from '../stream/event-stream.ts';
import type { Routes } from '../parts.ts';
import { conversationOf, conversationParams } from './conversations.ts';
import { listEvents } from './event-lists.ts';
import { problems } from './problems.ts';
import { streamAnswers } from './run-events.ts';

export const conversationEventRoutes: Routes = (api, parts) => {
  api.get(
    '/conversations/:id/events',
    {
      schema: {
        tags: ['events'],
        operationId: 'listConversationEvents',
        summary: 'Events of all runs of a conversation; cursors are `conversationSeq`',
        params: conversationParams,
        querystring: EventsQuery,
        response: { 200: EventListView, ...problems },
      },
    },
    async (request, reply) => {
      const { tenantId } = request.caller;
      const conversation = await conversationOf(parts, tenantId, request.params.id);
      return listEvents(reply, request.query, {
        position: conversation.seq,
        numberOf: (event) => event.conversationSeq,
        read: (page) => readConversationEvents(parts.log.db, conversation.id, { tenantId, ...page }),
      });
    },
  );

  api.get(
    '/conversations/:id/stream',
    {
      exposeHeadRoute: false,
      schema: {
        tags: ['events'],
        operationId: 'streamConversation',
        summary: 'Events of all runs of a conversation over SSE; it goes on until you leave',
        params: conversationParams,
        querystring: StreamQuery,
        response: streamAnswers,
      },
    },
    async (request, reply) => {
      const after = cursorOf(request, request.query.after);
      const conversation = await conversationOf(parts, request.caller.tenantId, request.params.id);
      return parts.streams.open(request, reply, {
        topic: { kind: 'conversation', id: conversation.id },
        head: { seq: conversation.seq, ended: false },
        after,
      });
    },
  );
};
