// Webhooks: endpoints of others that are told of events as they come.
import { z } from 'zod';
import { countedWebhook, listWebhooks, toWebhookView } from '../../activities/store/webhooks/webhooks.ts';
import { id, page } from '../../workflows/contracts/fields.ts';
import {
  CreateWebhookBody,
  RotateWebhookBody,
  UpdateWebhookBody,
  WebhookAnswerView,
  WebhookListView,
  webhookName,
  WebhookView,
  WebhookWithSecretView,
} from '../../workflows/contracts/webhook.ts';
import type { Routes } from '../parts.ts';
import { takeIfMatch } from '../plugins/if-match.ts';
import { present } from '../present.ts';
import {
  createWebhook,
  deleteWebhook,
  rotateWebhookSecret,
  sendPing,
  switchWebhook,
  testWebhook,
  updateWebhook,
} from '../verbs/change-webhook.ts';
import { at, pageExample } from './examples.ts';
import { byId, pageOf } from './paging.ts';
import { problems, refusals } from './problems.ts';

const params = z.object({ id });
const NoBody = z.strictObject({}).nullish();

const body = { name: 'build-server', url: 'https://hooks.example.org/perdure', types: ['run-end'] };

const example = {
  id: '0193d5a6-2c11-7a40-8d12-6b1f0e5c4a33',
  ...body,
  enabled: true,
  waiting: 0,
  dead: 0,
  lastDeliveredAt: null,
  oldSecretUntil: null,
  stuck: null,
  version: 1,
  createdAt: at,
  createdBy: 'first (cli)',
  updatedAt: at,
};
const withSecret = { ...example, secret: 'whsec_…', note: 'Keep the secret now: it is shown this once.' };

export const webhookRoutes: Routes = (api, parts) => {
  lookRoutes(api, parts);
  changeRoutes(api, parts);
  actRoutes(api, parts);
  switchRoutes(api, parts);
};

const lookRoutes: Routes = (api, { db }) => {
  api.get(
    '/webhooks',
    {
      config: { example: { answer: pageExample(example) } },
      schema: {
        tags: ['webhooks'],
        operationId: 'listWebhooks',
        summary: 'Webhooks, oldest first; never their secrets',
        description: 'With `name`: the one that is called so.',
        querystring: page.extend({ name: webhookName.optional() }),
        response: { 200: WebhookListView, ...problems },
      },
    },
    async ({ query, caller: { tenantId } }) =>
      pageOf(query, byId, (asked) => listWebhooks(db, { tenantId, ...asked }), toWebhookView),
  );

  api.get(
    '/webhooks/:id',
    {
      config: { example: { answer: example } },
      schema: {
        tags: ['webhooks'],
        operationId: 'getWebhook',
        summary: 'One webhook, with how its deliveries stand',
        description: 'Its version is also in the header ETag.',
        params,
        response: { 200: WebhookView, ...problems },
      },
    },
    async ({ params: { id: webhookId }, caller: { tenantId } }, reply) => {
      const view = toWebhookView(await countedWebhook(db, tenantId, webhookId));
      reply.header('etag', `"${view.version}"`);
      return view;
    },
  );
};

const changeRoutes: Routes = (api, parts) => {
  api.post(
    '/webhooks',
    {
      config: { example: { body, answer: withSecret } },
      schema: {
        tags: ['webhooks'],
        operationId: 'createWebhook',
        summary: 'Have an endpoint told of events; its secret is in this answer and in no other',
        description:
          'Each event from now on is posted as `{type, timestamp, data}`, where `data` is the event, at least once, under one `webhook-id`. ' +
          'Those about one subject (a run, a task, a schedule) come in order. An answer outside 2xx, or none within 15 seconds, is tried again after 5 seconds, then twice as long each time up to an hour, for a day; then it is a dead letter. ' +
          'Messages are signed as Standard Webhooks has it (standardwebhooks.com): HMAC-SHA-256 over `id.timestamp.body`.',
        body: CreateWebhookBody,
        response: {
          201: WebhookWithSecretView,
          ...problems,
          ...refusals('WebhookExists', 'AddressRefused', 'NotRunnable'),
        },
      },
    },
    async (request, reply) => {
      // Neither a browser nor a proxy keeps it.
      reply.header('cache-control', 'no-store');
      return parts.mutate(request, reply, createWebhook, request.body);
    },
  );

  api.patch(
    '/webhooks/:id',
    {
      preValidation: takeIfMatch,
      config: {
        example: { body: { version: 1, types: [] }, answer: { ...example, types: [], version: 2 } },
      },
      schema: {
        tags: ['webhooks'],
        operationId: 'updateWebhook',
        summary: 'Change what is said of a webhook; the rest stays',
        description:
          'What waits for it goes to its new address, at once. `version`, or the header If-Match, is the version that you have seen: 409 when there is a newer one.',
        params,
        body: UpdateWebhookBody,
        response: {
          200: WebhookView,
          ...problems,
          ...refusals('WebhookExists', 'VersionStale', 'AddressRefused'),
        },
      },
    },
    (request, reply) =>
      parts.mutate(request, reply, updateWebhook, { ...request.body, webhookId: request.params.id }),
  );

  api.delete(
    '/webhooks/:id',
    {
      schema: {
        tags: ['webhooks'],
        operationId: 'deleteWebhook',
        summary: 'Take a webhook away, with its deliveries; what waits is not sent',
        description: '`version` says which one you have seen: 409 when there is a newer one.',
        params,
        querystring: z.strictObject({
          version: z.coerce.number().int().min(1).max(2_147_483_647).optional(),
        }),
        response: { 204: z.null(), ...problems, ...refusals('VersionStale') },
      },
    },
    (request, reply) =>
      parts.mutate(request, reply, deleteWebhook, {
        webhookId: request.params.id,
        ...present({ version: request.query.version }),
      }),
  );
};

const actRoutes: Routes = (api, parts) => {
  api.post(
    '/webhooks/:id/test',
    {
      config: {
        example: {
          body: {},
          answer: { messageId: example.id, status: 204, ms: 38, problem: null },
        },
      },
      schema: {
        tags: ['webhooks'],
        operationId: 'testWebhook',
        summary: 'Post a message of type `ping` now, once, and say what came of it',
        description:
          'Also to one that is switched off. Under an Idempotency-Key it is sent again under one id.',
        params,
        body: NoBody,
        response: { 200: WebhookAnswerView, ...problems },
      },
    },
    (request, reply) => {
      const webhookId = request.params.id;
      return parts.mutate(request, reply, testWebhook, { webhookId }, undefined, async (answer) => {
        if (answer.status !== 200) return answer;
        const { messageId } = JSON.parse(answer.body) as WebhookAnswerView;
        const row = await countedWebhook(parts.db, request.caller.tenantId, webhookId);
        return { ...answer, body: JSON.stringify(await sendPing(parts, row, messageId)) };
      });
    },
  );

  api.post(
    '/webhooks/:id/rotate',
    {
      config: {
        example: {
          body: {},
          answer: { ...withSecret, version: 2, oldSecretUntil: '2026-01-06T09:30:00.000Z' },
        },
      },
      schema: {
        tags: ['webhooks'],
        operationId: 'rotateWebhookSecret',
        summary: 'Give a webhook another secret; for a day the one before signs too',
        description: 'It is in this answer and in no other.',
        params,
        body: RotateWebhookBody,
        response: { 200: WebhookWithSecretView, ...problems },
      },
    },
    async (request, reply) => {
      reply.header('cache-control', 'no-store');
      const { params: of, body: said } = request;
      return parts.mutate(request, reply, rotateWebhookSecret, { webhookId: of.id, body: said });
    },
  );
};

const switchRoutes: Routes = (api, parts) => {
  for (const [name, enabled] of [
    ['enable', true],
    ['disable', false],
  ] as const) {
    api.post(
      `/webhooks/:id/${name}`,
      {
        config: { example: { body: {}, answer: { ...example, enabled, version: 2 } } },
        schema: {
          tags: ['webhooks'],
          operationId: `${name}Webhook`,
          summary: enabled
            ? 'Switch a webhook on: it is told of what comes from now on'
            : 'Switch a webhook off: nothing is sent',
          description: enabled
            ? 'What came while it was off is not made up for; what waited before that is sent at once, and tried for a day.'
            : 'What waits is kept, and sent once it is switched on again.',
          params,
          body: NoBody,
          response: { 200: WebhookView, ...problems },
        },
      },
      (request, reply) =>
        parts.mutate(request, reply, switchWebhook, { webhookId: request.params.id, enabled }),
    );
  }
};
