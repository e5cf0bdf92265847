import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import type { KyselyPlugin } from 'kysely';
import { beforeAll, expect, test } from 'vitest';
import { v7 as uuid } from 'uuid';
import { countedWebhook } from '../../activities/store/webhooks/webhooks.ts';
import { openEndpoint } from '../support/hook-endpoint.ts';
import { openTestStore, type TestStore } from '../support/store.ts';
import { numbersOf, openTenant } from './webhook-tenant.ts';

let store: TestStore;
beforeAll(async () => {
  store = await openTestStore();
});

test('whatever an endpoint answers, and wherever a look is cut off, each subject arrives whole and in order', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 12 }),
      fc.array(fc.constantFrom('good', 'bad', 'cut'), { maxLength: 20 }),
      async (told, fates) => {
        const tenant = openTenant(store);
        const endpoint = await openEndpoint();
        const webhook = await tenant.add(endpoint);
        const runs = Array.from({ length: 4 }, () => uuid());
        const left = [...fates];
        let stopping = new AbortController();
        endpoint.answers((_got, response) => {
          const fate = left.shift();
          if (fate === 'bad') return response.writeHead(500).end();
          if (fate === 'cut') stopping.abort(new Error('stopping'));
          return undefined;
        });
        await tenant.tell(...told.map((index) => runs[index] ?? ''));
        for (let waiting = 1; waiting > 0; ) {
          stopping = new AbortController();
          await tenant.look(webhook, 'first', stopping.signal).catch(() => undefined);
          await tenant.pass(3_600_000 / 50);
          ({ waiting } = await countedWebhook(store.log.db, tenant.tenantId, webhook.id));
          if ((await tenant.deliveries(webhook)).length < told.length) waiting = 1;
        }
        for (const [index, run] of runs.entries()) {
          const expected = told.flatMap((each, at) => (each === index ? [at + 1] : []));
          const seqs = numbersOf(endpoint, run);
          expect([...new Set(seqs)]).toEqual(expected);
          // A repeated one is never behind the next.
          expect(seqs).toEqual(seqs.toSorted((one, other) => one - other));
        }
        await endpoint.close();
      },
    ),
    { numRuns: 15 },
  );
});

test('one that arrives while the next are looked for is not sent again', async () => {
  // Rows come to a worker some time after they were read.
  const late: KyselyPlugin = {
    transformQuery: ({ node }) => node,
    async transformResult({ result }) {
      if (result.rows.some((row) => 'subject' in row)) await sleep(150);
      return result;
    },
  };
  const tenant = openTenant({ ...store, log: { ...store.log, db: store.log.db.withPlugin(late) } });
  const endpoint = await openEndpoint();
  const webhook = await tenant.add(endpoint);
  const [one, other] = [uuid(), uuid()];
  endpoint.answers(async ({ message }, response) => {
    if (message.data.seq === 2) await sleep(60);
    response.writeHead(204).end();
  });
  await tenant.tell(one, other, other);
  await tenant.look(webhook);
  // The first two are about different runs.
  expect(endpoint.got.map(({ message }) => message.data.seq).sort()).toEqual([1, 2, 3]);
  await endpoint.close();
});
