// Delivers events to one webhook, as long as there is that webhook. What is due and what becomes of it, the activity
// decides in rows.
import { attendUntilDone } from './attend.ts';
import type { DeliverHooksInput } from './contracts/activities.ts';
import { activities } from './proxies.ts';

export async function deliverHooks(input: DeliverHooksInput): Promise<void> {
  await attendUntilDone(input, activities.attendWebhook);
}
