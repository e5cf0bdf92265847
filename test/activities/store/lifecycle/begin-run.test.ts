import { expect, test } from 'vitest';
import { aCall, anAttempt, expectWholeLog, openTestStore } from '../../../support/store.ts';
import { settleCall } from '../../../../activities/store/calls/settle-call.ts';
import { handOver, noteTree } from '../../../../activities/store/lifecycle/begin-run.ts';
import { Superseded } from '../../../../activities/store/log/events.ts';
import {
  listActive,
  listUnstarted,
  lockRun,
  type RunRow,
  streamFor,
} from '../../../../activities/store/runs/runs.ts';

const store = await openTestStore();
const { log, database } = store;

function takeAway(run: RunRow) {
  return log.write('test', async (write) => {
    const locked = await lockRun(write, run.tenant_id, run.id);
    if (!locked) throw new Error(`There is no run ${run.id}.`);
    return handOver(write, locked);
  });
}

test('the first execution takes the run, with its deadline and an event', async () => {
  const { run } = await store.accept({ limits: { steps: 5, seconds: 60, costMicros: 1, tokens: 1 } });
  const begun = await store.begin(run, 'execution-1');
  expect(begun?.run).toMatchObject(await store.run(run.id));
  expect(begun?.openCalls).toEqual([]);
  const { status, execution_id, started_at, deadline_at, generation } = await store.run(run.id);
  expect({ status, execution_id, generation }).toEqual({
    status: 'running',
    execution_id: 'execution-1',
    generation: 0,
  });
  expect((deadline_at?.getTime() ?? 0) - (started_at?.getTime() ?? 0)).toBe(60_000);
  expect((await store.events(run)).at(-1)).toEqual({
    type: 'run-start',
    payload: { executionId: 'execution-1', model: 'scripted/hello', scripted: true },
  });
});

test('the same execution may begin again, as after continue-as-new, and nothing is written twice', async () => {
  const run = await store.started();
  await store.step(run, 1, { calls: [aCall('1.0'), aCall('1.1'), aCall('1.2')] });
  await store.claim(anAttempt(run, 'call/1.1'));
  await store.claim(anAttempt(run, 'call/1.0'));
  await store.record(anAttempt(run, 'call/1.0'));
  const before = await store.events(run);
  const begun = await store.begin(run, 'execution-1');
  expect(begun?.run.steps).toBe(1);
  expect(begun?.openCalls.map((call) => [call.call_id, call.status])).toEqual([
    ['1.1', 'running'],
    ['1.2', 'requested'],
  ]);
  expect(await store.events(run)).toEqual(before);
  expect(begun?.run.deadline_at).toEqual(run.deadline_at);
});

test('an execution that takes over hears of the first call that left in doubt what it did, until a person has settled it', async () => {
  const run = await store.started();
  await store.step(run, 1, { calls: ['1.0', '1.1', '1.2', '1.3'].map((callId) => aCall(callId)) });
  const ends = { '1.0': 'failed', '1.1': 'unknown', '1.2': 'stopped' } as const;
  for (const [callId, status] of Object.entries(ends)) {
    await store.claim(anAttempt(run, `call/${callId}`));
    await store.record(anAttempt(run, `call/${callId}`), { status, failed: true });
  }
  expect((await store.begin(run))?.doubt).toEqual({ callId: '1.1', index: 1, status: 'unknown' });
  const settlement = {
    tenantId: run.tenant_id,
    runId: run.id,
    callId: '1.1',
    outcome: 'done',
    by: 'ada',
  } as const;
  await store.log.write('test', (write) => settleCall(write, settlement));
  expect((await store.begin(run))?.doubt).toEqual({ callId: '1.2', index: 2, status: 'stopped' });
});

test('an execution that takes over hears that only the end is left of a run whose last answer is whole', async () => {
  const finishing = aCall('1.0', { tool: 'finish', endsRun: true });
  const steps: [string, Parameters<typeof store.step>[2], (run: RunRow) => Promise<unknown>][] = [
    ['an answer', {}, async () => undefined],
    ['a call that ends it', { calls: [finishing] }, (run) => store.claim(anAttempt(run, 'call/1.0'))],
    ['calls', { calls: [aCall('1.0')] }, async () => undefined],
    ['an answer that was cut', { unfinished: 'cut' }, async () => undefined],
    ['a message since', {}, (run) => store.input(run, { kind: 'steer', messageId: 'more' })],
    [
      'a message that the next step has read',
      {},
      async (run) => {
        await store.input(run, { kind: 'steer', messageId: 'more' });
        await store.open(anAttempt(run, 'model/2'));
      },
    ],
  ];
  const found: [string, boolean | undefined][] = [];
  for (const [name, changes, then] of steps) {
    const run = await store.started();
    await store.step(run, 1, changes);
    await then(run);
    found.push([name, (await store.begin(await takeAway(run), 'execution-2'))?.ends]);
  }
  expect(found).toEqual(steps.map(([name], index) => [name, index < 2]));
});

test('of ten executions that begin at once exactly one may act', async () => {
  const { run } = await store.accept();
  const begun = await Promise.all(
    Array.from({ length: 10 }, (_, index) => store.begin(run, `execution-${index}`)),
  );
  expect(begun.filter((each) => each !== undefined)).toHaveLength(1);
  expect((await store.events(run)).map(({ type }) => type)).toEqual(['run-queued', 'run-start']);
});

test('a run that has ended, is parked or does not exist is begun by nobody', async () => {
  const { run } = await store.accept();
  const { run: parked } = await store.accept({ conversationId: run.conversation_id, whenBusy: 'queue' });
  expect(await store.begin(parked)).toBeUndefined();
  await store.end(run, { status: 'cancelled', reason: 'cancelled' });
  expect(await store.begin(run)).toBeUndefined();
  expect(await store.begin({ ...run, id: '019a0000-0000-7000-8000-00000000ffff' })).toBeUndefined();
});

test('after a hand-over another execution goes on from the rows, and the old one writes nothing more', async () => {
  const run = await store.started();
  const old = anAttempt(run, 'model/1');
  await store.open(old);
  const handedOver = await takeAway(run);
  expect(handedOver).toMatchObject({ execution_id: null, generation: 1 });
  const fenced = { ...streamFor(run), events: [], fence: old };
  await expect(log.append(fenced)).rejects.toThrow(Superseded);
  await expect(store.answer(old)).rejects.toThrow(Superseded);
  await expect(store.open(anAttempt(run, 'model/1', 2)), 'it tries again').rejects.toThrow(Superseded);

  expect(await store.begin(run, 'execution-1'), 'the old one begins again').toBeUndefined();
  const begun = await store.begin(handedOver, 'execution-2');
  expect(begun?.run).toMatchObject({ execution_id: 'execution-2', generation: 1, steps: 0 });
  expect(begun?.run.deadline_at, 'wall time goes on').toEqual(run.deadline_at);
  expect(await store.begin(run, 'execution-1')).toBeUndefined();
  expect((await store.events(run)).at(-1)).toEqual({
    type: 'run-resume',
    payload: { reason: 'A new execution took the run over.' },
  });
  const next = { ...anAttempt(run, 'model/1', 2), generation: 1, tried: 1 };
  await store.open(next);
  await store.answer(next);
  await expect(store.answer(old)).rejects.toThrow(Superseded);
  await expectWholeLog(store);
});

test('after a hand-over the old execution begins no step and no call, not even one that nobody has begun yet', async () => {
  const run = await store.started();
  await store.step(run, 1, { calls: [aCall('1.0'), aCall('1.1')] });
  await store.claim(anAttempt(run, 'call/1.0'));
  await takeAway(run);
  const before = await store.events(run);
  const late = [anAttempt(run, 'call/1.0', 2), anAttempt(run, 'call/1.1')];
  for (const attempt of late) await expect(store.claim(attempt)).rejects.toThrow(Superseded);
  await expect(store.open(anAttempt(run, 'model/2'))).rejects.toThrow(Superseded);
  expect(await store.events(run)).toEqual(before);
  expect(await store.claim({ ...anAttempt(run, 'call/1.1'), generation: 1 })).toMatchObject({
    kind: 'claimed',
    predecessor: undefined,
  });
});

test('the sweeper finds accepted runs that nobody began, the reconciler all whose workflows should exist', async () => {
  const { run: waiting } = await store.accept();
  const { run: parked } = await store.accept({ conversationId: waiting.conversation_id, whenBusy: 'queue' });
  const begun = await store.started();
  const { run: ended } = await store.accept();
  await store.end(ended, { status: 'cancelled', reason: 'cancelled' });
  const all = [waiting, parked, begun, ended].map(({ id }) => id);
  const among = (runs: RunRow[]) => runs.map(({ id }) => id).filter((id) => all.includes(id));
  expect(among(await listUnstarted(database.db, -1000, 1000))).toEqual([waiting.id]);
  expect(among(await listUnstarted(database.db, 60_000, 1000))).toEqual([]);
  expect(among(await listUnstarted(database.db, -1000, 1000, waiting.id))).toEqual([]);
  expect(among(await listActive(database.db, 1000))).toEqual([waiting.id, begun.id]);
});

test('of the trees of a project the first at the start and the last at the end stay', async () => {
  const run = await store.started();
  for (const tree of ['a', 'b']) {
    await noteTree(database.db, run.id, 'start', `start-${tree}`);
    await noteTree(database.db, run.id, 'end', `end-${tree}`);
  }
  expect(await store.run(run.id)).toMatchObject({ start_tree: 'start-a', end_tree: 'end-b' });
});
