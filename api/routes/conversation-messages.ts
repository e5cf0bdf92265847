// Messages into a conversation: the next one, one that begins a conversation of its own, one that is answered anew, and
// the word to stop.
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { AskBody, ForkBody, RegenerateBody } from '../../workflows/contracts/conversation.ts';
import { id } from '../../workflows/contracts/fields.ts';
import { InterruptedView } from '../../workflows/contracts/receipt.ts';
import { SendMessageBody, StartRunQuery } from '../../workflows/contracts/run.ts';
import type { Parts, Routes } from '../parts.ts';
import { askAside } from '../verbs/ask-aside.ts';
import { forkConversation, regenerateAnswer } from '../verbs/branch-conversation.ts';
import { type SentMessage, sendMessage } from '../verbs/send-message.ts';
import { interruptAll } from '../verbs/stop-run.ts';
import type { Verb } from '../verbs/verb.ts';
import { conversationId, runExample, runId, startedExample } from './examples.ts';
import { problems, refusals } from './problems.ts';
import { receipt, StopBody } from './run-messages.ts';
import { toStartRunView } from './runs.ts';
import { startAnswers, waitForStarted } from './waiting.ts';

const params = z.object({ id });
const answered = { answer: startedExample, ended: runExample };
const files =
  'Files stay as they are, whatever later runs made of them: POST /runs/{id}/rewind takes back what a run changed.';

const sendRoute: Routes = (api, parts) => {
  api.post(
    '/conversations/:id/messages',
    {
      config: {
        example: { body: { prompt: 'Now add a test for negative amounts.', whenBusy: 'queue' }, ...answered },
      },
      schema: {
        tags: ['conversations'],
        operationId: 'sendMessage',
        summary: 'Send the next message; `whenBusy` says what becomes of it while a run is active',
        description:
          'While no run is active it starts the next one, which continues the last, or the one that `fromRunId` names. What ' +
          'the body leaves out is as in the run that was accepted before it: project, model, policy, limits and the rest ' +
          'that `sources` of a run names. A message into an active run changes none of that. Accepted means durable.',
        params,
        querystring: StartRunQuery,
        body: SendMessageBody,
        response: startAnswers,
      },
    },
    (request, reply) => begin(parts, sendMessage, inputOf(request), request, reply),
  );
};

const branchRoutes: Routes = (api, parts) => {
  api.post(
    '/conversations/:id/fork',
    {
      config: {
        example: { body: { prompt: 'Try it with integers instead.', fromRunId: runId }, ...answered },
      },
      schema: {
        tags: ['conversations'],
        operationId: 'forkConversation',
        summary: 'Begin a conversation of its own that goes on from a run of this one',
        description: `Its first run has that run as its parent, and what the body leaves out is as in that; nothing changes here. ${files}`,
        params,
        querystring: StartRunQuery,
        body: ForkBody,
        response: startAnswers,
      },
    },
    (request, reply) => begin(parts, forkConversation, inputOf(request), request, reply),
  );

  api.post(
    '/conversations/:id/regenerate',
    {
      config: { example: { body: { model: 'scripted/hello' }, ...answered } },
      schema: {
        tags: ['conversations'],
        operationId: 'regenerateAnswer',
        summary: 'Answer a message anew; the earlier answer stays beside it',
        description:
          'A run with the message and the settings of that run, but for what the body says, that goes on from where that ' +
          'one did. Once it leaves something to go on from, the conversation goes on from it; until then, and where it ' +
          `fails, from the earlier one. What was said to a run while it worked is not said again. ${files}`,
        params,
        querystring: StartRunQuery,
        body: RegenerateBody,
        response: startAnswers,
      },
    },
    (request, reply) => begin(parts, regenerateAnswer, inputOf(request), request, reply),
  );
};

const askRoute: Routes = (api, parts) => {
  api.post(
    '/conversations/:id/ask',
    {
      config: {
        example: { body: { prompt: 'Which files have you changed?' }, ...answered },
      },
      schema: {
        tags: ['conversations'],
        operationId: 'askAside',
        summary: 'Ask a side question; the answer leaves nothing in the conversation',
        description:
          'A run of the kind `aside` answers from the context of the active run, as far as that is whole, or else of the run ' +
          'that the next message would go on from. It calls no tools, takes five minutes at most, and no run goes on from ' +
          'it. It is paid for, cancelled and waited for as any run.',
        params,
        querystring: StartRunQuery,
        body: AskBody,
        response: startAnswers,
      },
    },
    (request, reply) => begin(parts, askAside, inputOf(request), request, reply),
  );
};

const interruptRoute: Routes = (api, parts) => {
  api.post(
    '/conversations/:id/interrupt',
    {
      config: {
        example: {
          body: { messageId: 'stop-1' },
          answer: { conversationId, items: [{ ...receipt, messageId: 'stop-1' }] },
        },
      },
      schema: {
        tags: ['conversations'],
        operationId: 'interruptConversation',
        summary: 'Stop all runs of a conversation that are at work, and keep what they did',
        description:
          'The main run, all subagents and side questions. POST /runs/{id}/interrupt of the main run leaves those subagents ' +
          'at work that no call waits for; this one does not. What they have done waits in the mailbox, and the ' +
          'conversation does not go on by itself until a message is sent. A message that waits for its turn gets it. The ' +
          'same `messageId` again changes nothing. 409 where no run is active.',
        params,
        body: StopBody,
        response: { 202: InterruptedView, ...problems, ...refusals('ConversationIdle') },
      },
    },
    (request, reply) =>
      parts.mutate(request, reply, interruptAll, { ...request.body, conversationId: request.params.id }),
  );
};

function inputOf<Body extends object>({ body, params: of }: { body: Body; params: { id: string } }) {
  return { ...body, conversationId: of.id };
}

/** What begins a run, for which the request may wait. */
function begin<Input>(
  parts: Parts,
  verb: Verb<Input, SentMessage>,
  input: Input,
  request: FastifyRequest<{ Querystring: StartRunQuery }>,
  reply: FastifyReply,
) {
  const all = request as FastifyRequest;
  const wait = waitForStarted(parts, all, reply, request.query.wait);
  return parts.mutate(all, reply, verb, input, toStartRunView, wait);
}

export const conversationMessageRoutes: Routes = (api, parts) => {
  sendRoute(api, parts);
  branchRoutes(api, parts);
  askRoute(api, parts);
  interruptRoute(api, parts);
};
