import { expect, test } from 'vitest';
import { v7 as uuid } from 'uuid';
import { defaultTenant } from '../../activities/store/db/database.ts';
import {
  countedWebhook,
  deleteWebhook,
  insertWebhook,
  lockForChange,
  newSecret,
} from '../../activities/store/webhooks/webhooks.ts';
import { streamOf } from '../../workflows/contracts/event.ts';
import { workflowId } from '../../workflows/contracts/messages.ts';
import { keepHistory } from '../histories/keep.ts';
import { withKernel } from '../support/kernel.ts';
import { localSender, openEndpoint } from '../support/hook-endpoint.ts';

const author = { tenantId: defaultTenant, by: 'test' };
// Far above what a busy machine takes, a pause of five seconds included.
const timeout = 60_000;

withKernel(
  (kernel) => {
    test('events reach a webhook as they come, again after a pause, and when its workflow was ended; it ends with the webhook', {
      timeout: 2 * timeout,
    }, async () => {
      const { log } = kernel.store;
      const endpoint = await openEndpoint();
      await kernel.startWorkers({ deps: (deps) => ({ ...deps, webhooks: localSender(endpoint) }) });
      const { url } = endpoint;
      const row = await log.write('test', (write) =>
        insertWebhook(write, { url, types: [], secret: newSecret(), enabled: true }, author),
      );
      const source = streamOf('run', uuid());
      const tell = async (what: string): Promise<void> => {
        const payload = { runId: source.slice(4), unit: 'call/1.0', attempt: 1, what };
        await log.write('test', async (write) =>
          write.tell({ tenantId: defaultTenant, source, events: [{ type: 'late-write', payload }] }),
        );
        await log.feed(defaultTenant, 10);
      };
      const upkeep = kernel.upkeep.find(({ kind }) => kind.name === 'webhook');
      if (!upkeep) throw new Error('Webhooks are not kept up.');
      // Whatever wakes it is lost: it is woken as the sweeper does.
      const sweep = async (): Promise<void> => {
        for (const { id } of await upkeep.kind.listUndrained(log.db, 0, 9)) upkeep.executions.wake(id);
      };
      kernel.webhooks.started(row);
      await kernel.webhooks.settled();
      endpoint.answers((_got, response) =>
        endpoint.got.length === 1 ? response.writeHead(500).end() : undefined,
      );
      await tell('one');
      await tell('two');
      await expect
        .poll(
          async () => {
            await sweep();
            return endpoint.got.map(({ message }) => message.data.seq);
          },
          { timeout, interval: 500 },
        )
        .toEqual([1, 1, 2]);

      // An operator ends it: another execution goes on where that one was.
      const id = workflowId('webhook', row.id);
      const handle = kernel.client.workflow.getHandle(id);
      await handle.terminate('a test');
      keepHistory(kernel.client, id, (await handle.describe()).runId);
      await tell('three');
      const [active] = await upkeep.kind.listActive(log.db, 9);
      if (!active) throw new Error('There is no webhook.');
      await upkeep.endLost(active);
      await upkeep.executions.settled();
      await expect.poll(endpoint.seqs, { timeout }).toEqual([1, 2, 3]);
      await expect
        .poll(async () => (await countedWebhook(log.db, defaultTenant, row.id)).waiting, { timeout })
        .toBe(0);
      await log.write('test', async (write) =>
        deleteWebhook(write, await lockForChange(write, defaultTenant, row.id), author),
      );
      await sweep();
      keepHistory(kernel.client, id);
      await kernel.client.workflow.getHandle(id).result();
      expect(await upkeep.kind.listActive(log.db, 9)).toEqual([]);
    });
  },
  { idle: true, replay: 'never' },
);
