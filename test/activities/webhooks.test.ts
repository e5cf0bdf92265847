import { beforeAll, expect, test } from 'vitest';
import { v7 as uuid } from 'uuid';
import { createRedactor } from '../../activities/store/log/redaction.ts';
import { listDeadLetters } from '../../activities/store/runs/dead-letters.ts';
import { layOut, lockForDelivery, redeliver } from '../../activities/store/webhooks/deliveries.ts';
import { newSecret, rotateSecret } from '../../activities/store/webhooks/webhooks.ts';
import { look } from '../../activities/webhooks.ts';
import { localSender, openEndpoint, shownCheck } from '../support/hook-endpoint.ts';
import { testPort } from '../support/ports.ts';
import { openTestStore, type TestStore } from '../support/store.ts';
import { numbersOf, openTenant } from './webhook-tenant.ts';

let store: TestStore;
beforeAll(async () => {
  store = await openTestStore();
});

test('each event since the webhook was made is posted once, signed, and the script of the README verifies it', async () => {
  const tenant = openTenant(store);
  const endpoint = await openEndpoint();
  const run = uuid();
  await tenant.tell(run);
  const webhook = await tenant.add(endpoint);
  await tenant.tell(run, run);
  expect(await tenant.look(webhook)).toEqual({ done: false });
  const isGenuine = await shownCheck();
  const [first] = endpoint.got;
  expect(endpoint.got.map(({ message }) => message.data.seq)).toEqual([2, 3]);
  expect(first?.message).toEqual({
    type: 'late-write',
    timestamp: first?.message.data.at,
    data: {
      ...{ stream: `tenant/${tenant.tenantId}`, seq: 2, conversationSeq: null, at: first?.message.data.at },
      ...{ type: 'late-write', version: 1, attempt: 0 },
      payload: { runId: run, unit: 'call/1.0', attempt: 1, what: 'a result' },
      source: { stream: `run/${run}`, seq: null },
    },
  });
  for (const { headers, body } of endpoint.got) {
    expect(isGenuine(webhook.secret, headers, body)).toBe(true);
    expect(isGenuine(newSecret(), headers, body)).toBe(false);
    expect(isGenuine(webhook.secret, headers, `${body} `)).toBe(false);
    expect(isGenuine(webhook.secret, { ...headers, 'webhook-timestamp': '1700000000' }, body)).toBe(false);
  }
  expect(await tenant.look(webhook)).toEqual({ done: false });
  expect(endpoint.got).toHaveLength(2);
  expect(await tenant.deliveries(webhook)).toMatchObject([
    { seq: 2, status: 'delivered', attempts: 1, answer: { status: 204 }, problem: null, dueAt: null },
    { seq: 3, status: 'delivered', subject: `run/${run}` },
  ]);
});

test('what fails holds back its own subject alone, and comes again under the same id after 5, 10, 20 seconds', async () => {
  const tenant = openTenant(store);
  const endpoint = await openEndpoint();
  const webhook = await tenant.add(endpoint);
  const [good, bad] = [uuid(), uuid()];
  const failing = new Set([500, 302, 410]);
  let status = 500;
  endpoint.answers(({ message }, response) => {
    const { runId } = message.data.payload as { runId: string };
    if (runId === bad && failing.has(status))
      return response.writeHead(status, { location: `${webhook.url}/elsewhere` }).end('No room\nhere.');
    return undefined;
  });
  await tenant.tell(bad, good, bad, good);
  expect(await tenant.look(webhook)).toEqual({ done: false, againMs: 5000 });
  expect(numbersOf(endpoint, good)).toEqual([2, 4]);
  expect(numbersOf(endpoint, bad)).toEqual([1]);
  expect(await tenant.deliveries(webhook)).toMatchObject([
    {
      seq: 1,
      status: 'pending',
      attempts: 1,
      answer: { status: 500 },
      problem: 'It answered 500: No room here.',
    },
    { seq: 2, status: 'delivered' },
    { seq: 3, status: 'pending', attempts: 0 },
    { seq: 4, status: 'delivered' },
  ]);
  status = 302;
  await tenant.pass(5000);
  expect(await tenant.look(webhook)).toEqual({ done: false, againMs: 10_000 });
  const [redirected] = await tenant.deliveries(webhook);
  expect(redirected).toMatchObject({
    attempts: 2,
    problem: `It answered 302 to ${webhook.url}/elsewhere; redirects are not followed.`,
  });
  status = 200;
  await tenant.pass(10_000);
  await tenant.look(webhook);
  expect(numbersOf(endpoint, bad)).toEqual([1, 1, 1, 3]);
  const ids = endpoint.got.filter(({ message }) => message.data.seq === 1).map(({ id }) => id);
  expect(new Set(ids)).toEqual(new Set([redirected?.id]));
});

test('what an endpoint gives back of its secrets is not kept', async () => {
  const tenant = openTenant(store);
  const endpoint = await openEndpoint();
  const webhook = await tenant.add(endpoint);
  endpoint.answers((_got, response) => response.writeHead(500).end(`Not ${webhook.secret}.`));
  await tenant.tell(uuid());
  await tenant.look(webhook);
  expect(await tenant.deliveries(webhook)).toMatchObject([{ problem: 'It answered 500: Not [redacted].' }]);
});

test('after a day without success an event is a dead letter, what came behind it goes on, and it can be sent again', async () => {
  const tenant = openTenant(store);
  const endpoint = await openEndpoint();
  const webhook = await tenant.add(endpoint);
  const run = uuid();
  let isDown = true;
  endpoint.answers((_got, response) => (isDown ? response.writeHead(503).end() : undefined));
  await tenant.tell(run);
  await tenant.look(webhook);
  await tenant.pass(24 * 3_600_000);
  await tenant.tell(run);
  await tenant.look(webhook);
  const [dead, next] = await tenant.deliveries(webhook);
  expect([dead, next]).toMatchObject([
    { status: 'dead', attempts: 2 },
    { status: 'pending', attempts: 1 },
  ]);
  const letters = await listDeadLetters(store.log.db, { tenantId: tenant.tenantId, limit: 10, open: true });
  expect(letters).toMatchObject([
    {
      ...{ kind: 'webhook', delivery_id: dead?.id, run_id: null, task_id: null, attempts: 2 },
      reason: 'Event 1 (late-write) was not delivered: It answered 503.',
    },
  ]);
  await store.log.write('test', async (write) =>
    redeliver(write, await lockForDelivery(write, tenant.tenantId, dead?.id ?? ''), dead?.id ?? ''),
  );
  await tenant.look(webhook);
  // It has a day again.
  expect(await tenant.deliveries(webhook)).toMatchObject([
    { status: 'pending', attempts: 3, id: dead?.id },
    { status: 'pending', attempts: 1 },
  ]);
  isDown = false;
  await tenant.pass(20_000);
  await tenant.look(webhook);
  expect(await tenant.deliveries(webhook)).toMatchObject([
    { status: 'delivered', attempts: 4, id: dead?.id },
    { status: 'delivered', attempts: 2 },
  ]);
});

test('an event that is not kept any more is given up at once, and the next is sent as itself', async () => {
  const tenant = openTenant(store);
  const endpoint = await openEndpoint();
  const webhook = await tenant.add(endpoint);
  const run = uuid();
  await tenant.tell(run, run);
  await store.log.write('test', (write) => layOut(write, webhook));
  await store.database.pool.query(`delete from events where stream = $1 and seq = 1`, [
    `tenant/${tenant.tenantId}`,
  ]);
  await tenant.look(webhook);
  expect(await tenant.deliveries(webhook)).toMatchObject([
    { seq: 1, status: 'dead', attempts: 1, problem: 'Its event is not kept any more.' },
    { seq: 2, status: 'delivered', attempts: 1 },
  ]);
  expect(numbersOf(endpoint, run)).toEqual([2]);
});

test('one that is not there is tried again, and a private address is never reached', async () => {
  const tenant = openTenant(store);
  const webhook = await tenant.add({ url: `http://127.0.0.1:${await testPort()}/hook` });
  const inside = await tenant.add({ url: 'http://127.0.0.1:1/hook' });
  await tenant.tell(uuid());
  await tenant.look(webhook);
  await look(
    { log: store.log, webhooks: localSender(), redactor: createRedactor([]) },
    { tenantId: tenant.tenantId, webhookId: inside.id, generation: 0, executionId: 'first' },
    new AbortController().signal,
  );
  const [away] = await tenant.deliveries(webhook);
  const [refused] = await tenant.deliveries(inside);
  expect([away, refused]).toMatchObject([
    { status: 'pending', answer: { status: null }, problem: expect.stringContaining('ECONNREFUSED') },
    {
      status: 'pending',
      problem: 'It was not reached: 127.0.0.1 is not a public address; only public addresses can be reached.',
    },
  ]);
});

test('a slow answer holds up its own subject, and neither others nor what comes meanwhile', async () => {
  const tenant = openTenant(store);
  const endpoint = await openEndpoint();
  const webhook = await tenant.add(endpoint);
  const [slow, quick] = [uuid(), uuid()];
  let release = (): void => undefined;
  const [third, fourth] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  endpoint.answers(({ message }, response) => {
    const { runId } = message.data.payload as { runId: string };
    if (message.data.seq === 3) third.resolve();
    if (message.data.seq === 4) fourth.resolve();
    if (runId !== slow) return undefined;
    release = () => void response.writeHead(204).end();
    return 'later';
  });
  await tenant.tell(slow, slow, quick);
  const looking = tenant.look(webhook);
  await third.promise;
  await tenant.tell(quick);
  await fourth.promise;
  // Nobody has given it up meanwhile.
  expect((await tenant.deliveries(webhook))[0]).toMatchObject({ seq: 1, status: 'pending', attempts: 0 });
  expect([numbersOf(endpoint, quick), numbersOf(endpoint, slow)]).toEqual([[3, 4], [1]]);
  endpoint.answers(() => undefined);
  release();
  await looking;
  expect(numbersOf(endpoint, slow)).toEqual([1, 2]);
});

test.each([
  ['has another execution by now', 'execution_id = null, generation = generation + 1'],
  ['was switched off', 'enabled = false'],
])(
  'a look whose webhook %s while it sends ends what it has begun, and begins nothing more',
  async (_how, change) => {
    const tenant = openTenant(store);
    const endpoint = await openEndpoint();
    const webhook = await tenant.add(endpoint);
    let release = (): void => undefined;
    endpoint.answers((_got, response) => {
      release = () => void response.writeHead(204).end();
      return 'later';
    });
    await tenant.tell(uuid());
    const looking = tenant.look(webhook);
    await expect.poll(() => endpoint.seqs()).toEqual([1]);
    await store.database.pool.query(`update webhooks set ${change} where id = $1`, [webhook.id]);
    await tenant.tell(uuid());
    endpoint.answers(() => undefined);
    release();
    expect(await looking).toEqual({ done: false, againMs: 0 });
    expect(endpoint.seqs()).toEqual([1]);
    expect(await tenant.deliveries(webhook)).toMatchObject([{ seq: 1, status: 'delivered', attempts: 1 }]);
  },
);

test('a look that was cut off is made again by another worker: nothing is lost, and an id stays with its event', async () => {
  const tenant = openTenant(store);
  const endpoint = await openEndpoint();
  const webhook = await tenant.add(endpoint);
  const runs = [uuid(), uuid(), uuid()];
  const stopping = new AbortController();
  endpoint.answers((_got, response) => {
    if (endpoint.got.length === 4) stopping.abort(new Error('stopping'));
    return endpoint.got.length < 4 ? undefined : response;
  });
  await tenant.tell(...runs, ...runs, ...runs);
  await expect(tenant.look(webhook, 'first', stopping.signal)).rejects.toThrow('stopping');
  endpoint.answers(() => undefined);
  await tenant.look(webhook);
  expect(endpoint.seqs().sort((one, other) => one - other)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  const idOf = new Map(endpoint.got.map(({ id, message }) => [message.data.seq, id]));
  for (const { id, message } of endpoint.got) expect(id).toBe(idOf.get(message.data.seq));
  for (const run of runs) {
    const seqs = [...new Set(numbersOf(endpoint, run))];
    expect(seqs).toEqual(seqs.toSorted((one, other) => one - other));
  }
});

test('an event of another type is passed over, and the secret before signs too for a day', async () => {
  const tenant = openTenant(store);
  const endpoint = await openEndpoint();
  const others = await tenant.add(endpoint, { types: ['run-end'] });
  const webhook = await tenant.add(endpoint);
  const secret = newSecret();
  await tenant.change(webhook, (write, row, author) => rotateSecret(write, row, secret, author));
  await tenant.tell(uuid());
  await tenant.look(others);
  expect(endpoint.got).toEqual([]);
  await tenant.look(webhook);
  const isGenuine = await shownCheck();
  const [got] = endpoint.got;
  expect([webhook.secret, secret].map((each) => got && isGenuine(each, got.headers, got.body))).toEqual([
    true,
    true,
  ]);
  await store.database.pool.query(`update webhooks set old_secret_until = now() where id = $1`, [webhook.id]);
  await tenant.tell(uuid());
  await tenant.look(webhook);
  const later = endpoint.got[1];
  expect([webhook.secret, secret].map((each) => later && isGenuine(each, later.headers, later.body))).toEqual(
    [false, true],
  );
});
