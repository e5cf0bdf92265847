// Dead letters: what used up its attempts, for a person to retry or drop.
import { z } from 'zod';
import {
  findDeadLetter,
  listDeadLetters,
  toDeadLetterView,
} from '../../activities/store/runs/dead-letters.ts';
import { flag, id, page } from '../../workflows/contracts/fields.ts';
import { DeadLetterListView, DeadLetterView } from '../../workflows/contracts/system.ts';
import type { Routes } from '../parts.ts';
import {
  dropDeadLetter,
  retryDeadLetter,
  retryTaskLetter,
  retryWebhookLetter,
} from '../verbs/resolve-dead-letter.ts';
import { at, pageExample, runId } from './examples.ts';
import { newestFirst, pageOf } from './paging.ts';
import { problems, refusals } from './problems.ts';

const params = z.object({ id });
// A POST without content may come with an empty object or with nothing.
const NoBody = z.strictObject({}).nullish();

const letter = {
  id: '0193d5a1-02f4-7d0b-b6a1-54f0c7d9ee01',
  kind: 'call',
  runId,
  taskId: null,
  callId: '3.0',
  deliveryId: null,
  reason: 'It took its worker down three times.',
  attempts: 3,
  createdAt: at,
  resolution: 'retried',
  resolvedAt: at,
  resolvedBy: 'first (api)',
  retriedAs: null,
};

export const deadLetterRoutes: Routes = (api, parts) => {
  const { db } = parts;

  api.get(
    '/dead-letters',
    {
      config: {
        example: { answer: pageExample({ ...letter, resolution: null, resolvedAt: null, resolvedBy: null }) },
      },
      schema: {
        tags: ['dead letters'],
        operationId: 'listDeadLetters',
        summary: 'What used up its attempts, newest first',
        description:
          'Calls, runs, tasks, due times of schedules and deliveries to webhooks that were given up and wait for a person.',
        querystring: page.extend({
          open: flag.optional().describe('false: also those somebody retried or dropped.'),
        }),
        response: { 200: DeadLetterListView, ...problems },
      },
    },
    async ({ query: { open = true, ...query }, caller: { tenantId } }) =>
      pageOf(
        query,
        newestFirst,
        (asked) => listDeadLetters(db, { tenantId, open, ...asked }),
        toDeadLetterView,
      ),
  );

  api.post(
    '/dead-letters/:id/retry',
    {
      config: { example: { body: {}, answer: letter } },
      schema: {
        tags: ['dead letters'],
        operationId: 'retryDeadLetter',
        summary: 'Try it again: a stuck run, a call that was given up, or what a failed run was asked',
        description:
          'A stuck run gets another execution, and a run hears that it may make a call again. A run that has ended stays ended: what a failed one was asked is asked again in a new run of its conversation (`retriedAs`); of any other end, and for a call, the answer is 409. In place of a failed task another like it is made. A delivery is sent again under its id.',
        params,
        body: NoBody,
        response: { 200: DeadLetterView, ...problems, ...refusals('AlreadyResolved') },
      },
    },
    async (request, reply) => {
      const { id: letterId } = request.params;
      // What a letter is of never changes. One that is gone may have been answered under this key.
      const letter = await findDeadLetter(db, request.caller.tenantId, letterId);
      const { task_id: taskId = null, delivery_id: deliveryId = null } = letter ?? {};
      if (taskId !== null) return parts.mutateTasks(request, reply, retryTaskLetter, { letterId, taskId });
      if (deliveryId !== null)
        return parts.mutate(request, reply, retryWebhookLetter, { letterId, deliveryId });
      return parts.mutate(request, reply, retryDeadLetter, { letterId });
    },
  );

  api.post(
    '/dead-letters/:id/drop',
    {
      config: { example: { body: {}, answer: { ...letter, resolution: 'dropped' } } },
      schema: {
        tags: ['dead letters'],
        operationId: 'dropDeadLetter',
        summary: 'Take it off the list and leave things as they are',
        description: 'Nothing else changes: a stuck run stays stuck.',
        params,
        body: NoBody,
        response: { 200: DeadLetterView, ...problems, ...refusals('AlreadyResolved') },
      },
    },
    (request, reply) => parts.mutate(request, reply, dropDeadLetter, { letterId: request.params.id }),
  );
};
