// What is said of a webhook is changed: what came before is laid out as it was said then, and what waits goes where it
// says now.
import { sql } from 'kysely';
import type { Write } from '../log/events.ts';
import { layOut } from './deliveries.ts';
import { type Author, clock, newestOf, note, setWebhook, type WebhookRow } from './webhooks.ts';

export interface WebhookChange {
  name?: string;
  url?: string;
  types?: string[];
  enabled?: boolean;
}

/**
 * What came while it was switched off is not made up for; what waited before that goes on. Switched on, or sent elsewhere,
 * all that waits is due now, and has its day from now. The caller holds its lock.
 */
export async function changeWebhook(
  write: Write,
  webhook: WebhookRow,
  change: WebhookChange,
  author: Author,
): Promise<WebhookRow> {
  const comes = change.enabled === true && !webhook.enabled;
  while (!(await layOut(write, webhook)));

  const changed = await setWebhook(write, webhook, {
    ...change,
    ...(comes && { cursor: newestOf(webhook.tenant_id) }),
  });
  if (comes || changed.url !== webhook.url)
    await write.tx
      .updateTable('webhook_deliveries')
      .set({ since: clock, due_at: clock, round: sql`round + 1` })
      .where('webhook_id', '=', webhook.id)
      .where('status', '=', 'pending')
      .execute();
  await note(write, author, 'change-webhook', { webhookId: webhook.id, ...change });
  return changed;
}
