import { expect, test } from 'vitest';
import { v7 as uuid } from 'uuid';
import { dueDeliveries, layOut, recordAttempt } from '../../../../activities/store/webhooks/deliveries.ts';
import { openTestStore } from '../../../support/store.ts';
import { openTenant } from '../../webhook-tenant.ts';

const store = await openTestStore();

test('what an attempt came to is not noted over that of one made since', async () => {
  const tenant = openTenant(store);
  const webhook = await tenant.add({ url: 'https://hooks.example.org' });
  await tenant.tell(uuid());
  await store.log.write('test', (write) => layOut(write, webhook));
  const [delivery] = await dueDeliveries(store.database.db, webhook.id, new Date(), 1);
  if (!delivery) throw new Error('Nothing is due.');
  const note = (status: number, problem: string | null, attempts = 0, at = new Date()): Promise<boolean> =>
    store.log.write('test', (write) =>
      recordAttempt(write, { ...delivery, attempts }, { status, ms: 1, problem }, at),
    );
  expect([await note(503, 'It answered 503.'), await note(204, null)]).toEqual([true, false]);
  expect(await tenant.deliveries(webhook)).toMatchObject([
    { status: 'pending', attempts: 1, answer: { status: 503 }, problem: 'It answered 503.' },
  ]);
  // However long the pause would be, the last attempt is made when the day is over.
  const over = delivery.since.getTime() + 24 * 3_600_000;
  expect(await note(503, 'It answered 503.', 1, new Date(over - 1000))).toBe(true);
  expect(await tenant.deliveries(webhook)).toMatchObject([
    { status: 'pending', attempts: 2, dueAt: new Date(over).toISOString() },
  ]);
});
