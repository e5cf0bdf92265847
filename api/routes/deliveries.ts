// What became of each event for a webhook, and sending again what was given up.
import { z } from 'zod';
import { listDeliveries, toDeliveryView } from '../../activities/store/webhooks/deliveries.ts';
import { countedWebhook } from '../../activities/store/webhooks/webhooks.ts';
import { id } from '../../workflows/contracts/fields.ts';
import { DeliveryListQuery, DeliveryListView, RedeliveredView } from '../../workflows/contracts/webhook.ts';
import type { Routes } from '../parts.ts';
import { redeliverWebhook } from '../verbs/change-webhook.ts';
import { at, pageExample, runId } from './examples.ts';
import { newestFirst, pageOf } from './paging.ts';
import { problems } from './problems.ts';

const params = z.object({ id });

const delivery = {
  id: '0193d5a6-2c44-7b12-9a02-1f0e5c4a3377',
  seq: 12,
  type: 'run-end',
  subject: `run/${runId}`,
  status: 'pending',
  attempts: 1,
  answer: { status: 503, ms: 41 },
  problem: 'It answered 503.',
  dueAt: at,
  createdAt: at,
  endedAt: null,
};

export const deliveryRoutes: Routes = (api, parts) => {
  api.get(
    '/webhooks/:id/deliveries',
    {
      config: { example: { answer: pageExample(delivery) } },
      schema: {
        tags: ['webhooks'],
        operationId: 'listDeliveries',
        summary: 'What became of each event for a webhook, newest first',
        description: 'Kept for a week after their end. One that was given up has a dead letter.',
        params,
        querystring: DeliveryListQuery,
        response: { 200: DeliveryListView, ...problems },
      },
    },
    async ({ query, params: { id: webhookId }, caller: { tenantId } }) => {
      await countedWebhook(parts.db, tenantId, webhookId);
      return pageOf(
        query,
        newestFirst,
        (asked) => listDeliveries(parts.db, { tenantId, webhookId, ...asked }),
        toDeliveryView,
      );
    },
  );

  api.post(
    '/webhooks/:id/redeliver',
    {
      config: { example: { body: {}, answer: { redelivered: 12 } } },
      schema: {
        tags: ['webhooks'],
        operationId: 'redeliverWebhook',
        summary: 'Send again all that was given up for a webhook',
        description:
          'Retries each of its dead letters that nobody has decided on, in the order of their events.',
        params,
        body: z.strictObject({}).nullish(),
        response: { 200: RedeliveredView, ...problems },
      },
    },
    (request, reply) => parts.mutate(request, reply, redeliverWebhook, { webhookId: request.params.id }),
  );
};
