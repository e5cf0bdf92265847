// Conversations: lists, one with its runs, and sending the next message.
import { z } from 'zod';
import {
  type ConversationRow,
  findConversation,
  listConversations,
  toConversationView,
} from '../../activities/store/runs/conversations.ts';
import { listRuns, toRunView } from '../../activities/store/runs/runs.ts';
import { ConversationDetailView, ConversationListView } from '../../workflows/contracts/conversation.ts';
import { Failure } from '../../workflows/contracts/failures.ts';
import { id, page } from '../../workflows/contracts/fields.ts';
import { SendMessageBody, StartRunView } from '../../workflows/contracts/run.ts';
import type { Parts, Routes } from '../parts.ts';
import { accept, toNewRun } from './accepting.ts';
import { invalidCursor, toPage, usualLimit } from './paging.ts';
import { problems } from './problems.ts';

export const conversationParams = z.object({ id });

// The runs a person looks back over; GET /runs?conversationId= pages through all of them.
const latestRuns = 50;

export async function conversationOf(
  parts: Parts,
  tenantId: string,
  of: string,
): Promise<ConversationRow & { seq: number }> {
  const conversation = await findConversation(parts.log.db, tenantId, of);
  if (!conversation) throw new Failure('NotFound', `There is no conversation ${of}.`);
  return conversation;
}

export const conversationRoutes: Routes = (api, parts) => {
  const { db } = parts.log;

  api.get(
    '/conversations',
    {
      schema: {
        tags: ['conversations'],
        operationId: 'listConversations',
        summary: 'Conversations, the latest activity first',
        querystring: page,
        response: { 200: ConversationListView, ...problems },
      },
    },
    async (request) => {
      const { limit = usualLimit, cursor } = request.query;
      const before = activityCursor(cursor);
      const { tenantId } = request.caller;
      const rows = await listConversations(db, { tenantId, limit, ...(before && { before }) });
      const { nextCursor } = toPage(rows, limit, { toView: () => null, toCursor: toActivityCursor });
      return { items: await Promise.all(rows.map((row) => toConversationView(db, row))), nextCursor };
    },
  );

  api.get(
    '/conversations/:id',
    {
      schema: {
        tags: ['conversations'],
        operationId: 'getConversation',
        summary: 'One conversation with its latest runs',
        params: conversationParams,
        response: { 200: ConversationDetailView, ...problems },
      },
    },
    async (request) => {
      const { tenantId } = request.caller;
      const conversation = await conversationOf(parts, tenantId, request.params.id);
      const [view, runs] = await Promise.all([
        toConversationView(db, conversation),
        listRuns(db, { tenantId, conversationId: conversation.id, limit: latestRuns }),
      ]);
      return { ...view, runs: runs.map(toRunView) };
    },
  );

  api.post(
    '/conversations/:id/messages',
    {
      schema: {
        tags: ['conversations'],
        operationId: 'sendMessage',
        summary: 'Send the next message; `whenBusy` says what becomes of it while a run is active',
        params: conversationParams,
        body: SendMessageBody,
        response: { 202: StartRunView, ...problems },
      },
    },
    (request, reply) =>
      parts.mutate(request, reply, async (write) =>
        accept(parts, write, await toNewRun(parts, write.tx, request, request.body, request.params.id)),
      ),
  );
};

function toActivityCursor(row: ConversationRow): string {
  return `${row.last_activity_at.getTime()}.${row.id}`;
}

function activityCursor(cursor: string | undefined): { at: Date; id: string } | undefined {
  if (cursor === undefined) return undefined;
  const [, at, of] = /^(\d{1,15})\.(.{36})$/.exec(cursor) ?? [];
  const parsed = id.safeParse(of);
  if (!parsed.success) throw invalidCursor();
  return { at: new Date(Number(at)), id: parsed.data };
}
