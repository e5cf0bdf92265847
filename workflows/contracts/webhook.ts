// Webhooks: an endpoint of others that is told of events, as a request has it and as it is shown; and its deliveries.
import { z } from 'zod';
import { id, page, shortText, when } from './fields.ts';
import { toldTypes } from './tenant-events.ts';

/** A worker has a place for each, so that no endpoint waits for another. */
export const mostWebhooks = 20;

// What browsers and servers take.
const mostUrl = 2_000;

export const webhookName = z
  .string()
  .max(63)
  .regex(
    /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/,
    'must be small letters, digits and single hyphens, such as build-server',
  );

const url = shortText(mostUrl)
  .regex(/^https?:\/\/[^\s\\@#]+$/i, {
    error: 'must be a web address without a user, such as https://example.org/hook',
    abort: true,
  })
  .refine(URL.canParse, 'must be a web address, such as https://example.org/hook')
  .describe('Where events are posted to. Redirects are not followed; only public addresses are reached.');

const types = z
  .array(z.enum(toldTypes))
  .max(toldTypes.length)
  .describe('The types of events that it is told of; empty: all that come.');

// 24 to 64 bytes, as Standard Webhooks wants them.
const secret = z
  .string()
  .regex(
    /^whsec_[A-Za-z0-9+/]{32,88}={0,2}$/,
    'must be whsec_ and then 24 to 64 bytes in Base64; leave it out to have one made',
  );
const ownSecret = secret.optional().describe('What messages are signed with; made for you unless said.');

export const CreateWebhookBody = z
  .strictObject({
    name: webhookName.optional().describe('No two webhooks have one name; it is made of the id unless said.'),
    url,
    types: types.optional(),
    secret: ownSecret,
    enabled: z.boolean().optional().describe('false: it is kept and told nothing.'),
  })
  .meta({ id: 'CreateWebhookBody' });
export type CreateWebhookBody = z.infer<typeof CreateWebhookBody>;

export const UpdateWebhookBody = z
  .strictObject({
    version: z.int().min(1).max(2_147_483_647).describe('The version that you have seen.'),
    name: webhookName.optional(),
    url: url.optional(),
    types: types.optional(),
    enabled: z.boolean().optional(),
  })
  .meta({ id: 'UpdateWebhookBody' });
export type UpdateWebhookBody = z.infer<typeof UpdateWebhookBody>;

export const RotateWebhookBody = z.strictObject({ secret: ownSecret }).nullish();
export type RotateWebhookBody = z.infer<typeof RotateWebhookBody>;

export const WebhookView = z
  .object({
    id,
    name: z.string(),
    url: z.string(),
    types: z.array(z.string()),
    enabled: z.boolean(),
    waiting: z.int().describe('Deliveries that are not made yet, and not given up.'),
    dead: z.int().describe('Given up, each with a dead letter, and not decided on.'),
    lastDeliveredAt: when.nullable(),
    oldSecretUntil: when.nullable().describe('Until then messages are signed with the secret before, too.'),
    stuck: z.string().nullable().describe('Why nothing is sent; null where all is well.'),
    version: z.int(),
    createdAt: when,
    createdBy: z.string(),
    updatedAt: when,
  })
  .meta({ id: 'WebhookView' });
export type WebhookView = z.infer<typeof WebhookView>;

export const WebhookListView = z
  .object({ items: z.array(WebhookView), nextCursor: z.string().nullable() })
  .meta({ id: 'WebhookListView' });
export type WebhookListView = z.infer<typeof WebhookListView>;

export const WebhookWithSecretView = WebhookView.extend({
  secret: z
    .string()
    .nullable()
    .describe('Null when the answer comes again under an Idempotency-Key: it is shown once.'),
  note: z.string().describe('What to do about the secret.'),
}).meta({ id: 'WebhookWithSecretView' });
export type WebhookWithSecretView = z.infer<typeof WebhookWithSecretView>;

/** What one attempt came to. */
export const WebhookAnswerView = z
  .object({
    messageId: id.describe('What the endpoint got as webhook-id.'),
    status: z.int().nullable().describe('Of its answer; null: there was none.'),
    ms: z.int(),
    problem: z.string().nullable().describe('Why that does not count as delivered; null: it does.'),
  })
  .meta({ id: 'WebhookAnswerView' });
export type WebhookAnswerView = z.infer<typeof WebhookAnswerView>;

export const RedeliveredView = z.object({ redelivered: z.int() }).meta({ id: 'RedeliveredView' });
export type RedeliveredView = z.infer<typeof RedeliveredView>;

const DeliveryStatus = z.enum(['pending', 'delivered', 'dead']);

export const DeliveryView = z
  .object({
    id: id.describe('What the endpoint gets as webhook-id, with each attempt.'),
    seq: z.int().describe("The event's number in the tenant's stream."),
    type: z.string(),
    subject: z
      .string()
      .describe(
        'What the event is about, such as run/0193…: these are delivered in the order of their numbers.',
      ),
    status: DeliveryStatus,
    attempts: z.int(),
    answer: WebhookAnswerView.pick({ status: true, ms: true })
      .nullable()
      .describe('Of the last attempt; null: none was made yet.'),
    problem: z.string().nullable().describe('Why the last attempt does not count as delivered.'),
    dueAt: when.nullable().describe('When the next attempt is due; null: there is none.'),
    createdAt: when,
    endedAt: when.nullable(),
  })
  .meta({ id: 'Delivery' });
export type DeliveryView = z.infer<typeof DeliveryView>;

export const DeliveryListQuery = page.extend({ status: DeliveryStatus.optional() });
export const DeliveryListView = z
  .object({ items: z.array(DeliveryView), nextCursor: z.string().nullable() })
  .meta({ id: 'DeliveryListView' });
export type DeliveryListView = z.infer<typeof DeliveryListView>;
