import { v7 as uuid } from 'uuid';
import { expect, test } from 'vitest';
import { registerExecutor } from '../../../activities/store/runs/executors.ts';
import { ReadyView } from '../../../workflows/contracts/system.ts';
import { createTestApp, type TestApp } from '../../support/test-app.ts';

/** Polled: on a busy machine a dependency may say nothing for the two seconds that it has. */
async function states(api: TestApp): Promise<unknown[]> {
  const answer = await api.app.inject({ url: '/api/v1/health/ready' });
  const { status, postgres, temporal, workers } = ReadyView.parse(answer.json());
  return [answer.statusCode, status, postgres.state, temporal.state, workers.state];
}

async function addWorker(api: TestApp): Promise<void> {
  await registerExecutor(api.database.db, {
    id: uuid(),
    tenantId: api.tenantId,
    host: 'here',
    pid: 1,
    startedTicks: '1',
    queues: ['tools'],
    capacity: {},
  });
}

test('health is answered to anybody', async () => {
  const api = await createTestApp();
  const answer = await api.app.inject({ url: '/api/v1/health' });
  expect([answer.statusCode, answer.json()]).toEqual([200, { status: 'ok', version: '0.0.0-test' }]);
});

test('ready needs Postgres, Temporal and a worker that beats', async () => {
  const api = await createTestApp();
  await expect.poll(() => states(api)).toEqual([503, 'degraded', 'up', 'up', 'down']);
  await addWorker(api);
  await expect.poll(() => states(api)).toEqual([200, 'ready', 'up', 'up', 'up']);
  await api.database.pool.query("update executors set heartbeat_at = now() - interval '20 seconds'");
  await expect.poll(() => states(api)).toEqual([503, 'degraded', 'up', 'up', 'down']);
});

test('a dependency that says nothing is down after two seconds, and what it says is redacted', async () => {
  const api = await createTestApp({ temporalHealth: () => new Promise(() => {}) });
  await addWorker(api);
  await expect.poll(() => states(api)).toEqual([503, 'degraded', 'up', 'down', 'up']);
  const other = await createTestApp({
    redact: (text) => text.replaceAll('hunter2', '***'),
    temporalHealth: async () => {
      throw new Error('no route to temporal://user:hunter2@host');
    },
  });
  const answer = await other.app.inject({ url: '/api/v1/health/ready' });
  expect(answer.json().temporal.problem).toBe('no route to temporal://user:***@host');
});
