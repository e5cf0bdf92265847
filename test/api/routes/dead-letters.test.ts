import { expect, test } from 'vitest';
import { addDeadLetter } from '../../../activities/store/runs/dead-letters.ts';
import { findRun, lockRun, type RunRow } from '../../../activities/store/runs/runs.ts';
import { markGoingOn, markStuck } from '../../../activities/store/lifecycle/stuck-run.ts';
import { DeadLetterListView, type DeadLetterView } from '../../../workflows/contracts/system.ts';
import { createTestApp, type TestApp } from '../../support/test-app.ts';
import { endOfRun, startRun } from '../stream/streams.ts';

async function newestLetter(api: TestApp): Promise<string> {
  const { items } = DeadLetterListView.parse((await api.ask('GET', '/dead-letters')).json());
  return items[0]?.id ?? '';
}

async function deadCall(api: TestApp, runId: string): Promise<string> {
  await api.log.write('test', async (write) => {
    const run = await lockRun(write, api.tenantId, runId);
    if (!run) throw new Error('the run was just started');
    const reason = 'It took its worker down.';
    await addDeadLetter(write, run, { kind: 'call', callId: '1.0', reason, attempts: 3 });
  });
  return newestLetter(api);
}

async function rowOf(api: TestApp, runId: string): Promise<RunRow> {
  const run = await findRun(api.database.db, api.tenantId, runId);
  if (!run) throw new Error(`There is no run ${runId}.`);
  return run;
}

async function stuckRun(api: TestApp, runId: string): Promise<string> {
  const run = await rowOf(api, runId);
  await api.log.write('test', (write) => markStuck(write, run, 5));
  return newestLetter(api);
}

test('a stuck run that is retried gets another execution, and leaves the list', async () => {
  const api = await createTestApp();
  const run = await startRun(api);
  const id = await stuckRun(api, run.id);
  const retried = await api.ask('POST', `/dead-letters/${id}/retry`, {});
  expect([retried.statusCode, retried.json()]).toEqual([
    200,
    expect.objectContaining({ id, kind: 'run', resolution: 'retried', resolvedBy: 'first (api)' }),
  ]);
  expect(api.told.at(-1)).toBe(`started ${run.id} again`);
  expect(await rowOf(api, run.id)).toMatchObject({ execution_id: null, generation: 1, stuck: null });
  expect((await api.ask('GET', '/dead-letters')).json().items).toEqual([]);
  expect((await api.ask('GET', '/dead-letters?open=false')).json().items.length).toBe(1);
  const again = await api.ask('POST', `/dead-letters/${id}/drop`, {});
  expect([again.statusCode, again.json().code]).toEqual([409, 'AlreadyResolved']);
});

test('a retry is one with its key: said again it hands nothing over', async () => {
  const api = await createTestApp();
  const run = await startRun(api);
  const id = await stuckRun(api, run.id);
  const key = { 'idempotency-key': 'k' };
  const first = await api.ask('POST', `/dead-letters/${id}/retry`, {}, key);
  const again = await api.ask('POST', `/dead-letters/${id}/retry`, {}, key);
  expect([again.statusCode, again.body]).toEqual([200, first.body]);
  expect(await rowOf(api, run.id)).toMatchObject({ generation: 1 });
});

test('of many who retry a run at once one does', async () => {
  const api = await createTestApp();
  const run = await startRun(api);
  const id = await stuckRun(api, run.id);
  // More than there are connections to Postgres: a request that wanted two would wait for the others for ever.
  const answers = await Promise.all(
    Array.from({ length: 24 }, () => api.ask('POST', `/dead-letters/${id}/retry`, {})),
  );
  const codes = answers.map((answer) => answer.statusCode).sort();
  expect(codes).toEqual([200, ...Array.from({ length: 23 }, () => 409)]);
  expect(await rowOf(api, run.id)).toMatchObject({ generation: 1 });
});

test('a run that goes on by itself leaves the list, and a retry of it is refused', async () => {
  const api = await createTestApp();
  const run = await startRun(api);
  const id = await stuckRun(api, run.id);
  const seen = await rowOf(api, run.id);
  await api.log.write('test', (write) => markGoingOn(write, seen));
  expect((await api.ask('GET', '/dead-letters')).json().items).toEqual([]);
  const retried = await api.ask('POST', `/dead-letters/${id}/retry`, {});
  expect([retried.statusCode, retried.json().code]).toEqual([409, 'AlreadyResolved']);
  expect(retried.json().detail).toContain('dropped by the reconciler');
  expect(await rowOf(api, run.id)).toMatchObject({ generation: 0, stuck: null });
});

test('a run that is not stuck is not taken from its execution, whatever the list says', async () => {
  const api = await createTestApp();
  const run = await startRun(api);
  const id = await stuckRun(api, run.id);
  await api.database.pool.query('update runs set stuck = null where id = $1', [run.id]);
  const retried = await api.ask('POST', `/dead-letters/${id}/retry`, {});
  expect([retried.statusCode, retried.json().code]).toEqual([422, 'NotRunnable']);
  expect(await rowOf(api, run.id)).toMatchObject({ generation: 0 });
  expect((await api.ask('GET', '/dead-letters')).json().items.length).toBe(1);
});

test('a call that is retried is told to its run once', async () => {
  const api = await createTestApp();
  const run = await startRun(api);
  const id = await deadCall(api, run.id);
  expect((await api.ask('POST', `/dead-letters/${id}/retry`)).statusCode).toBe(200);
  expect(api.told.at(-1)).toBe(`wake ${run.id}`);
  const inputs = await api.database.db.selectFrom('inputs').select(['kind', 'text']).execute();
  expect(inputs).toEqual([{ kind: 'settle', text: expect.stringContaining('call 1.0') }]);
});

test('what a failed run was asked is asked again in a new run, once, and the list says which', async () => {
  const api = await createTestApp();
  const asked = {
    prompt: 'Mend the test.',
    model: 'scripted/other',
    policy: 'headless-permissive-sandbox',
    acceptNoContainment: true,
    overBudget: 'pause',
    priority: 'high',
    limits: { steps: 7 },
    metadata: { ticket: '12' },
    project: { path: '/srv/engine' },
  };
  const run = await startRun(api, asked);
  const id = await stuckRun(api, run.id);
  await endOfRun(api, run);
  const retried = await api.ask('POST', `/dead-letters/${id}/retry`, {});
  const { retriedAs } = retried.json<DeadLetterView>();
  expect([retried.statusCode, retried.json()]).toEqual([
    200,
    expect.objectContaining({ id, runId: run.id, resolution: 'retried', retriedAs: expect.any(String) }),
  ]);
  expect(api.told.at(-1)).toBe(`started ${retriedAs}`);
  const [before, after] = [await rowOf(api, run.id), await rowOf(api, retriedAs ?? '')];
  const what = ({
    conversation_id,
    prompt,
    model,
    policy,
    priority,
    limits,
    metadata,
    project_path,
    accept_no_containment,
    over_budget,
  }: RunRow) => ({
    ...{ conversation_id, prompt, model, policy, priority, limits, metadata, project_path },
    accept_no_containment,
    over_budget,
  });
  expect(what(after)).toEqual(what(before));
  expect(after).toMatchObject({
    status: 'queued',
    over_budget: 'pause',
    parent_id: null,
    message_id: `retry-${id}`,
  });
  expect(before).toMatchObject({ status: 'failed', generation: 0 });
  const again = await api.ask('POST', `/dead-letters/${id}/retry`, {});
  expect([again.statusCode, again.json().code]).toEqual([409, 'AlreadyResolved']);
  const { items } = DeadLetterListView.parse((await api.ask('GET', '/dead-letters?open=false')).json());
  expect(items).toMatchObject([{ id, retriedAs }]);
});

test('in a conversation that has gone on, what is asked again waits for its turn', async () => {
  const api = await createTestApp();
  const run = await startRun(api);
  const id = await stuckRun(api, run.id);
  await endOfRun(api, run);
  await startRun(api, { conversationId: run.conversationId });
  const retried = await api.ask('POST', `/dead-letters/${id}/retry`, {});
  expect(retried.statusCode).toBe(200);
  expect(await rowOf(api, retried.json<DeadLetterView>().retriedAs ?? '')).toMatchObject({
    parked: true,
    status: 'queued',
  });
});

test.each([
  ['call of a failed run', deadCall, 'failed', 'and no call of an ended run is made again'],
  ['run that was cancelled', stuckRun, 'cancelled', 'and only what a failed run was asked is asked again'],
] as const)('the %s cannot be retried, but dropped', async (_what, declareDead, status, why) => {
  const api = await createTestApp();
  const run = await startRun(api);
  const id = await declareDead(api, run.id);
  await endOfRun(api, run, status);
  const retried = await api.ask('POST', `/dead-letters/${id}/retry`, {});
  expect([retried.statusCode, retried.json().code, retried.json().detail]).toEqual([
    409,
    'RunEnded',
    `Run ${run.id} has ended as ${status}, ${why}: send a new message, or drop this dead letter.`,
  ]);
  const dropped = await api.ask('POST', `/dead-letters/${id}/drop`, {});
  expect([dropped.statusCode, dropped.json().resolution]).toEqual([200, 'dropped']);
});
