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

/** 32 bytes, as long as the hash that it keys. In browsers too. */
function newSecret(): string {
  return `whsec_${btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(32))))}`;
}

export function webhookCalls({ json }: Transport) {
  const of = (id: string): string => `/webhooks/${encodeURIComponent(id)}`;
  return {
    webhooks: (query?: WebhookQuery) => json<WebhookListView>('GET', '/webhooks', { query: { ...query } }),
    webhook: (id: string) => json<WebhookView>('GET', of(id)),
    /** With its secret, always: it is made here, so that none is lost with an answer. */
    async createWebhook(given: CreateWebhookBody): Promise<WithSecret> {
      const body = { ...given, secret: given.secret ?? newSecret() };
      return { ...(await json<WebhookWithSecretView>('POST', '/webhooks', { body })), secret: body.secret };
    },
    /** As `createWebhook`. */
    async rotateWebhookSecret(id: string, secret = newSecret()): Promise<WithSecret> {
      const body = { secret };
      return { ...(await json<WebhookWithSecretView>('POST', `${of(id)}/rotate`, { body })), secret };
    },
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
