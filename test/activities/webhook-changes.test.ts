// Webhooks that are switched, sent elsewhere or taken away, and those whose wake-up was lost.
import { beforeAll, expect, test } from 'vitest';
import { v7 as uuid } from 'uuid';
import { changeWebhook, type WebhookChange } from '../../activities/store/webhooks/change-webhook.ts';
import {
  countedWebhook,
  deleteWebhook,
  listEnabledWebhooks,
  listUnseenWebhooks,
  lockForChange,
  newSecret,
  rotateSecret,
} from '../../activities/store/webhooks/webhooks.ts';
import { openEndpoint } from '../support/hook-endpoint.ts';
import { openTestStore, type TestStore } from '../support/store.ts';
import { openTenant } from './webhook-tenant.ts';

let store: TestStore;
beforeAll(async () => {
  store = await openTestStore();
});

test('one execution sends; another, and that of a webhook that is gone, end', async () => {
  const tenant = openTenant(store);
  const endpoint = await openEndpoint();
  const webhook = await tenant.add(endpoint);
  await tenant.look(webhook, 'first');
  expect(await tenant.look(webhook, 'second')).toEqual({ done: true });
  await tenant.tell(uuid());
  await tenant.change(webhook, deleteWebhook);
  expect(await tenant.look(webhook)).toEqual({ done: true });
  expect(endpoint.got).toEqual([]);
  expect(await tenant.deliveries(webhook)).toEqual([]);
});

test('switched off it gets nothing, and switched on what comes from then on, and what waited before as if it were new', async () => {
  const tenant = openTenant(store);
  const [endpoint, other] = [await openEndpoint(), await openEndpoint()];
  const webhook = await tenant.add(endpoint, { types: ['late-write'] });
  endpoint.answers((_got, response) => response.writeHead(500).end());
  await tenant.tell(uuid());
  await tenant.look(webhook);
  const put = (change: WebhookChange) =>
    tenant.change(webhook, (write, row, author) => changeWebhook(write, row, change, author));
  await put({ enabled: false });
  await tenant.tell(uuid());
  await tenant.pass(7 * 24 * 3_600_000);
  expect(await tenant.look(webhook)).toEqual({ done: false });
  expect(endpoint.seqs()).toEqual([1]);
  await put({ enabled: true });
  await tenant.tell(uuid());
  await tenant.look(webhook);
  const waiting = { status: 'pending', problem: 'It answered 500.' };
  expect(await tenant.deliveries(webhook)).toMatchObject([
    { ...waiting, seq: 1, attempts: 2 },
    { ...waiting, seq: 3, attempts: 1 },
  ]);
  // Nobody waits for the next attempt of what goes elsewhere.
  await put({ url: other.url });
  await tenant.look({ ...webhook, url: other.url });
  // Those about different runs come side by side.
  expect([endpoint.seqs(), other.seqs().sort()]).toEqual([
    [1, 3],
    [1, 3],
  ]);
  expect(await countedWebhook(store.log.db, tenant.tenantId, webhook.id)).toMatchObject({
    waiting: 0,
    dead: 0,
  });
});

test('what came before a change is judged by what was said then, seen by a look or not', async () => {
  const tenant = openTenant(store);
  const endpoint = await openEndpoint();
  const webhook = await tenant.add(endpoint, { types: ['late-write'] });
  const put = (change: WebhookChange) =>
    tenant.change(webhook, (write, row, author) => changeWebhook(write, row, change, author));
  await tenant.tell(uuid());
  await put({ enabled: false });
  await tenant.tell(uuid());
  await put({ enabled: true });
  await tenant.tell(uuid());
  await put({ types: ['run-end'] });
  await tenant.tell(uuid());
  await tenant.look(webhook);
  expect(endpoint.seqs().sort()).toEqual([1, 3]);
});

test('an attempt that began at the old address decides nothing at the new one', async () => {
  const tenant = openTenant(store);
  const [old, other] = [await openEndpoint(), await openEndpoint()];
  const webhook = await tenant.add(old);
  await tenant.tell(uuid());
  await tenant.pass(23 * 3_600_000);
  old.answers(async (_got, response) => {
    await tenant.change(webhook, (write, row, author) =>
      changeWebhook(write, row, { url: other.url }, author),
    );
    // A day after it came it would be given up.
    await tenant.pass(3_600_000);
    response.writeHead(500).end();
  });
  expect(await tenant.look(webhook)).toEqual({ done: false, againMs: 0 });
  await tenant.look({ ...webhook, url: other.url });
  expect([old.seqs(), other.seqs()]).toEqual([[1], [1]]);
  expect(await tenant.deliveries(webhook)).toMatchObject([
    { status: 'delivered', attempts: 1, problem: null },
  ]);
});

test('of one that is deleted a few thousand deliveries go with each look, and then the row', async () => {
  const tenant = openTenant(store);
  const webhook = await tenant.add({ url: 'https://hooks.example.org' });
  await store.database.pool.query(
    `insert into webhook_deliveries (id, tenant_id, webhook_id, seq, type, subject, status)
     select gen_random_uuid(), $1, $2, seq, 'run-end', 'run/' || seq, 'dead' from generate_series(1, 4500) seq`,
    [tenant.tenantId, webhook.id],
  );
  await tenant.change(webhook, deleteWebhook);
  const looks = [await tenant.look(webhook), await tenant.look(webhook)];
  expect([...looks, await tenant.look(webhook)]).toEqual([
    { done: false, againMs: 0 },
    { done: false, againMs: 0 },
    { done: true },
  ]);
  expect(await tenant.deliveries(webhook)).toEqual([]);
});

test('the sweeper finds those with events or changes that they have not seen, and no others', async () => {
  const tenant = openTenant(store);
  const endpoint = await openEndpoint();
  const [one, off] = [await tenant.add(endpoint), await tenant.add(endpoint, { enabled: false })];
  const unseen = async () => {
    const found = await listUnseenWebhooks(store.log.db, -1000, 1000);
    return found.flatMap(({ id }) => (id === one.id ? ['one'] : id === off.id ? ['off'] : []));
  };
  // They have no workflow yet, which is what another list is for.
  await tenant.tell(uuid());
  expect(await unseen()).toEqual([]);
  await tenant.look(one);
  await tenant.look(off);
  expect(await unseen()).toEqual([]);
  await tenant.tell(uuid());
  expect(await unseen()).toEqual(['one']);
  // Of what is new their workflow is told, so that it is not looked for at once.
  expect(await listUnseenWebhooks(store.log.db, 60_000, 1000)).toEqual([]);
  await tenant.look(one);
  expect([await unseen(), endpoint.seqs()]).toEqual([[], [1, 2]]);
  await tenant.change(one, (write, row, author) => rotateSecret(write, row, newSecret(), author));
  expect(await unseen()).toEqual(['one']);
  expect(await listUnseenWebhooks(store.log.db, 60_000, 1000)).toEqual([]);
  // A change whose transaction began before a look, and which is made after it.
  await store.log.write('test', async (write) => {
    await write.tx.selectFrom('webhooks').select('id').execute();
    await tenant.look(one);
    const author = { tenantId: tenant.tenantId, by: 'test' };
    await deleteWebhook(write, await lockForChange(write, tenant.tenantId, one.id), author);
  });
  expect(await unseen()).toEqual(['one']);
  expect(await tenant.look(one)).toEqual({ done: true });
  expect(await unseen()).toEqual([]);
});

test('a new event concerns those of its tenant that are switched on and have a workflow', async () => {
  const [tenant, other] = [openTenant(store), openTenant(store)];
  const place = { url: 'https://hooks.example.org' };
  const on = await tenant.add(place);
  const off = await tenant.add(place, { enabled: false });
  await tenant.add(place);
  await tenant.look(on);
  await tenant.look(off);
  await other.look(await other.add(place));
  expect(await listEnabledWebhooks(store.log.db, tenant.tenantId)).toEqual([{ id: on.id }]);
});
