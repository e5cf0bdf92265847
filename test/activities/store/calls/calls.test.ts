import { expect, onTestFinished, test } from 'vitest';
import { v7 as uuid } from 'uuid';
import { aCall, anAttempt, expectWholeLog, openTestStore, storeOver } from '../../../support/store.ts';
import { createCuttingProxy } from '../../../support/cutting-proxy.ts';
import { openPatient } from '../../../support/patient.ts';
import {
  type CallRow,
  findCall,
  listCalls,
  noteIntent,
  toCallView,
} from '../../../../activities/store/calls/calls.ts';
import { defaultTenant, isStoreOutage } from '../../../../activities/store/db/database.ts';
import { createEventLog, Superseded } from '../../../../activities/store/log/events.ts';
import { noteHandle } from '../../../../activities/store/runs/attempts.ts';
import { readContext } from '../../../../activities/store/runs/messages.ts';
import type { RunRow } from '../../../../activities/store/runs/runs.ts';

const store = await openTestStore();
const { database } = store;

/** A run with one step that asked for one call of that repeat class. */
async function asked(repeat: 'safe' | 'once' = 'once'): Promise<RunRow> {
  const run = await store.started();
  await store.step(run, 1, { calls: [aCall('1.0', { repeat })] });
  return run;
}

async function call(run: RunRow, callId = '1.0') {
  const found = await findCall(database.db, defaultTenant, run.id, callId);
  if (!found) throw new Error(`There is no call ${callId}.`);
  return found;
}

async function toolMessages(run: RunRow) {
  const context = await readContext(database.db, defaultTenant, run.id);
  return context
    .filter(({ role }) => role === 'tool')
    .map(({ callId, text, failed }) => ({ callId, text, failed }));
}

test('a call goes from its request over its claim to its one result', async () => {
  const run = await asked();
  const attempt = anAttempt(run, 'call/1.0');
  const claim = await store.claim(attempt);
  expect(claim).toMatchObject({
    kind: 'claimed',
    predecessor: undefined,
    call: { status: 'running', attempts: 1 },
  });
  await store.record(attempt, { output: 'All is well.' });
  const row = await call(run);
  expect(toCallView(row)).toEqual({
    runId: run.id,
    callId: '1.0',
    step: 1,
    tool: 'shell',
    input: { command: 'true' },
    effect: 'execute',
    subject: 'true',
    runs: null,
    repairs: [],
    repeat: 'once',
    decision: 'allow',
    rule: 'any tool',
    reason: 'allowed',
    status: 'succeeded',
    output: 'All is well.',
    outputBytes: 12,
    content: null,
    network: [],
    attempts: 1,
    settled: null,
    settledBy: null,
    startedAt: row.started_at?.toISOString(),
    endedAt: row.ended_at?.toISOString(),
  });
  expect((await store.events(run)).slice(-2)).toEqual([
    { type: 'call-start', payload: { callId: '1.0', tool: 'shell' } },
    {
      type: 'call-end',
      payload: {
        callId: '1.0',
        tool: 'shell',
        status: 'succeeded',
        output: 'All is well.',
        bytes: 12,
        content: null,
      },
    },
  ]);
  expect(await toolMessages(run)).toEqual([{ callId: '1.0', text: 'All is well.', failed: false }]);
});

test('a retry that finds a result is given it and acts no more', async () => {
  const run = await asked();
  await store.claim(anAttempt(run, 'call/1.0'));
  await store.record(anAttempt(run, 'call/1.0'), { output: 'first' });
  expect(await store.claim(anAttempt(run, 'call/1.0', 2))).toMatchObject({
    kind: 'recorded',
    call: { status: 'succeeded', output: 'first', attempts: 1 },
  });
});

test('a retry that finds a claim without a result is told of it, with what was noted before acting', async () => {
  const run = await asked();
  const first = await store.claim(anAttempt(run, 'call/1.0', 1));
  if (first.kind !== 'claimed') throw new Error('The first attempt was not given the call.');
  await noteIntent(database.db, first.call, { before: 'aa', after: 'bb' });
  expect(await store.claim(anAttempt(run, 'call/1.0', 2, uuid()))).toMatchObject({
    kind: 'claimed',
    predecessor: { intent: { before: 'aa', after: 'bb' }, lost: 1 },
    call: { attempts: 2 },
  });
  await expect(
    noteIntent(database.db, first.call, { before: 'late', after: 'late' }),
    'what may note nothing any more must not act either',
  ).rejects.toThrow(Superseded);
  expect((await call(run)).intent, 'the old attempt notes nothing any more').toEqual({
    before: 'aa',
    after: 'bb',
  });
  expect(await store.claim(anAttempt(run, 'call/1.0', 3, uuid()))).toMatchObject({
    predecessor: { lost: 2 },
  });
});

test('a claim is given to an attempt once: what it has done since then, nobody can tell', async () => {
  const run = await asked();
  const attempt = anAttempt(run, 'call/1.0');
  const { call: claimed } = (await store.claim(attempt)) as { call: CallRow };
  await noteIntent(database.db, claimed, { before: 'aa' });
  await noteHandle(database.db, attempt, { kind: 'test' });
  await expect(store.claim(attempt)).rejects.toThrow(Superseded);
  expect(await store.claim(anAttempt(run, 'call/1.0', 2))).toMatchObject({
    predecessor: { intent: { before: 'aa' } },
  });
});

test('the late result of an older attempt is refused', async () => {
  const run = await asked();
  const [old, young] = [anAttempt(run, 'call/1.0', 1), anAttempt(run, 'call/1.0', 2)];
  await store.claim(old);
  await store.claim(young);
  await expect(store.record(old, { output: 'late' })).rejects.toThrow(Superseded);
  await store.record(young, { status: 'unknown', output: 'nobody knows', failed: true });
  await expect(store.record(old, { output: 'later' })).rejects.toThrow(Superseded);
  await expect(store.record(young, { status: 'failed', output: 'again' })).rejects.toThrow(Superseded);
  expect(await toolMessages(run)).toEqual([{ callId: '1.0', text: 'nobody knows', failed: true }]);
  await expectWholeLog(store);
});

test('a call of a run that is to stop is not started, and one under way is', async () => {
  const run = await asked();
  await store.input(run, { kind: 'interrupt', messageId: 'stop' });
  expect(await store.claim(anAttempt(run, 'call/1.0'))).toEqual({ kind: 'stopped' });
  expect((await call(run)).status).toBe('requested');

  const busy = await asked();
  await store.claim(anAttempt(busy, 'call/1.0', 1));
  await store.input(busy, { kind: 'cancel', messageId: 'stop' });
  expect(await store.claim(anAttempt(busy, 'call/1.0', 2)), 'what it did must be found out').toMatchObject({
    kind: 'claimed',
    predecessor: { lost: 0 },
  });
});

test('a result whose COMMIT was not answered is stored once when it is stored again', async () => {
  const { hostname, port } = new URL(store.url);
  const proxy = await createCuttingProxy({ host: hostname, port: Number(port) });
  const through = openPatient({ url: proxy.urlOf(store.url), connections: 1, name: 'test-cut' });
  onTestFinished(() => through.close());
  const notifier = { touch: () => {}, close: async () => {} };
  const cut = storeOver(
    store.url,
    through,
    createEventLog({ db: through.db, notifier, redact: (text) => text }),
  );
  const run = await asked();
  const attempt = anAttempt(run, 'call/1.0');
  await store.claim(attempt);

  const happened = proxy.cutNextCommit();
  const error = await cut.record(attempt, { output: 'once' }).catch((reason: unknown) => reason);
  await happened;
  expect(isStoreOutage(error)).toBe(true);
  expect((await call(run)).status, 'it had been committed').toBe('succeeded');
  await cut.record(attempt, { output: 'once' });
  expect(await toolMessages(run)).toEqual([{ callId: '1.0', text: 'once', failed: false }]);
  expect((await store.events(run)).filter(({ type }) => type === 'call-end')).toHaveLength(1);
  await expectWholeLog(store);
});

test('results of parallel calls stand in call order, whichever came first', async () => {
  const run = await store.started();
  const ids = ['1.0', '1.1', '1.2', '1.3'];
  await store.step(run, 1, { calls: ids.map((id) => aCall(id)) });
  await Promise.all(ids.map((id) => store.claim(anAttempt(run, `call/${id}`))));
  for (const id of ['1.2', '1.0', '1.3', '1.1'])
    await store.record(anAttempt(run, `call/${id}`), { output: id });
  expect((await toolMessages(run)).map(({ text }) => text)).toEqual(ids);
});

test('a tool may answer anything: what Postgres cannot hold is replaced', async () => {
  const run = await asked();
  await store.claim(anAttempt(run, 'call/1.0'));
  await store.record(anAttempt(run, 'call/1.0'), { output: 'a\u0000b\ud83d' });
  expect(await toolMessages(run)).toEqual([{ callId: '1.0', text: 'a\ufffdb\ufffd', failed: false }]);
});

test('calls are listed by step and index, page by page', async () => {
  const run = await store.started();
  await store.step(run, 1, { calls: Array.from({ length: 11 }, (_, index) => aCall(`1.${index}`)) });
  await store.step(run, 2, { calls: [aCall('2.0')] });
  const page = { tenantId: defaultTenant, runId: run.id, limit: 6 };
  const first = await listCalls(database.db, page);
  const last = first.at(-1);
  const rest = await listCalls(database.db, {
    ...page,
    after: { step: last?.step ?? 0, index: last?.index ?? 0 },
  });
  expect([...first, ...rest].map(({ call_id }) => call_id)).toEqual([
    ...Array.from({ length: 11 }, (_, index) => `1.${index}`),
    '2.0',
  ]);
});

test('a call that does not exist, or of another tenant, cannot be claimed', async () => {
  const run = await asked();
  await expect(store.claim(anAttempt(run, 'call/1.7'))).rejects.toThrow('has no call 1.7');
  expect(await findCall(database.db, '00000000-0000-0000-0000-000000000001', run.id, '1.0')).toBeUndefined();
});
