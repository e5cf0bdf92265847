// What posts to webhooks, as both roles are configured: the worker delivers, the API tries one out.
import { publicEgress } from '../../activities/egress/egress.ts';
import { createWebhookSender, type WebhookSender } from '../../activities/egress/send-webhook.ts';
import type { Config } from '../config/config.ts';

export function webhookSender({ webhookHosts }: Pick<Config, 'webhookHosts'>): WebhookSender {
  return createWebhookSender(publicEgress, webhookHosts?.split(',') ?? []);
}
