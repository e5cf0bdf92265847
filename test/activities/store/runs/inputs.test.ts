import pg from 'pg';
import { expect, test } from 'vitest';
import { anAttempt, expectWholeLog, openTestStore } from '../../../support/store.ts';
import { defaultTenant } from '../../../../activities/store/db/database.ts';
import {
  isMessage,
  stopAmong,
  stoppedAmong,
  waitingInputs,
} from '../../../../activities/store/runs/inputs.ts';
import { readContext } from '../../../../activities/store/runs/messages.ts';
import { stopsChannel } from '../../../../activities/store/log/notifier.ts';
import { listUndrained, type RunRow } from '../../../../activities/store/runs/runs.ts';

const store = await openTestStore();
const { db } = store.database;

async function said(run: RunRow) {
  const context = await readContext(db, defaultTenant, run.id);
  return context.map(({ step, role, text, internal }) => [step, role, text, internal]);
}

test('steers become messages of the next step, in the order they came, each with a receipt', async () => {
  const run = await store.started();
  expect(await store.input(run, { kind: 'steer', messageId: 'one', text: 'First.' })).toEqual({
    runId: run.id,
    messageId: 'one',
    status: 'accepted',
    step: null,
  });
  await store.input(run, { kind: 'steer', messageId: 'two', text: 'Second.' });
  await store.input(run, { kind: 'settle', messageId: 'three', text: 'It was done.' });
  expect((await waitingInputs(db, run.id)).some(isMessage)).toBe(true);
  await store.step(run, 1);
  expect((await waitingInputs(db, run.id)).some(isMessage)).toBe(false);
  expect(await said(run)).toEqual([
    [0, 'user', 'Say hello.', false],
    [1, 'user', 'First.', false],
    [1, 'user', 'Second.', false],
    [1, 'user', 'It was done.', true],
    [1, 'assistant', 'Hello.', false],
  ]);
  const applied = { outcome: 'applied', step: 1, reason: null };
  expect((await store.events(run)).slice(2, 7)).toEqual([
    { type: 'steer-request', payload: { messageId: 'one', text: 'First.', by: 'test' } },
    { type: 'steer-request', payload: { messageId: 'two', text: 'Second.', by: 'test' } },
    { type: 'step-start', payload: { step: 1, model: 'scripted/hello' } },
    { type: 'steer-response', payload: { ...applied, messageId: 'one' } },
    { type: 'steer-response', payload: { ...applied, messageId: 'two' } },
  ]);
});

test('a steer sent again answers with what became of it, at once or later', async () => {
  const run = await store.started();
  const steer = { kind: 'steer', messageId: 'mine', text: 'Faster.' } as const;
  const receipts = await Promise.all(Array.from({ length: 8 }, () => store.input(run, steer)));
  expect(new Set(receipts.map(({ status }) => status))).toEqual(new Set(['accepted']));
  await store.step(run, 1);
  expect(await store.input(run, steer)).toEqual({
    runId: run.id,
    messageId: 'mine',
    status: 'applied',
    step: 1,
  });
  expect((await said(run)).filter(([, , text]) => text === 'Faster.')).toHaveLength(1);
  await store.end(run);
  expect(await store.input(run, steer)).toMatchObject({ status: 'applied', step: 1 });
});

test('a steer that arrives between two attempts of a step goes behind what the first applied', async () => {
  const run = await store.started();
  await store.input(run, { kind: 'steer', messageId: 'one', text: 'First.' });
  await store.open(anAttempt(run, 'model/1', 1));
  await store.input(run, { kind: 'steer', messageId: 'two', text: 'Second.' });
  await store.open(anAttempt(run, 'model/1', 2));
  expect((await said(run)).map(([step, , text]) => [step, text])).toEqual([
    [0, 'Say hello.'],
    [1, 'First.'],
    [1, 'Second.'],
  ]);
});

test('a run that has ended takes no steer and names itself', async () => {
  const run = await store.started();
  await store.end(run);
  await expect(store.input(run, { kind: 'steer', messageId: 'late' })).rejects.toMatchObject({
    code: 'RunNotActive',
    extra: { lastRunId: run.id },
  });
});

test('a cancel wins over an interrupt, and a stop is heard by who listens', async () => {
  const run = await store.started();
  const other = await store.started();
  const client = new pg.Client({ connectionString: store.url, application_name: 'test-listen' });
  await client.connect();
  try {
    await client.query(`listen ${stopsChannel}`);
    const heard: string[] = [];
    client.on('notification', (notice) => heard.push(notice.payload ?? ''));
    expect(stopAmong(await waitingInputs(db, run.id))).toBe('none');
    await store.input(run, { kind: 'interrupt', messageId: 'i' });
    expect(stopAmong(await waitingInputs(db, run.id))).toBe('interrupt');
    await store.input(run, { kind: 'cancel', messageId: 'c' });
    await store.input(run, { kind: 'cancel', messageId: 'c' });
    await store.input(other, { kind: 'steer', messageId: 's' });
    expect(stopAmong(await waitingInputs(db, run.id))).toBe('cancel');
    expect(await stoppedAmong(db, [run.id, other.id])).toEqual([run.id]);
    expect(await stoppedAmong(db, [])).toEqual([]);
    // Notices of one connection arrive in order: once a later one is there, so are those before it.
    const last = new Promise((resolve) =>
      client.on('notification', (notice) => notice.payload === 'last' && resolve(0)),
    );
    await store.database.pool.query(`select pg_notify('${stopsChannel}', 'last')`);
    await last;
    expect(heard).toEqual([run.id, run.id, 'last']);
  } finally {
    await client.end();
  }
});

test('the sweeper finds runs that were told to stop, begun or not; a steer is read at the next step, unwoken', async () => {
  const stopped = await store.started();
  await store.input(stopped, { kind: 'interrupt', messageId: 's' });
  const { run: waiting } = await store.accept();
  await store.input(waiting, { kind: 'cancel', messageId: 's' });
  const steered = await store.started();
  await store.input(steered, { kind: 'steer', messageId: 's' });
  const found = (await listUndrained(db, -1000, 1000)).map(({ id }) => id);
  expect([stopped, waiting, steered].map(({ id }) => found.includes(id))).toEqual([true, true, false]);
  expect(await listUndrained(db, 60_000, 1000)).toEqual([]);
  await expectWholeLog(store);
});

test.each(['started', 'steered'])(
  'a message whose steer was refused is %s when it is sent again, as its receipt says',
  async (became) => {
    const run = await store.started();
    const { conversation_id: conversationId } = run;
    const message = { conversationId, whenBusy: 'steer', messageId: 'too-late' } as const;
    await store.accept(message);
    await store.end(run, { status: 'failed', reason: 'model_failed' });
    if (became === 'steered') await store.accept({ conversationId });
    const again = await store.accept(message);
    expect(again.became).toBe(became);
    const receipt = { runId: run.id, messageId: 'too-late', status: 'refused', step: null };
    const input = { kind: 'steer', messageId: 'too-late' } as const;
    expect(await store.input(run, input)).toEqual({ ...receipt, became: again.run.id });
  },
);

test('a message id is of one kind: used again for another it is refused, and what came first stays', async () => {
  const kinds = ['steer', 'interrupt', 'cancel'] as const;
  for (const first of kinds) {
    const run = await store.started();
    await store.input(run, { kind: first, messageId: 'one' });
    for (const other of kinds.filter((kind) => kind !== first)) {
      const problem = `was used for the ${first} of run ${run.id} that was sent before: use another`;
      await expect(store.input(run, { kind: other, messageId: 'one' })).rejects.toMatchObject({
        ...{ code: 'InvalidInput', message: `messageId ${problem}.` },
        extra: { fields: [{ path: 'messageId', problem }] },
      });
    }
    expect((await waitingInputs(db, run.id)).map(({ kind }) => kind)).toEqual([first]);
  }
});
