import { Failure } from '../../../workflows/contracts/failures.ts';
import { expect, test } from 'vitest';
import { createTestApp } from '../../support/test-app.ts';

const embedded = () => {
  const killed: string[] = [];
  return {
    killed,
    embedded: {
      processes: async () => ({ embedded: true, items: [], temporalUi: null }),
      kill: async (name: string) => {
        if (name === 'supervisor') throw new Failure('NotRunnable', 'It watches itself.');
        killed.push(name);
      },
      copyDemo: async () => Promise.reject(new Error('no demo here')),
    },
  };
};

test('without a supervisor the routes are not there', async () => {
  const api = await createTestApp();
  expect((await api.ask('GET', '/embedded/processes')).statusCode).toBe(404);
  expect((await api.ask('POST', '/embedded/processes/worker/kill')).statusCode).toBe(404);
});

test('a process is killed once for one key, and only one there is', async () => {
  const { killed, ...deps } = embedded();
  const api = await createTestApp(deps);
  const key = { 'idempotency-key': 'kill-1' };
  const answers = [
    await api.ask('POST', '/embedded/processes/worker/kill', {}, key),
    await api.ask('POST', '/embedded/processes/worker/kill', {}, key),
    await api.ask('POST', '/embedded/processes/init/kill'),
    await api.ask('POST', '/embedded/processes/supervisor/kill'),
  ];
  expect(answers.map((answer) => answer.statusCode)).toEqual([204, 204, 400, 422]);
  expect(killed).toEqual(['worker']);
});

test('what cannot be killed is told with a key as without one', async () => {
  const { killed, ...deps } = embedded();
  const api = await createTestApp(deps);
  const key = { 'idempotency-key': 'kill-2' };
  const answer = await api.ask('POST', '/embedded/processes/supervisor/kill', {}, key);
  expect([answer.statusCode, answer.json().detail]).toEqual([422, 'It watches itself.']);
  expect(answer.headers['idempotent-replayed']).toBeUndefined();
  expect(killed).toEqual([]);
});

test('callers from elsewhere are refused, whatever their headers say', async () => {
  const { killed, ...deps } = embedded();
  const api = await createTestApp(deps);
  const answer = await api.app.inject({
    method: 'POST',
    url: '/api/v1/embedded/processes/worker/kill',
    headers: { ...api.auth, 'x-forwarded-for': '127.0.0.1', host: 'localhost' },
    remoteAddress: '10.0.0.7',
  });
  expect([answer.statusCode, answer.json().code]).toEqual([403, 'Forbidden']);
  expect(killed).toEqual([]);
});

test('the demo is accepted in the name of the caller, with its key or not at all', async () => {
  let folders = 0;
  const { embedded: deps } = embedded();
  const api = await createTestApp({
    embedded: {
      ...deps,
      async copyDemo() {
        folders += 1;
        return `/demo/${folders}`;
      },
    },
  });
  const key = { 'idempotency-key': 'demo-1' };
  const first = await api.ask('POST', '/embedded/demo', {}, key);
  const again = await api.ask('POST', '/embedded/demo', {}, key);
  expect([again.statusCode, again.body]).toEqual([202, first.body]);
  expect(api.told).toEqual([`started ${first.json().runId}`]);
  const { items } = (await api.ask('GET', `/runs/${first.json().runId}/events`)).json();
  expect(items[0]).toMatchObject({ type: 'run-queued', payload: { by: 'first (api)' } });

  // The key cannot be stored: the run is not there either.
  await api.database.pool.query('drop table idempotency_keys cascade');
  const failed = await api.ask('POST', '/embedded/demo', {}, { 'idempotency-key': 'demo-2' });
  expect(failed.statusCode).toBe(500);
  expect((await api.ask('GET', '/runs')).json().items).toHaveLength(1);
});
