import { expect, test } from 'vitest';
import { createTestApp } from '../support/test-app.ts';

const room = { folder: '/data', freeBytes: 1_000, minFreeBytes: 100_000, entriesLeft: true };
const problem = 'The disk of /data is full: 0 MB are free, and new work needs 0 MB.';

test('without room new work is refused with 507, and what was accepted before, and stopping it, is not', async () => {
  let full = false;
  const api = await createTestApp({ diskProblem: () => (full ? problem : undefined), diskRoom: () => room });
  const wanted = { prompt: 'one', messageId: 'first' };
  const first = await api.ask('POST', '/runs', wanted);
  full = true;
  const refused = await api.ask('POST', '/runs', { prompt: 'two' }, { 'idempotency-key': 'two' });
  const again = await api.ask('POST', '/runs', wanted);
  const stopped = await api.ask('POST', `/runs/${first.json().id}/interrupt`, {});
  expect([first, refused, again, stopped].map(({ statusCode }) => statusCode)).toEqual([202, 507, 202, 202]);
  expect(again.json().id).toBe(first.json().id);
  expect(refused.headers['content-type']).toContain('application/problem+json');
  expect(refused.headers['retry-after']).toBe('30');
  expect(refused.json()).toEqual({
    type: '/problems/DiskFull',
    title: 'The disk is full',
    status: 507,
    detail: problem,
    code: 'DiskFull',
    requestId: refused.headers['x-request-id'],
  });
  full = false;
  const later = await api.ask('POST', '/runs', { prompt: 'two' }, { 'idempotency-key': 'two' });
  expect(later.statusCode).toBe(202);
});

test('what Postgres refuses for want of room is called a full disk, also when it cannot be reached for it', async () => {
  const failing = (code: string) => () => {
    throw Object.assign(new Error('no'), { code });
  };
  const ask = async (code: string, full: boolean) => {
    const api = await createTestApp({
      externalToolsProblem: failing(code),
      diskProblem: () => (full ? problem : undefined),
      diskRoom: () => room,
    });
    const answer = await api.ask('POST', '/runs', { prompt: 'x' });
    return [answer.statusCode, answer.json().code, answer.json().detail];
  };
  expect(await ask('53100', false)).toEqual([
    507,
    'DiskFull',
    'The disk of Postgres, or of the data folder, is full; nothing was lost. Make room there and try again.',
  ]);
  expect(await ask('ECONNREFUSED', true)).toEqual([507, 'DiskFull', problem]);
  expect((await ask('ECONNREFUSED', false))[1]).toBe('StoreUnavailable');
});

test('health says which disk is full, and that nothing new is taken', async () => {
  const api = await createTestApp({ diskProblem: () => problem, diskRoom: () => room });
  const answer = await api.app.inject({ url: '/api/v1/health/ready' });
  const { status, disk } = answer.json();
  expect([answer.statusCode, status, disk.state, disk.problem, disk.room]).toEqual([
    503,
    'degraded',
    'down',
    problem,
    room,
  ]);
});
