import { expect, test } from 'vitest';
import { createTestApp, type TestApp } from '../../support/test-app.ts';
import { endOfRun, startRun } from '../stream/streams.ts';

async function begun(api: TestApp, runId: string): Promise<void> {
  await api.database.pool.query("update runs set status = 'running', execution_id = 'x' where id = $1", [
    runId,
  ]);
}

async function typesOf(api: TestApp, runId: string): Promise<string[]> {
  const { items } = (await api.ask('GET', `/runs/${runId}/events`)).json<{ items: { type: string }[] }>();
  return items.map((event) => event.type);
}

test('a steer is stored once under its message id, and the run is woken', async () => {
  const api = await createTestApp();
  const run = await startRun(api);
  const steer = { text: 'leave the types alone', messageId: 'note-1' };
  const first = await api.ask('POST', `/runs/${run.id}/steer`, steer);
  const again = await api.ask('POST', `/runs/${run.id}/steer`, steer);
  const receipt = { runId: run.id, messageId: 'note-1', status: 'accepted', step: null };
  expect([first.statusCode, first.json()]).toEqual([202, receipt]);
  expect([again.statusCode, again.json()]).toEqual([202, receipt]);
  expect(await typesOf(api, run.id)).toEqual(['run-queued', 'steer-request']);
  expect(api.told.slice(1)).toEqual([`wake ${run.id}`, `wake ${run.id}`]);
});

test.each([
  ['interrupt', 'interrupted'],
  ['cancel', 'cancelled'],
])('%s ends a run that nobody took up, and the next of its conversation starts', async (verb, status) => {
  const api = await createTestApp();
  const run = await startRun(api);
  const queued = await startRun(api, { conversationId: run.conversationId, whenBusy: 'queue' });
  const answer = await api.ask('POST', `/runs/${run.id}/${verb}`, { messageId: 'stop-1' });
  expect([answer.statusCode, answer.json()]).toEqual([
    202,
    { runId: run.id, messageId: 'stop-1', status: 'accepted', step: null },
  ]);
  expect(await typesOf(api, run.id)).toEqual(['run-queued', `${verb}-request`, 'run-end']);
  expect((await api.ask('GET', `/runs/${run.id}`)).json()).toMatchObject({ status, reason: status });
  expect(api.told).toEqual([`started ${run.id}`, `started ${queued.id}`]);
});

test.each(['interrupt', 'cancel'])(
  '%s of a run at work is a row and a wake, with or without a body',
  async (verb) => {
    const api = await createTestApp();
    const run = await startRun(api);
    await begun(api, run.id);
    const answer = await api.ask('POST', `/runs/${run.id}/${verb}`);
    expect(answer.statusCode).toBe(202);
    expect((await api.ask('GET', `/runs/${run.id}`)).json().status).toBe('running');
    expect(await typesOf(api, run.id)).toEqual(['run-queued', `${verb}-request`]);
    expect(api.told.slice(1)).toEqual([`wake ${run.id}`]);
  },
);

test('stops without an id of their own are all kept, also where they come with one request id', async () => {
  const api = await createTestApp();
  const run = await startRun(api);
  await begun(api, run.id);
  const stops = [`/runs/${run.id}`, `/conversations/${run.conversationId}`].map(
    (path) => `${path}/interrupt`,
  );
  for (const path of [...stops, `/runs/${run.id}/cancel`])
    expect((await api.ask('POST', path, undefined, { 'x-request-id': 'mine' })).statusCode).toBe(202);
  expect(await typesOf(api, run.id)).toEqual([
    ...['run-queued', 'interrupt-request', 'interrupt-request', 'cancel-request'],
  ]);
});

test('a stop sent again is answered with what became of it', async () => {
  const api = await createTestApp();
  const run = await startRun(api);
  const stop = { messageId: 'stop-1' };
  await api.ask('POST', `/runs/${run.id}/interrupt`, stop);
  const again = await api.ask('POST', `/runs/${run.id}/interrupt`, stop);
  expect([again.statusCode, again.json()]).toEqual([
    202,
    { runId: run.id, messageId: 'stop-1', status: 'applied', step: null },
  ]);
});

test('a run that has ended takes nothing more, and says so', async () => {
  const api = await createTestApp();
  const run = await startRun(api);
  await endOfRun(api, run);
  const codes = [];
  for (const [verb, body] of [
    ['steer', { text: 'hi' }],
    ['interrupt', {}],
    ['cancel', {}],
  ] as const) {
    const answer = await api.ask('POST', `/runs/${run.id}/${verb}`, body);
    codes.push([answer.statusCode, answer.json().code, answer.json().lastRunId]);
  }
  expect(codes).toEqual([
    [404, 'RunNotActive', run.id],
    [404, 'RunNotActive', run.id],
    [409, 'RunEnded', undefined],
  ]);
  expect(await typesOf(api, run.id)).toEqual(['run-queued', 'run-end']);
});

test('a run nobody has takes nothing', async () => {
  const api = await createTestApp();
  const answer = await api.ask('POST', '/runs/0193d5a0-7c1e-7b52-9f0e-2f6f0d3a9b11/cancel', {});
  expect([answer.statusCode, answer.json().code]).toEqual([404, 'NotFound']);
});
