// Messages into a run: steer, interrupt, cancel.
import { z } from 'zod';
import { ReceiptView } from '../../workflows/contracts/receipt.ts';
import { SteerBody } from '../../workflows/contracts/run.ts';
import type { Routes } from '../parts.ts';
import { steerRun } from '../verbs/steer-run.ts';
import { stopRun } from '../verbs/stop-run.ts';
import { runId } from './examples.ts';
import { problems, refusals } from './problems.ts';
import { runParams } from './runs.ts';

// A stop without an id of its own may come with an empty object or with nothing.
export const StopBody = z
  .strictObject({ messageId: SteerBody.shape.messageId })
  .nullish()
  .meta({ id: 'StopBody' });

const CancelBody = z
  .strictObject({
    messageId: SteerBody.shape.messageId,
    undo: z
      .boolean()
      .optional()
      .describe(
        'Take back what it changed in its project, once it has stopped. What its subagents changed stays.',
      ),
  })
  .nullish()
  .meta({ id: 'CancelBody' });

export const receipt = { runId, messageId: 'note-1', status: 'accepted', step: null };

export const runMessageRoutes: Routes = (api, parts) => {
  api.post(
    '/runs/:id/steer',
    {
      config: {
        example: { body: { text: 'Leave the public types alone.', messageId: 'note-1' }, answer: receipt },
      },
      schema: {
        tags: ['runs'],
        operationId: 'steerRun',
        summary: 'Say something to an active run; it reads it before its next model call',
        description: '404 naming the last run when it has ended. The receipt says what became of it.',
        params: runParams,
        body: SteerBody,
        response: { 202: ReceiptView, ...problems, ...refusals('RunNotActive') },
      },
    },
    (request, reply) => parts.mutate(request, reply, steerRun, { ...request.body, runId: request.params.id }),
  );

  api.post(
    '/runs/:id/interrupt',
    {
      config: { example: { body: { messageId: 'stop-1' }, answer: { ...receipt, messageId: 'stop-1' } } },
      schema: {
        tags: ['runs'],
        operationId: 'interruptRun',
        summary: 'Stop an active run and keep what it did',
        description:
          'Its model call or command is stopped at once. Its conversation goes on from what it did.',
        params: runParams,
        body: StopBody,
        response: { 202: ReceiptView, ...problems, ...refusals('RunNotActive') },
      },
    },
    (request, reply) =>
      parts.mutate(request, reply, stopRun, {
        ...request.body,
        runId: request.params.id,
        kind: 'interrupt',
      }),
  );

  api.post(
    '/runs/:id/cancel',
    {
      config: { example: { body: { messageId: 'stop-2' }, answer: { ...receipt, messageId: 'stop-2' } } },
      schema: {
        tags: ['runs'],
        operationId: 'cancelRun',
        summary: 'Stop an active run and leave it out of its conversation',
        description:
          'No later run goes on from it. Files it changed stay as they are unless `undo` says otherwise. 409 when it has ended.',
        params: runParams,
        body: CancelBody,
        response: { 202: ReceiptView, ...problems, ...refusals('RunEnded') },
      },
    },
    (request, reply) =>
      parts.mutate(request, reply, stopRun, {
        ...request.body,
        runId: request.params.id,
        kind: 'cancel',
      }),
  );
};
