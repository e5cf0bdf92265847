import { expect, test } from 'vitest';
import { CallListView } from '../../../workflows/contracts/call.ts';
import { createTestApp, type TestApp } from '../../support/test-app.ts';
import { endOfRun, startRun } from '../stream/streams.ts';

async function addCall(
  api: TestApp,
  runId: string,
  step: number,
  index: number,
  status: string,
): Promise<void> {
  await api.database.db
    .insertInto('calls')
    .values({
      run_id: runId,
      call_id: `${step}.${index}`,
      tenant_id: api.tenantId,
      step,
      index,
      provider_call_id: 'p',
      tool: 'shell',
      input: JSON.stringify({ command: 'npm publish' }),
      input_hash: 'h',
      effect: 'execute',
      subject: 'npm publish',
      repeat: 'once',
      decision: 'allow',
      rule: 'r',
      reason: 'r',
      status,
    })
    .execute();
}

test('calls come in the order they were made, page by page', async () => {
  const api = await createTestApp();
  const run = await startRun(api);
  for (const [step, index] of [
    [2, 0],
    [10, 0],
    [1, 0],
    [1, 1],
    [1, 10],
    [1, 2],
  ] as const) {
    await addCall(api, run.id, step, index, 'succeeded');
  }
  const seen: string[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const query: string = cursor === '' ? '' : `&cursor=${cursor}`;
    const answer = await api.ask('GET', `/runs/${run.id}/calls?limit=2${query}`);
    const page = CallListView.parse(answer.json());
    seen.push(...page.items.map((call) => call.callId));
    cursor = page.nextCursor;
  }
  expect(seen).toEqual(['1.0', '1.1', '1.2', '1.10', '2.0', '10.0']);
});

test('an unknown outcome is settled once, and the run hears of it', async () => {
  const api = await createTestApp();
  const run = await startRun(api);
  await addCall(api, run.id, 1, 0, 'unknown');
  const path = `/runs/${run.id}/calls/1.0/settle`;
  const settled = await api.ask('POST', path, { outcome: 'done', output: '+ shop@1.2.0' });
  expect([settled.statusCode, settled.json()]).toEqual([
    200,
    expect.objectContaining({ callId: '1.0', status: 'unknown', settled: 'done', settledBy: 'first (api)' }),
  ]);
  expect(api.told.at(-1)).toBe(`wake ${run.id}`);
  const again = await api.ask('POST', path, { outcome: 'not_done' });
  expect([again.statusCode, again.json().code]).toEqual([409, 'AlreadyResolved']);
});

test('what is known or not there cannot be settled', async () => {
  const api = await createTestApp();
  const run = await startRun(api);
  await addCall(api, run.id, 1, 0, 'succeeded');
  const known = await api.ask('POST', `/runs/${run.id}/calls/1.0/settle`, { outcome: 'done' });
  const absent = await api.ask('POST', `/runs/${run.id}/calls/1.1/settle`, { outcome: 'done' });
  const wrong = await api.ask('POST', `/runs/${run.id}/calls/one/settle`, { outcome: 'done' });
  expect([known.json().code, absent.json().code, wrong.json().code]).toEqual([
    'CallNotUnknown',
    'NotFound',
    'InvalidInput',
  ]);
});

test('settling after the run has ended corrects the record only', async () => {
  const api = await createTestApp();
  const run = await startRun(api);
  await addCall(api, run.id, 1, 0, 'unknown');
  await endOfRun(api, run);
  const settled = await api.ask('POST', `/runs/${run.id}/calls/1.0/settle`, { outcome: 'not_done' });
  expect(settled.json().settled).toBe('not_done');
  const events = (await api.ask('GET', `/runs/${run.id}/events`)).json<{ items: { type: string }[] }>();
  expect(events.items.at(-1)?.type).toBe('run-end');
});
