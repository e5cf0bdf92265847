import { expect, test } from 'vitest';
import { attend } from '../../activities/store/schedules/attend.ts';
import { seedSchedules } from '../../activities/store/schedules/schedules.ts';
import { createTestApp, type TestApp } from '../support/test-app.ts';

const run = { prompt: 'Run the tests.', project: null };
// At a time that no day leaves out or has twice.
const nightly = { name: 'nightly', cron: '30 4 * * *', timeZone: 'Europe/Berlin', run };

async function asked(api: TestApp, ...request: Parameters<TestApp['ask']>) {
  const { statusCode, payload } = await api.ask(...request);
  return [statusCode, payload === '' ? undefined : JSON.parse(payload)] as const;
}

test('a schedule is made, shown, changed under its version, switched and deleted, and Temporal told each time', async () => {
  const api = await createTestApp();
  const [created, made] = await asked(api, 'POST', '/schedules', nightly);
  expect([created, made]).toEqual([
    201,
    {
      id: expect.any(String),
      ...nightly,
      job: null,
      everySeconds: null,
      jitterSeconds: 0,
      overlap: 'skip',
      catchUpSeconds: 86_400,
      attempts: 1,
      enabled: true,
      when: 'At 04:30 (Europe/Berlin)',
      fromManifest: false,
      version: 1,
      nextDueAt: expect.stringMatching(/T0[23]:30:00\.000Z$/),
      createdAt: expect.any(String),
      createdBy: 'first (api)',
      updatedAt: expect.any(String),
    },
  ]);
  const path = `/schedules/${made.id}`;
  expect(await asked(api, 'GET', path)).toEqual([200, made]);
  expect(await asked(api, 'GET', '/schedules?name=nightly')).toEqual([
    200,
    { items: [made], nextCursor: null },
  ]);
  expect(await asked(api, 'POST', '/schedules', nightly)).toMatchObject([409, { code: 'ScheduleExists' }]);
  const changed = await asked(api, 'PUT', path, { ...nightly, attempts: 3 }, { 'if-match': '"1"' });
  expect(changed).toMatchObject([200, { version: 2, attempts: 3, nextDueAt: made.nextDueAt }]);
  expect(await asked(api, 'PUT', path, { ...nightly, version: 1 })).toMatchObject([
    409,
    { code: 'VersionStale', version: 2 },
  ]);
  expect(await asked(api, 'POST', `${path}/disable`)).toMatchObject([
    200,
    { enabled: false, nextDueAt: null },
  ]);
  expect(await asked(api, 'POST', `${path}/disable`)).toMatchObject([200, { version: 3 }]);
  expect(await asked(api, 'POST', `${path}/trigger`)).toMatchObject([422, { code: 'NotRunnable' }]);
  expect(await asked(api, 'POST', `${path}/enable`)).toMatchObject([200, { enabled: true, version: 4 }]);
  expect(await asked(api, 'DELETE', `${path}?version=3`)).toMatchObject([409, { code: 'VersionStale' }]);
  expect(await asked(api, 'DELETE', path)).toEqual([204, undefined]);
  expect(await asked(api, 'GET', path)).toMatchObject([404, { code: 'NotFound' }]);
  expect(api.told).toEqual(Array.from({ length: 5 }, () => `timer ${made.id}`));
  expect((await asked(api, 'POST', '/schedules', nightly))[0]).toBe(201);
});

test('what its run would be refused for is refused when it is saved, with the field', async () => {
  const api = await createTestApp();
  const [, bad] = await asked(api, 'POST', '/schedules', { ...nightly, cron: '30 2 * *' });
  expect(bad).toMatchObject({
    code: 'InvalidInput',
    fields: [{ path: 'cron', problem: expect.stringMatching(/^cron has five fields/) }],
  });
  for (const [wanted, code] of [
    [{ model: 'nowhere/model' }, 'UnknownModel'],
    [{ policy: 'none-such' }, 'UnknownPolicy'],
    [{ conversationId: '0193d5a4-55d0-7a11-8c3f-90b4a7c1de02' }, 'NotFound'],
    [{ messageId: 'mine' }, 'InvalidInput'],
  ] as const) {
    const [, refused] = await asked(api, 'POST', '/schedules', { ...nightly, run: { ...run, ...wanted } });
    expect([wanted, refused.code]).toEqual([wanted, code]);
  }
  expect(await asked(api, 'GET', '/schedules')).toEqual([200, { items: [], nextCursor: null }]);
});

test('upkeep of the server is scheduled in place of a run, and the nightly pruning is there from the first start', async () => {
  const api = await createTestApp();
  await seedSchedules(api.log, api.tenantId);
  await seedSchedules(api.log, api.tenantId);
  const [, { items }] = await asked(api, 'GET', '/schedules');
  expect(items).toMatchObject([
    { name: 'nightly-pruning', when: 'At 03:00 (UTC)', run: null, job: 'prune', createdBy: 'Perdure' },
  ]);
  const path = `/schedules/${items[0].id}`;
  const later = { name: 'nightly-pruning', cron: '0 5 * * *', job: 'prune', version: 1 };
  expect(await asked(api, 'PUT', path, later)).toMatchObject([200, { when: 'At 05:00 (UTC)' }]);
  expect(await asked(api, 'POST', `${path}/trigger`, { dryRun: true })).toMatchObject([202, { model: null }]);
  for (const both of [{ run, job: 'prune' }, {}])
    expect(
      await asked(api, 'POST', '/schedules', { name: 'other', everySeconds: 60, ...both }),
    ).toMatchObject([400, { fields: [{ path: 'run', problem: 'Say either run or job, and not both.' }] }]);
  // Made into something else, or taken away, it does not come back.
  const backup = { name: 'nightly-pruning', cron: '0 5 * * *', job: 'backup', version: 2 };
  const [, changed] = await asked(api, 'PUT', path, backup);
  await seedSchedules(api.log, api.tenantId);
  expect(await asked(api, 'GET', '/schedules')).toEqual([200, { items: [changed], nextCursor: null }]);
  const [, renamed] = await asked(api, 'PUT', path, { ...backup, name: 'nightly-backup', version: 3 });
  await seedSchedules(api.log, api.tenantId);
  expect(await asked(api, 'GET', '/schedules')).toEqual([200, { items: [renamed], nextCursor: null }]);
  await asked(api, 'DELETE', path);
  await seedSchedules(api.log, api.tenantId);
  expect(await asked(api, 'GET', '/schedules')).toMatchObject([200, { items: [] }]);
});

test('its run is started by hand, or only said to be, and both are told in the ledger', async () => {
  const api = await createTestApp();
  const [, { id }] = await asked(api, 'POST', '/schedules', nightly);
  const dry = await asked(api, 'POST', `/schedules/${id}/trigger`, { dryRun: true });
  const would = {
    occurrenceId: null,
    outcome: null,
    reason: null,
    model: 'scripted/hello',
    policy: 'headless-safe-sandbox',
    project: null,
    overlapping: false,
  };
  expect(dry).toEqual([202, would]);
  expect(await asked(api, 'GET', `/schedules/${id}/occurrences`)).toMatchObject([200, { items: [] }]);
  const [, begun] = await asked(api, 'POST', `/schedules/${id}/trigger`);
  expect(begun).toEqual({
    ...would,
    outcome: 'waiting',
    occurrenceId: expect.stringMatching(new RegExp(`^${id}-[0-9a-f-]{36}$`)),
  });
  expect(api.told.at(-1)).toBe(`started ${begun.occurrenceId}`);
  const [, again] = await asked(api, 'POST', `/schedules/${id}/trigger`);
  expect(again).toMatchObject({
    outcome: 'skipped',
    reason: expect.stringMatching(/had not ended\.$/),
    overlapping: true,
  });
  const [, ledger] = await asked(api, 'GET', `/schedules/${id}/occurrences`);
  expect(ledger.items).toMatchObject([
    {
      id: again.occurrenceId,
      byHand: true,
      outcome: 'skipped',
      reason: expect.stringMatching(/had not ended\.$/),
    },
    { id: begun.occurrenceId, byHand: true, outcome: 'waiting', reason: null, runId: null, attempts: 0 },
  ]);
  const [, first] = await asked(api, 'GET', `/schedules/${id}/occurrences?limit=1`);
  const [, rest] = await asked(api, 'GET', `/schedules/${id}/occurrences?limit=5&cursor=${first.nextCursor}`);
  expect([...first.items, ...rest.items]).toEqual(ledger.items);
});

test('a preview has the next ten times as clocks there show them', async () => {
  const api = await createTestApp();
  const [status, preview] = await asked(api, 'POST', '/schedules/preview', {
    cron: '0 9 * * 1',
    timeZone: 'Asia/Tokyo',
  });
  expect([status, preview.when, preview.forecast, preview.next.length]).toEqual([
    200,
    'At 09:00, only on Monday (Asia/Tokyo)',
    null,
    10,
  ]);
  for (const { dueAt, local } of preview.next)
    expect([dueAt, local]).toEqual([
      expect.stringMatching(/T00:00:00\.000Z$/),
      expect.stringMatching(/^Mon .* 09:00$/),
    ]);
});

test('a preview tells from the latest runs what the next ones may cost', async () => {
  const api = await createTestApp();
  const [, { id }] = await asked(api, 'POST', '/schedules', nightly);
  const [, { occurrenceId }] = await asked(api, 'POST', `/schedules/${id}/trigger`);
  const own = { tenantId: api.tenantId, scheduleId: id, occurrenceId, generation: 0, executionId: 'one' };
  const begins = { needs: api.deps, retention: api.deps.retention };
  await api.log.write('test', (write) => attend(write, begins, own, new Date()));
  const preview = { everySeconds: 86_400, scheduleId: id };
  expect((await asked(api, 'POST', '/schedules/preview', preview))[1].forecast).toBeNull();
  await api.database.pool.query('update runs set ended_at = now(), cost_micros = 1000');
  expect((await asked(api, 'POST', '/schedules/preview', preview))[1].forecast).toEqual({
    runs: 1,
    costMicros: 1000,
    costMicrosPer30Days: 30_000,
  });
});
