// The mailbox of a conversation: what its subagents have reported, and going on with that.
import { z } from 'zod';
import { listMailbox } from '../../activities/store/delegation/mailbox.ts';
import { findConversation } from '../../activities/store/runs/conversations.ts';
import { found } from '../../workflows/contracts/failures.ts';
import { id } from '../../workflows/contracts/fields.ts';
import { FireBody, MailboxQuery, MailboxView } from '../../workflows/contracts/mailbox.ts';
import { StartRunQuery } from '../../workflows/contracts/run.ts';
import type { Routes } from '../parts.ts';
import { fireMailbox } from '../verbs/fire-mailbox.ts';
import { at, pageExample, runExample, runId, startedExample } from './examples.ts';
import { inCallOrder, pageOf } from './paging.ts';
import { problems, refusals } from './problems.ts';
import { toStartRunView } from './runs.ts';
import { startAnswers, waitForStarted } from './waiting.ts';

const params = z.object({ id });

const item = {
  runId,
  name: 'reader',
  fromRunId: '0193d5a1-02f4-7d0b-b6a1-54f0c7d9ee02',
  callId: '2.1',
  status: 'succeeded',
  reason: 'finished',
  text: 'The parser drops the last line of a file without a line break.',
  state: 'pending',
  late: false,
  deliveredTo: null,
  reportedAt: at,
};

export const mailboxRoutes: Routes = (api, parts) => {
  const { db } = parts;

  api.get(
    '/conversations/:id/mailbox',
    {
      config: { example: { answer: pageExample(item) } },
      schema: {
        tags: ['conversations'],
        operationId: 'listMailbox',
        summary: 'What subagents have reported that no call waited for, in the order of the calls',
        description: 'One item for each that has ended, and what has become of its report.',
        params,
        querystring: MailboxQuery,
        response: { 200: MailboxView, ...problems },
      },
    },
    async ({ params: { id: conversationId }, query, caller: { tenantId } }) => {
      found(await findConversation(db, tenantId, conversationId), `conversation ${conversationId}`);
      return pageOf(
        query,
        inCallOrder,
        (page) => listMailbox(db, { tenantId, conversationId, ...page }),
        (view) => view,
      );
    },
  );

  api.post(
    '/conversations/:id/fire',
    {
      config: {
        example: {
          body: { prompt: 'Fix what they found.' },
          answer: startedExample,
          ended: runExample,
        },
      },
      schema: {
        tags: ['conversations'],
        operationId: 'fireMailbox',
        summary: 'Go on with what subagents have reported',
        description:
          'Starts one run that goes on from the last and is told all reports that wait in the mailbox, each once, and who ' +
          'is still at work. Where it is refused they stay there; a run that fails or is cancelled gives them back.',
        params,
        querystring: StartRunQuery,
        body: FireBody,
        response: { ...startAnswers, ...refusals('MailboxEmpty') },
      },
    },
    (request, reply) =>
      parts.mutate(
        request,
        reply,
        fireMailbox,
        { ...request.body, conversationId: request.params.id },
        toStartRunView,
        waitForStarted(parts, request, reply, request.query.wait),
      ),
  );
};
