import { expect, test } from 'vitest';
import { aCall, anAttempt, expectWholeLog, openTestStore, toldTo } from '../../../support/store.ts';
import { defaultTenant } from '../../../../activities/store/db/database.ts';
import { StreamEnded } from '../../../../activities/store/log/events.ts';
import { readContext } from '../../../../activities/store/runs/messages.ts';
import { toRunViews } from '../../../../activities/store/allowances/run-money.ts';
import { lockRun, type RunRow, streamFor } from '../../../../activities/store/runs/runs.ts';
import { recordLate } from '../../../../activities/store/lifecycle/end-run.ts';
import { type RunStatus, runStatuses } from '../../../../workflows/contracts/run.ts';
import { canBecome } from '../../../../workflows/run/transitions.ts';

const store = await openTestStore();
const { log, database } = store;

async function calls(run: RunRow) {
  const rows = await database.db
    .selectFrom('calls')
    .select(['call_id', 'status'])
    .where('run_id', '=', run.id)
    .orderBy('index')
    .execute();
  return rows.map(({ call_id, status }) => [call_id, status]);
}

test('a run ends once, with one terminal event, and nothing follows it', async () => {
  const run = await store.started();
  await store.step(run, 1, { text: 'The answer.' });
  const ended = await store.end(run);
  expect([ended.ended, ended.promoted]).toEqual([true, undefined]);
  expect(await store.run(run.id)).toMatchObject({
    status: 'succeeded',
    reason: 'finished',
    reason_text: 'The agent finished.',
    final_message: 'The answer.',
    denied_calls: { count: 0, items: [] },
    ended_at: expect.any(Date),
  });
  expect((await store.events(run)).at(-1)).toEqual({
    type: 'run-end',
    payload: {
      final: true,
      status: 'succeeded',
      reason: 'finished',
      reasonText: 'The agent finished.',
      steps: 1,
      usage: { inputTokens: 10, cachedInputTokens: 4, outputTokens: 5 },
      costMicros: 7,
    },
  });
  expect(await store.end(run, { status: 'failed', reason: 'workflow_gone' })).toMatchObject({ ended: false });
  expect(await store.run(run.id)).toMatchObject({ status: 'succeeded' });
  await expect(log.append({ ...streamFor(run), events: [] })).rejects.toThrow(StreamEnded);
  expect((await toldTo(database)).at(-1)).toEqual({
    type: 'late-write',
    payload: { runId: run.id, unit: 'run', attempt: 0, what: 'ending as failed' },
  });
  await expectWholeLog(store);
});

test('of many who end a run at once one does', async () => {
  const run = await store.started();
  const ended = await Promise.all(
    Array.from({ length: 12 }, (_, index) =>
      store.end(run, index % 2 === 0 ? {} : { status: 'failed', reason: 'workflow_gone' }),
    ),
  );
  expect(ended.filter((each) => each.ended)).toHaveLength(1);
  await expectWholeLog(store);
});

for (const from of runStatuses) {
  test(`from ${from} a run ends only as the transition table allows`, async () => {
    for (const to of ['succeeded', 'failed', 'timed_out', 'interrupted', 'cancelled'] satisfies RunStatus[]) {
      const { run } = await store.accept();
      await database.db.updateTable('runs').set({ status: from }).where('id', '=', run.id).execute();
      const { ended } = await store.end(run, { status: to });
      expect([to, ended, (await store.run(run.id)).status]).toEqual([
        to,
        canBecome(from, to),
        canBecome(from, to) ? to : from,
      ]);
    }
  });
}

test('every call that is open at the end is closed with what is known of it', async () => {
  const run = await store.started();
  const asked = [
    aCall('1.0', { repeat: 'once' }),
    aCall('1.1', { repeat: 'safe' }),
    aCall('1.2', { repeat: 'once' }),
    aCall('1.3', { repeat: 'keyed' }),
  ];
  await store.step(run, 1, { calls: asked });
  for (const id of ['1.0', '1.1', '1.3']) await store.claim(anAttempt(run, `call/${id}`));
  await store.end(run, { status: 'failed', reason: 'workflow_gone' });
  expect(await calls(run)).toEqual([
    ['1.0', 'unknown'],
    ['1.1', 'stopped'],
    ['1.2', 'stopped'],
    ['1.3', 'unknown'],
  ]);
  const context = await readContext(database.db, defaultTenant, run.id);
  expect(context.filter(({ role }) => role === 'tool').map(({ callId, failed }) => [callId, failed])).toEqual(
    [
      ['1.0', true],
      ['1.1', true],
      ['1.2', true],
      ['1.3', true],
    ],
  );
  expect((await store.events(run)).slice(-5).map(({ type }) => type)).toEqual([
    'call-end',
    'call-end',
    'call-end',
    'call-end',
    'run-end',
  ]);
  await expectWholeLog(store);
});

test('the end of a run says which of its calls were denied, the first twenty of them', async () => {
  const run = await store.started();
  const refusal = { status: 'denied', output: 'Denied by policy (any): not here.' } as const;
  const denied = {
    decision: 'deny',
    reason: 'not here',
    refusal,
    subject: 'curl x'.padEnd(400, 'x'),
  } as const;
  const calls = Array.from({ length: 22 }, (_, index) => aCall(`1.${index}`, denied));
  const invalid = { ...denied, refusal: { status: 'failed', output: 'There is no such tool.' } } as const;
  await store.step(run, 1, { calls: [...calls, aCall('1.22', invalid), aCall('1.23')] });
  const attempt = anAttempt(run, 'call/1.23');
  await store.claim(attempt);
  // Decided to be allowed, and refused when the path was used.
  await store.record(attempt, { status: 'denied', output: 'The link leads out.', failed: true });
  await store.end(run);
  const items = calls.slice(0, 20).map(({ callId }) => ({
    ...{ callId, tool: 'shell', subject: denied.subject.slice(0, 300), reason: 'not here' },
  }));
  const deniedCalls = { count: 23, items };
  expect((await store.events(run)).at(-1)).toMatchObject({ type: 'run-end', payload: { deniedCalls } });
  expect(await toRunViews(database.db, [await store.run(run.id)])).toMatchObject([{ deniedCalls }]);
});

test('a half-streamed answer is dropped and waiting messages are refused', async () => {
  const run = await store.started();
  await store.open(anAttempt(run, 'model/1'));
  await store.input(run, { kind: 'steer', messageId: 'late', text: 'Wait!' });
  await store.input(run, { kind: 'settle', messageId: 'settled' });
  await store.input(run, { kind: 'interrupt', messageId: 'stop' });
  await store.end(run, { status: 'interrupted', reason: 'interrupted' });
  expect((await store.events(run)).slice(5)).toEqual([
    { type: 'message-reset', payload: { step: 1, reason: 'The run ended first.' } },
    {
      type: 'steer-response',
      payload: {
        messageId: 'late',
        outcome: 'refused',
        step: null,
        reason: 'The run ended before its next model call.',
      },
    },
    expect.objectContaining({ type: 'run-end' }),
  ]);
  const inputs = await database.db
    .selectFrom('inputs')
    .select(['kind', 'status'])
    .where('run_id', '=', run.id)
    .orderBy('id')
    .execute();
  expect(inputs).toEqual([
    { kind: 'steer', status: 'refused' },
    { kind: 'settle', status: 'refused' },
    { kind: 'interrupt', status: 'applied' },
  ]);
});

test('the next parked message gets its turn, with the parent of that moment', async () => {
  const run = await store.started();
  const queued = { conversationId: run.conversation_id, whenBusy: 'queue' } as const;
  const { run: second } = await store.accept(queued);
  const { run: third } = await store.accept(queued);
  expect((await store.end(run)).promoted?.id).toBe(second.id);
  expect(await store.run(second.id)).toMatchObject({ parked: false, parent_id: run.id, status: 'queued' });
  expect((await store.events(second)).at(-1)).toEqual({
    type: 'run-ready',
    payload: { after: run.id, parentId: run.id },
  });
  await store.begin(second);
  expect((await store.end(second, { status: 'failed', reason: 'model_failed' })).promoted?.id).toBe(third.id);
  expect(await store.run(third.id), 'a failed run left no snapshot').toMatchObject({ parent_id: run.id });
  await expectWholeLog(store);
});

test('parked messages have their turns as they were accepted, whichever began to wait for the lock first', async () => {
  const run = await store.started();
  const queue = async () =>
    (await store.accept({ conversationId: run.conversation_id, whenBusy: 'queue' })).run;
  const [first, second] = [await queue(), await queue()];
  const change = { created_at: new Date(0) };
  await store.database.db.updateTable('runs').set(change).where('id', '=', second.id).execute();
  expect((await store.end(run)).promoted?.id).toBe(first.id);
});

test('a parked message that is cancelled makes no room, and is passed over when its turn comes', async () => {
  const run = await store.started();
  const queued = { conversationId: run.conversation_id, whenBusy: 'queue' } as const;
  const { run: second } = await store.accept(queued);
  const { run: third } = await store.accept(queued);
  const cancelled = await store.end(second, { status: 'cancelled', reason: 'cancelled' });
  expect([cancelled.ended, cancelled.promoted]).toEqual([true, undefined]);
  expect(await store.run(second.id)).toMatchObject({ status: 'cancelled', parked: false });
  expect((await store.end(run)).promoted?.id).toBe(third.id);
  await expectWholeLog(store);
});

test('a parked message that is interrupted leaves nothing: the next goes on from what was done before', async () => {
  const first = await store.started();
  await store.step(first, 1, { text: 'Done.' });
  await store.end(first);
  const conversationId = first.conversation_id;
  const { run: active } = await store.accept({ conversationId, messageId: 'active' });
  const { run: parked } = await store.accept({ conversationId, messageId: 'parked', whenBusy: 'queue' });
  await store.end(parked, { status: 'interrupted', reason: 'interrupted' });
  await store.end(active, { status: 'cancelled', reason: 'cancelled' });
  const { run: next } = await store.accept({ conversationId, messageId: 'next' });
  expect(next.parent_id).toBe(first.id);
});

test('the output of a call that ends the run is the final message', async () => {
  const run = await store.started();
  await store.step(run, 1, { text: 'I am done.', calls: [aCall('1.0', { endsRun: true, repeat: 'safe' })] });
  await store.claim(anAttempt(run, 'call/1.0'));
  await store.record(anAttempt(run, 'call/1.0'), { output: 'All three tests pass.' });
  await store.end(run);
  expect(await store.run(run.id)).toMatchObject({ final_message: 'All three tests pass.' });
});

test('what comes late is noted on the stream of a live run and on the tenant of an ended one', async () => {
  const run = await store.started();
  const late = () =>
    log.write('test', async (write) => {
      const locked = await lockRun(write, defaultTenant, run.id);
      if (locked) recordLate(write, locked, { unit: 'call/1.0', attempt: 3 }, 'the result of 1.0');
    });
  const event = {
    type: 'late-write',
    payload: { runId: run.id, unit: 'call/1.0', attempt: 3, what: 'the result of 1.0' },
  };
  await late();
  expect((await store.events(run)).at(-1)).toEqual(event);
  await store.end(run);
  await late();
  expect((await toldTo(database)).at(-1)).toEqual(event);
  await expectWholeLog(store);
});

for (const [what, steps, message] of [
  ['of the last step, and of none before it', [{ text: 'Look.' }, { text: '' }], null],
  [
    'of the steps that a cut answer took',
    [
      { text: 'Look.', calls: [aCall('1.0')], unfinished: 'cut' },
      { text: 'One, ', unfinished: 'cut' },
      { text: '', unfinished: 'empty' },
      { text: 'two.' },
    ],
    'One, two.',
  ],
  ['that was said until it was given up', [{ text: 'One, ', unfinished: 'cut' }], 'One, '],
] as const) {
  test(`the final message is that ${what}`, async () => {
    const run = await store.started();
    for (const [index, { text, ...step }] of steps.entries()) {
      await store.step(run, index + 1, { text, ...step, calls: 'calls' in step ? [...step.calls] : [] });
    }
    await store.end(run);
    expect(await store.run(run.id)).toMatchObject({ final_message: message });
  });
}

test('what a person said in the middle of a cut answer is answered anew', async () => {
  const run = await store.started();
  await store.step(run, 1, { text: 'One, ', unfinished: 'cut' });
  await store.input(run, { kind: 'steer', messageId: 'stop' });
  await store.step(run, 2, { text: 'Never mind, ', unfinished: 'cut' });
  await store.step(run, 3, { text: 'then.' });
  await store.end(run);
  expect(await store.run(run.id)).toMatchObject({ final_message: 'Never mind, then.' });
});
