// A tenant with webhooks and events of its own, whose looks a test makes by hand.
import { v7 as uuid } from 'uuid';
import { vi } from 'vitest';
import { createRedactor } from '../../activities/store/log/redaction.ts';
import { listDeliveries, toDeliveryView } from '../../activities/store/webhooks/deliveries.ts';
import {
  type deleteWebhook,
  insertWebhook,
  lockForChange,
  newSecret,
  type WebhookRow,
} from '../../activities/store/webhooks/webhooks.ts';
import { look } from '../../activities/webhooks.ts';
import { streamOf } from '../../workflows/contracts/event.ts';
import { type HookEndpoint, localSender } from '../support/hook-endpoint.ts';
import type { TestStore } from '../support/store.ts';

// Postgres says from when a new delivery is due: its clock must not come past that of the look meanwhile.
const aheadMs = 60_000;

export function openTenant(store: Pick<TestStore, 'log' | 'database'>, tenantId = uuid()) {
  const author = { tenantId, by: 'test' };
  const { log } = store;
  const { db } = log;

  /** One event for each run named. */
  async function tell(...runs: string[]): Promise<void> {
    for (const runId of runs)
      await log.write('test', async (write) =>
        write.tell({
          tenantId,
          source: streamOf('run', runId),
          events: [
            { type: 'late-write', payload: { runId, unit: 'call/1.0', attempt: 1, what: 'a result' } },
          ],
        }),
      );
    await log.feed(tenantId, 1000);
  }

  return {
    tenantId,
    tell,
    add: ({ url }: { url: string }, changes: object = {}) =>
      log.write('test', (write) =>
        insertWebhook(write, { url, types: [], secret: newSecret(), enabled: true, ...changes }, author),
      ),
    change: ({ id }: WebhookRow, act: (...of: Parameters<typeof deleteWebhook>) => Promise<WebhookRow>) =>
      log.write('test', async (write) => act(write, await lockForChange(write, tenantId, id), author)),
    /**
     * One look of its workflow, by an execution of this name. Its clock stands, so that on a slow machine nothing that
     * has failed comes due within it, and it is not over before it has sent all.
     */
    async look(webhook: WebhookRow, executionId = 'first', signal = new AbortController().signal) {
      vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + aheadMs });
      const clock = vi.spyOn(performance, 'now').mockReturnValue(performance.now());
      try {
        return await look(
          { log, webhooks: localSender(webhook), redactor: createRedactor([]) },
          { tenantId, webhookId: webhook.id, generation: 0, executionId },
          signal,
        );
      } finally {
        clock.mockRestore();
        vi.useRealTimers();
      }
    },
    async deliveries({ id }: WebhookRow) {
      const rows = await listDeliveries(db, { tenantId, webhookId: id, limit: 200 });
      return rows.map(toDeliveryView).sort((one, other) => one.seq - other.seq);
    },
    /** As if so many milliseconds had passed. */
    async pass(ms: number) {
      await store.database.pool.query(
        `update webhook_deliveries set since = since - $1 * interval '1 ms', due_at = due_at - $1 * interval '1 ms'
         where tenant_id = $2`,
        [ms, tenantId],
      );
    },
  };
}

/** Numbers of the events about one run, as they arrived. */
export function numbersOf(endpoint: HookEndpoint, run: string): number[] {
  return endpoint.got
    .filter(({ message }) => (message.data.payload as { runId: string }).runId === run)
    .map(({ message }) => message.data.seq);
}
