// The part of the client about webhooks.
import type {
  CreateWebhookBody,
  DeliveryListView,
  DeliveryView,
  RedeliveredView,
  UpdateWebhookBody,
  WebhookAnswerView,
  WebhookListView,
  WebhookView,
  WebhookWithSecretView,
} from '../../workflows/contracts/webhook.ts';
import type { Transport } from './transport.ts';

interface WebhookQuery {
  limit?: number;
  cursor?: string;
  name?: string;
}

interface DeliveryQuery {
  limit?: number;
  cursor?: string;
  status?: DeliveryView['status'];
}

type WithSecret = WebhookWithSecretView & { secret: string };

export function webhookCalls({ json }: Transport) {
  const of = (id: string): string => `/webhooks/${encodeURIComponent(id)}`;
  /** With its secret, always: when the answer that had it was lost on the way, it is given another. */
  const rotateWebhookSecret = async (id: string, given?: string): Promise<WithSecret> => {
    const body = given === undefined ? {} : { secret: given };
    const { secret, ...webhook } = await json<WebhookWithSecretView>('POST', `${of(id)}/rotate`, { body });
    return secret === null ? rotateWebhookSecret(id, given) : { ...webhook, secret };
  };
  return {
    webhooks: (query?: WebhookQuery) => json<WebhookListView>('GET', '/webhooks', { query: { ...query } }),
    webhook: (id: string) => json<WebhookView>('GET', of(id)),
    async createWebhook(body: CreateWebhookBody): Promise<WithSecret> {
      const { secret, ...webhook } = await json<WebhookWithSecretView>('POST', '/webhooks', { body });
      return secret === null ? rotateWebhookSecret(webhook.id, body.secret) : { ...webhook, secret };
    },
    rotateWebhookSecret,
    updateWebhook: (id: string, body: UpdateWebhookBody) => json<WebhookView>('PATCH', of(id), { body }),
    deleteWebhook: (id: string) => json<null>('DELETE', of(id)),
    switchWebhook: (id: string, enabled: boolean) =>
      json<WebhookView>('POST', `${of(id)}/${enabled ? 'enable' : 'disable'}`, { body: {} }),
    testWebhook: (id: string) => json<WebhookAnswerView>('POST', `${of(id)}/test`, { body: {} }),
    redeliverWebhook: (id: string) => json<RedeliveredView>('POST', `${of(id)}/redeliver`, { body: {} }),
    deliveries: (id: string, query?: DeliveryQuery) =>
      json<DeliveryListView>('GET', `${of(id)}/deliveries`, { query: { ...query } }),
  };
}
