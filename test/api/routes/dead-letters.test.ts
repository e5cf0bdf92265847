import { expect, test } from 'vitest';
import { addDeadLetter } from '../../../activities/store/dead-letters.ts';
import { lockRun } from '../../../activities/store/runs.ts';
import { DeadLetterListView } from '../../../workflows/contracts/system.ts';
import { createTestApp, type TestApp } from '../../support/test-app.ts';
import { endOfRun, startRun } from '../streams.ts';

async function deadLetter(api: TestApp, runId: string, kind: 'run' | 'call'): Promise<string> {
  await api.log.write(async (write) => {
    const run = await lockRun(write, api.tenantId, runId);
    if (!run) throw new Error('the run was just started');
    await addDeadLetter(write, run, {
      kind,
      reason: 'It took its worker down.',
      attempts: 3,
      ...(kind === 'call' && { callId: '1.0' }),
    });
  });
  const { items } = DeadLetterListView.parse((await api.ask('GET', '/dead-letters')).json());
  return items[0]?.id ?? '';
}

test('a stuck run that is retried gets another execution, and leaves the list', async () => {
  const api = await createTestApp();
  const run = await startRun(api);
  const id = await deadLetter(api, run.id, 'run');
  const retried = await api.ask('POST', `/dead-letters/${id}/retry`, {});
  expect([retried.statusCode, retried.json()]).toEqual([
    200,
    expect.objectContaining({ id, kind: 'run', resolution: 'retried', resolvedBy: 'first (api)' }),
  ]);
  expect(api.told.at(-1)).toBe(`retry ${run.id}`);
  expect((await api.ask('GET', '/dead-letters')).json().items).toEqual([]);
  expect((await api.ask('GET', '/dead-letters?open=false')).json().items.length).toBe(1);
  const again = await api.ask('POST', `/dead-letters/${id}/drop`, {});
  expect([again.statusCode, again.json().code]).toEqual([409, 'AlreadyResolved']);
});

test('a retry that Temporal does not hear leaves the letter as it was', async () => {
  const api = await createTestApp({
    runs: {
      started() {},
      wake() {},
      async retryRun() {
        throw new Error('14 UNAVAILABLE');
      },
    },
  });
  const run = await startRun(api);
  const id = await deadLetter(api, run.id, 'run');
  const answer = await api.ask('POST', `/dead-letters/${id}/retry`, {}, { 'idempotency-key': 'k' });
  expect([answer.statusCode, answer.json().code]).toEqual([503, 'TemporalUnavailable']);
  expect((await api.ask('GET', '/dead-letters')).json().items.length).toBe(1);
});

test('a call that is retried is told to its run once', async () => {
  const api = await createTestApp();
  const run = await startRun(api);
  const id = await deadLetter(api, run.id, 'call');
  expect((await api.ask('POST', `/dead-letters/${id}/retry`)).statusCode).toBe(200);
  expect(api.told.at(-1)).toBe(`wake ${run.id}`);
  const inputs = await api.database.db.selectFrom('inputs').select(['kind', 'text']).execute();
  expect(inputs).toEqual([{ kind: 'settle', text: expect.stringContaining('call 1.0') }]);
});

test('what belongs to an ended run cannot be retried, but dropped', async () => {
  const api = await createTestApp();
  const run = await startRun(api);
  const id = await deadLetter(api, run.id, 'call');
  await endOfRun(api, run);
  const retried = await api.ask('POST', `/dead-letters/${id}/retry`, {});
  expect([retried.statusCode, retried.json().code]).toEqual([409, 'RunEnded']);
  const dropped = await api.ask('POST', `/dead-letters/${id}/drop`, {});
  expect([dropped.statusCode, dropped.json().resolution]).toEqual([200, 'dropped']);
});
