import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect, onTestFinished, test } from 'vitest';
import { createRedactor } from '../../activities/store/log/redaction.ts';
import { addDeliveryLetter } from '../../activities/store/runs/dead-letters.ts';
import { dueDeliveries, layOut, listDeliveries } from '../../activities/store/webhooks/deliveries.ts';
import { takeWebhook } from '../../activities/store/webhooks/webhooks.ts';
import { streamOf } from '../../workflows/contracts/event.ts';
import type { WebhookWithSecretView } from '../../workflows/contracts/webhook.ts';
import { createClient } from '../../api/client/client.ts';
import { localSender, openEndpoint, shownCheck } from '../support/hook-endpoint.ts';
import { createTestApp, type TestApp } from '../support/test-app.ts';
import { v7 as uuid } from 'uuid';

const hook = { name: 'build-server', url: 'https://hooks.example.org/perdure', types: ['run-end'] };

async function asked(api: TestApp, ...request: Parameters<TestApp['ask']>) {
  const { statusCode, payload } = await api.ask(...request);
  return [statusCode, payload === '' ? undefined : JSON.parse(payload)] as const;
}

test('a webhook is made with a secret that is shown once, changed under its version, switched and taken away', async () => {
  const learnt: string[] = [];
  const api = await createTestApp({ learnSecret: (value) => void learnt.push(value) });
  const answer = await api.ask('POST', '/webhooks', hook, { 'idempotency-key': 'one' });
  const { secret, note, ...made } = answer.json<WebhookWithSecretView>();
  expect([answer.statusCode, answer.headers['cache-control']]).toEqual([201, 'no-store']);
  expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
  expect(note).toContain('shown this once');
  expect(learnt).toEqual([secret]);
  expect(made).toEqual({
    id: expect.any(String),
    ...hook,
    enabled: true,
    waiting: 0,
    dead: 0,
    lastDeliveredAt: null,
    oldSecretUntil: null,
    stuck: null,
    version: 1,
    createdAt: expect.any(String),
    createdBy: 'first (api)',
    updatedAt: expect.any(String),
  });
  const again = await api.ask('POST', '/webhooks', hook, { 'idempotency-key': 'one' });
  expect([again.statusCode, again.json<WebhookWithSecretView>().secret]).toEqual([201, null]);
  const path = `/webhooks/${made.id}`;
  expect(await asked(api, 'GET', path)).toEqual([200, made]);
  expect(await asked(api, 'GET', '/webhooks?name=build-server')).toEqual([
    200,
    { items: [made], nextCursor: null },
  ]);
  expect(await asked(api, 'POST', '/webhooks', hook)).toMatchObject([409, { code: 'WebhookExists' }]);
  expect(await asked(api, 'PATCH', path, { types: [] }, { 'if-match': '"1"' })).toMatchObject([
    200,
    { version: 2, types: [], url: hook.url },
  ]);
  expect(await asked(api, 'PATCH', path, { version: 1, enabled: false })).toMatchObject([
    409,
    { code: 'VersionStale', version: 2 },
  ]);
  expect(await asked(api, 'POST', `${path}/disable`)).toMatchObject([200, { enabled: false, version: 3 }]);
  expect(await asked(api, 'POST', `${path}/disable`)).toMatchObject([200, { version: 3 }]);
  expect(await asked(api, 'POST', `${path}/enable`)).toMatchObject([200, { enabled: true, version: 4 }]);
  const [, rotated] = await asked(api, 'POST', `${path}/rotate`, {}, { 'idempotency-key': 'two' });
  expect(rotated).toMatchObject({ oldSecretUntil: expect.any(String), version: 5 });
  expect(rotated.secret).not.toBe(secret);
  expect(await asked(api, 'DELETE', `${path}?version=1`)).toMatchObject([409, { code: 'VersionStale' }]);
  expect(await asked(api, 'DELETE', path)).toEqual([204, undefined]);
  expect(await asked(api, 'GET', path)).toMatchObject([404, { code: 'NotFound' }]);
  expect(await asked(api, 'GET', '/webhooks')).toEqual([200, { items: [], nextCursor: null }]);
  expect(new Set(api.told)).toEqual(new Set([`webhook started ${made.id}`]));
  const { rows: stored } = await api.database.pool.query<{ body: string }>(
    'select * from idempotency_keys order by created_at',
  );
  expect(stored.map(({ body }) => JSON.parse(body).secret)).toEqual([null, null]);
  const kept = JSON.stringify([
    (await api.ask('GET', '/audit')).json(),
    api.lines,
    stored,
    (await api.database.pool.query('select payload from events')).rows,
  ]);
  for (const value of [secret, rotated.secret]) expect(kept).not.toContain(value);
});

test.each([
  [{ url: 'ftp://example.org' }, 400, 'url', 'must be a web address without a user'],
  [{ url: 'https://me:key@example.org/hook' }, 400, 'url', 'without a user'],
  [{ url: `https://example.org/${'x'.repeat(2000)}` }, 400, 'url', '2000'],
  [{ url: 'http://127.0.0.1:9000/hook' }, 422, 'url', 'is not a public address'],
  [{ url: 'http://localhost:9000/hook' }, 422, 'url', 'is not a public address'],
  [{ url: 'http://[::ffff:10.0.0.1]/hook' }, 422, 'url', 'is not a public address'],
  [{ url: 'http://2130706433/hook' }, 422, 'url', 'is not a public address'],
  [{ ...hook, types: ['text-delta'] }, 400, 'types.0', 'run-end'],
  [{ ...hook, secret: 'short' }, 400, 'secret', 'must be whsec_'],
  [{ ...hook, name: 'Build Server' }, 400, 'name', 'must be small letters'],
])('%j is refused with the field and the rule', async (body, status, field, rule) => {
  const api = await createTestApp();
  const [code, { fields }] = await asked(api, 'POST', '/webhooks', body);
  expect([code, fields[0].path]).toEqual([status, field]);
  expect(fields[0].problem).toContain(rule);
});

test('there are twenty at most, however many are asked for at once', async () => {
  const api = await createTestApp();
  const answers = await Promise.all(
    Array.from({ length: 30 }, () => asked(api, 'POST', '/webhooks', { url: hook.url })),
  );
  const refused = answers.filter(([status]) => status !== 201);
  const refusal = {
    code: 'NotRunnable',
    detail: 'There are 20 webhooks, and no more can be: remove one of them.',
  };
  expect(refused).toEqual(Array.from({ length: 10 }, () => [422, expect.objectContaining(refusal)]));
  const [, { items }] = await asked(api, 'GET', '/webhooks?limit=50');
  expect(items).toHaveLength(20);
  await asked(api, 'DELETE', `/webhooks/${items[0].id}`);
  expect(await asked(api, 'POST', '/webhooks', { url: hook.url })).toMatchObject([201, {}]);
});

test('a ping is posted at once, signed, and its answer told; sent again under one key it has one id', async () => {
  const endpoint = await openEndpoint();
  const api = await createTestApp({ webhookSender: localSender(endpoint) });
  const [, { id, name, secret }] = await asked(api, 'POST', '/webhooks', { url: endpoint.url });
  const key = { 'idempotency-key': 'ping' };
  const [code, answer] = await asked(api, 'POST', `/webhooks/${id}/test`, {}, key);
  expect([code, answer]).toEqual([
    200,
    { messageId: endpoint.got[0]?.id, status: 204, ms: expect.any(Number), problem: null },
  ]);
  expect(endpoint.got[0]?.message).toMatchObject({ type: 'ping', data: { webhook: name } });
  const isGenuine = await shownCheck();
  expect(endpoint.got.every(({ headers, body }) => isGenuine(secret, headers, body))).toBe(true);
  endpoint.answers((_got, response) => response.writeHead(503).end('closed'));
  expect(await asked(api, 'POST', `/webhooks/${id}/test`, {}, key)).toMatchObject([
    200,
    { messageId: answer.messageId, status: 503, problem: 'It answered 503: closed' },
  ]);
  expect(endpoint.got).toHaveLength(2);
  expect(await asked(api, 'POST', `/webhooks/${uuid()}/test`)).toMatchObject([404, { code: 'NotFound' }]);
});

test('what an endpoint gives back of its secrets, also of the one before, is not in the answer of a ping', async () => {
  const endpoint = await openEndpoint();
  const { learn, text } = createRedactor([]);
  let startedAnew = false;
  const learnSecret = (value: string): void => void (startedAnew && learn(value));
  const api = await createTestApp({ webhookSender: localSender(endpoint), redact: text, learnSecret });
  const [, { id, secret }] = await asked(api, 'POST', '/webhooks', { url: endpoint.url });
  const [, rotated] = await asked(api, 'POST', `/webhooks/${id}/rotate`);
  startedAnew = true;
  endpoint.answers((_got, response) =>
    response.writeHead(500).end(`Neither ${secret} nor ${rotated.secret}.`),
  );
  expect(await asked(api, 'POST', `/webhooks/${id}/test`)).toMatchObject([
    200,
    { status: 500, problem: 'It answered 500: Neither [redacted] nor [redacted].' },
  ]);
});

test('all that was given up is sent again at once, in its order, and what a person has dropped is not', async () => {
  const api = await createTestApp();
  const { tenantId, log } = api;
  const [, { id }] = await asked(api, 'POST', '/webhooks', { url: hook.url });
  const look = { tenantId, webhookId: id, generation: 0, executionId: 'first' };
  await log.write('test', (write) => takeWebhook(write, look));
  const ids = () => Array.from({ length: 1000 }, () => uuid());
  await api.database.pool.query(
    `with made as (insert into webhook_deliveries (id, tenant_id, webhook_id, seq, type, subject, status, attempts, ended_at)
       select id, $1, $2, number, 'run-end', 'run/one', 'dead', 30, now()
       from unnest($3::uuid[]) with ordinality as given (id, number) returning id, seq)
     insert into dead_letters (id, tenant_id, kind, delivery_id, reason, attempts)
       select letter, $1, 'webhook', id, 'It was not there.', 30
       from made join unnest($4::uuid[]) with ordinality as given (letter, number) on number = seq`,
    [tenantId, id, ids(), ids()],
  );
  const [, { items }] = await asked(api, 'GET', '/dead-letters?limit=1');
  expect(await asked(api, 'POST', `/dead-letters/${items[0].id}/drop`)).toMatchObject([200, {}]);
  expect(await asked(api, 'POST', `/webhooks/${id}/redeliver`)).toEqual([200, { redelivered: 999 }]);
  expect(api.told.at(-1)).toBe(`webhook wake ${id}`);
  expect(await asked(api, 'GET', `/webhooks/${id}`)).toMatchObject([200, { dead: 0, waiting: 999 }]);
  expect(await asked(api, 'GET', '/dead-letters')).toEqual([200, { items: [], nextCursor: null }]);
  const due = await dueDeliveries(log.db, id, new Date(Date.now() + 1000), 9);
  expect(due.map(({ seq }) => seq)).toEqual([1]);
  expect(await asked(api, 'POST', `/webhooks/${id}/redeliver`)).toEqual([200, { redelivered: 0 }]);
  expect(await asked(api, 'POST', `/webhooks/${uuid()}/redeliver`)).toMatchObject([404, {}]);
});

test('deliveries are listed, and one that was given up is sent again by its dead letter', async () => {
  const api = await createTestApp();
  const { log, tenantId } = api;
  const [, { id }] = await asked(api, 'POST', '/webhooks', { url: hook.url });
  const runId = uuid();
  await log.write('test', async (write) =>
    write.tell({
      tenantId,
      source: streamOf('run', runId),
      events: [{ type: 'call-settle', payload: { runId, callId: '1.0', outcome: 'done', by: 'test' } }],
    }),
  );
  await log.feed(tenantId, 10);
  const look = { tenantId, webhookId: id, generation: 0, executionId: 'first' };
  await log.write('test', (write) => takeWebhook(write, look));
  await log.write('test', (write) => layOut(write, { tenant_id: tenantId, id }));
  const [delivery] = await listDeliveries(log.db, { tenantId, webhookId: id, limit: 1 });
  const deliveryId = delivery?.id ?? '';
  await api.database.pool.query(
    `update webhook_deliveries set status = 'dead', ended_at = now() where id = $1`,
    [deliveryId],
  );
  await log.write('test', (write) =>
    addDeliveryLetter(write, { tenantId, deliveryId, reason: 'It was not there.', attempts: 9 }),
  );
  expect(await asked(api, 'GET', `/webhooks/${id}/deliveries?status=dead`)).toMatchObject([
    200,
    { items: [{ id: deliveryId, type: 'call-settle', subject: `run/${runId}`, status: 'dead' }] },
  ]);
  expect(await asked(api, 'GET', `/webhooks/${id}`)).toMatchObject([200, { dead: 1, waiting: 0 }]);
  const [, { items }] = await asked(api, 'GET', '/dead-letters');
  expect(items).toMatchObject([{ kind: 'webhook', deliveryId, runId: null, taskId: null }]);
  expect(await asked(api, 'POST', `/dead-letters/${items[0].id}/retry`)).toMatchObject([
    200,
    { resolution: 'retried', retriedAs: null },
  ]);
  expect(api.told.at(-1)).toBe(`webhook wake ${id}`);
  expect(await asked(api, 'GET', `/webhooks/${id}/deliveries`)).toMatchObject([
    200,
    { items: [{ id: deliveryId, status: 'pending', endedAt: null }] },
  ]);
  expect(await asked(api, 'GET', `/webhooks/${uuid()}/deliveries`)).toMatchObject([404, {}]);
});

test('the client has the secret though the answer that had it was lost', async () => {
  const api = await createTestApp();
  // Every other answer is lost on its way.
  let sent = 0;
  const pass = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const payload = await text(request);
    const { method, url, headers } = request;
    const answer = await api.app.inject({ method: method as 'POST', url: url ?? '', headers, payload });
    if ((sent += 1) % 2 === 1) response.destroy();
    else response.writeHead(answer.statusCode, { 'content-type': 'application/json' }).end(answer.payload);
  };
  const way = createServer((request, response) => void pass(request, response)).listen(0, '127.0.0.1');
  onTestFinished(() => void way.close());
  await once(way, 'listening');
  const url = `http://127.0.0.1:${(way.address() as AddressInfo).port}`;
  const client = createClient({ url, token: api.token, retryForMs: 60_000 });
  const { secret, ...webhook } = await client.createWebhook({ url: hook.url });
  const rotated = await client.rotateWebhookSecret(webhook.id);
  const { rows } = await api.database.pool.query('select secret, old_secret from webhooks');
  expect([sent, rows]).toEqual([4, [{ secret: rotated.secret, old_secret: secret }]]);
  expect(rotated.note).toBe('Keep the secret: it is not shown again.');
});
