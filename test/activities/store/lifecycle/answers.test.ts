import { expect, onTestFinished, test } from 'vitest';
import {
  aCall,
  anAttempt,
  lockedRun,
  eventsOf,
  expectWholeLog,
  openTestStore,
  storeOver,
} from '../../../support/store.ts';
import { createCuttingProxy } from '../../../support/cutting-proxy.ts';
import { openPatient } from '../../../support/patient.ts';
import { defaultTenant } from '../../../../activities/store/db/database.ts';
import { createEventLog, Superseded } from '../../../../activities/store/log/events.ts';
import { readContext } from '../../../../activities/store/runs/messages.ts';
import { openStep } from '../../../../activities/store/lifecycle/answers.ts';

const store = await openTestStore();
const { log, database } = store;

async function uses(runId: string) {
  const rows = await database.db
    .selectFrom('model_calls')
    .select(['step', 'attempt', 'status', 'input_tokens', 'cost_micros'])
    .where('run_id', '=', runId)
    .orderBy('step')
    .execute();
  return rows.map(({ step, attempt, status, input_tokens, cost_micros }) => [
    step,
    attempt,
    status,
    input_tokens,
    cost_micros,
  ]);
}

const stepStart = { type: 'step-start', payload: { step: 1, model: 'scripted/hello' } };

test('an answer is stored with its calls, its use and its events in one go', async () => {
  const run = await store.started();
  const attempt = anAttempt(run, 'model/1');
  expect(await store.open(attempt)).toMatchObject({ kind: 'opened', run: { id: run.id } });
  const refusal = { status: 'failed', output: 'There is no tool "fly".' } as const;
  const calls = await store.answer(attempt, {
    text: 'I look first.',
    calls: [aCall('1.0'), aCall('1.1', { tool: 'fly', decision: 'deny', refusal })],
    closing: [{ type: 'text-end', payload: { step: 1, block: 0 } }],
  });
  expect(calls.map(({ call_id, status, output }) => [call_id, status, output])).toEqual([
    ['1.0', 'requested', null],
    ['1.1', 'failed', refusal.output],
  ]);
  const reviewed = { step: 1, effect: 'execute', subject: 'true', rule: 'any tool', reason: 'allowed' };
  expect((await store.events(run)).slice(2)).toEqual([
    stepStart,
    { type: 'text-end', payload: { step: 1, block: 0 } },
    { type: 'message-end', payload: { step: 1, text: 'I look first.' } },
    {
      type: 'call-request',
      payload: { ...reviewed, callId: '1.0', tool: 'shell', input: '{"command":"true"}', decision: 'allow' },
    },
    {
      type: 'call-request',
      payload: { ...reviewed, callId: '1.1', tool: 'fly', input: '{"command":"true"}', decision: 'deny' },
    },
    {
      type: 'call-end',
      payload: {
        callId: '1.1',
        tool: 'fly',
        status: 'failed',
        output: refusal.output,
        bytes: 23,
        content: null,
      },
    },
    {
      type: 'step-end',
      payload: {
        step: 1,
        usage: { inputTokens: 10, cachedInputTokens: 4, outputTokens: 5 },
        costMicros: 7,
        priced: true,
        calls: 2,
      },
    },
  ]);
  expect(await store.run(run.id)).toMatchObject({
    steps: 1,
    input_tokens: 10,
    output_tokens: 5,
    cost_micros: 7,
  });
  expect(await uses(run.id)).toEqual([[1, 1, 'answered', 10, 7]]);
});

test('a retry finds the stored answer and its calls, and nothing is bought again', async () => {
  const run = await store.started();
  await store.step(run, 1, { calls: [aCall('1.0')] });
  const before = await store.events(run);
  expect(await store.open(anAttempt(run, 'model/1', 2))).toMatchObject({
    kind: 'stored',
    calls: [{ call_id: '1.0', status: 'requested' }],
  });
  expect(await store.events(run)).toEqual(before);
});

test('a retry after a dead attempt drops what that one streamed', async () => {
  const run = await store.started();
  await store.open(anAttempt(run, 'model/1', 1));
  await store.open(anAttempt(run, 'model/1', 2));
  expect((await store.events(run)).slice(2)).toEqual([
    stepStart,
    { type: 'message-reset', payload: { step: 1, reason: 'The attempt before did not finish.' } },
  ]);
  await expect(store.answer(anAttempt(run, 'model/1', 1), { text: 'stale' })).rejects.toThrow(Superseded);
  await store.answer(anAttempt(run, 'model/1', 2), { text: 'fresh' });
  const context = await readContext(database.db, defaultTenant, run.id);
  expect(context.filter(({ role }) => role === 'assistant').map(({ text }) => text)).toEqual(['fresh']);
  expect(await uses(run.id)).toEqual([[1, 2, 'answered', 10, 7]]);
});

test('an answer whose COMMIT was not answered is stored once when it is stored again', async () => {
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
  const run = await store.started();
  const attempt = anAttempt(run, 'model/1');
  await store.open(attempt);
  const happened = proxy.cutNextCommit();
  await expect(cut.answer(attempt, { calls: [aCall('1.0')] })).rejects.toThrow();
  await happened;
  const calls = await cut.answer(attempt, { calls: [aCall('1.0')] });
  expect(calls.map(({ call_id, status }) => [call_id, status])).toEqual([['1.0', 'requested']]);
  expect(await uses(run.id)).toEqual([[1, 1, 'answered', 10, 7]]);
  expect(await store.run(run.id)).toMatchObject({ steps: 1, cost_micros: 7 });
  await expectWholeLog(store);
});

test('a step is not opened for a run that is to stop, is over a limit, or has ended', async () => {
  const run = await store.started();
  const attempt = anAttempt(run, 'model/1');
  const over = log.write('test', async (write) =>
    openStep(write, await lockedRun(write, run.id), {
      step: 1,
      attempt,
      reached: 'limit_steps',
      keep: async () => 'kept',
    }),
  );
  expect(await over).toEqual({ kind: 'limit', reason: 'limit_steps' });
  await store.input(run, { kind: 'interrupt', messageId: 'stop' });
  expect(await store.open(attempt)).toEqual({ kind: 'stopped' });
  const before = await store.events(run);
  expect(before.map(({ type }) => type)).toEqual(['run-queued', 'run-start', 'interrupt-request']);
  await store.end(run, { status: 'interrupted', reason: 'interrupted' });
  expect(await store.open(attempt)).toEqual({ kind: 'stopped' });
  expect(await eventsOf(database, `run/${run.id}`)).toHaveLength(before.length + 1);
});

test('whatever a model writes can be stored', async () => {
  const run = await store.started();
  const odd = 'a\u0000b\ud83d';
  await store.step(run, 1, { text: odd });
  const context = await readContext(database.db, defaultTenant, run.id);
  expect(context.at(-1)).toMatchObject({ role: 'assistant', text: 'a\ufffdb\ufffd' });
});

test('an answer that is not whole has a note behind it, and a retry hears the same of it', async () => {
  const run = await store.started();
  await store.step(run, 1, { text: 'One, ', unfinished: 'cut' });
  await store.step(run, 2, { text: 'two.' });
  const context = await readContext(database.db, defaultTenant, run.id);
  expect(context.slice(1).map(({ step, role, internal, text }) => [step, role, internal, text])).toEqual([
    [1, 'assistant', false, 'One, '],
    [1, 'user', true, expect.stringContaining('Go on exactly where it stopped')],
    [2, 'assistant', false, 'two.'],
  ]);
  const again = (step: number) => store.open(anAttempt(run, `model/${step}`, 2));
  expect(await again(1)).toMatchObject({ kind: 'stored', calls: [], rest: { asked: true } });
  expect(await again(2)).toMatchObject({ kind: 'stored', calls: [], rest: { asked: false } });
});

test('the rest of an answer is asked for a bounded number of times in a row', async () => {
  const run = await store.started();
  const lacks = [
    'cut',
    'empty',
    'empty',
    undefined,
    'empty',
    'empty',
    'cut',
    'empty',
    'empty',
    'empty',
  ] as const;
  for (const [index, unfinished] of lacks.entries())
    await store.step(run, index + 1, { text: unfinished === 'empty' ? ' ' : 'word', unfinished });
  const found = [];
  for (const step of lacks.keys()) {
    const stored = await store.open(anAttempt(run, `model/${step + 1}`, 2));
    found.push(stored.kind === 'stored' && stored.rest.asked && (stored.rest.givenUp ?? 'asked'));
  }
  const asked = 'asked';
  expect(found).toEqual([asked, asked, asked, false, asked, asked, asked, asked, asked, 'answer_empty']);
});
