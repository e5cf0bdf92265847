import { v7 as uuid } from 'uuid';
import { expect, test } from 'vitest';
import { aCall, anAttempt, expectWholeLog, openTestStore, toldTo } from '../../../support/store.ts';
import { findCall } from '../../../../activities/store/calls/calls.ts';
import { defaultTenant } from '../../../../activities/store/db/database.ts';
import { readContext } from '../../../../activities/store/runs/messages.ts';
import type { RunRow } from '../../../../activities/store/runs/runs.ts';
import { settleCall, type Settlement } from '../../../../activities/store/calls/settle-call.ts';

const store = await openTestStore();
const { log, database } = store;

async function withUnknown(): Promise<RunRow> {
  const run = await store.started();
  await store.step(run, 1, { calls: [aCall('1.0', { subject: 'rm -r build' }), aCall('1.1')] });
  await store.claim(anAttempt(run, 'call/1.0'));
  await store.record(anAttempt(run, 'call/1.0'), {
    status: 'unknown',
    output: 'Nobody can tell.',
    failed: true,
  });
  return run;
}

function settle(run: RunRow, changes: Partial<Settlement> = {}) {
  return log.write('test', (write) =>
    settleCall(write, {
      tenantId: defaultTenant,
      runId: run.id,
      callId: '1.0',
      outcome: 'done',
      by: 'ada',
      ...changes,
    }),
  );
}

const event = (run: RunRow) => ({
  type: 'call-settle',
  payload: { runId: run.id, callId: '1.0', outcome: 'done', by: 'ada' },
});

test('an unknown outcome is settled once, and a run that goes on hears of it', async () => {
  const run = await withUnknown();
  expect(await settle(run, { output: 'build is gone' })).toMatchObject({
    settled: 'done',
    settled_by: 'ada',
  });
  expect((await store.events(run)).at(-1)).toEqual(event(run));
  await expect(settle(run, { outcome: 'not_done' })).rejects.toMatchObject({ code: 'AlreadyResolved' });
  await store.step(run, 2);
  const context = await readContext(database.db, defaultTenant, run.id);
  expect(context.map(({ step, role, internal, text }) => [step, role, internal, text]).slice(2)).toEqual([
    [1, 'tool', false, 'Nobody can tell.'],
    [
      2,
      'user',
      true,
      'A person looked into the unknown outcome of shell (call 1.0, rm -r build): it did take effect; do not repeat it.\nIts output:\nbuild is gone',
    ],
    [2, 'assistant', false, 'Hello.'],
  ]);
  expect(await findCall(database.db, defaultTenant, run.id, '1.0'), 'the result itself stays').toMatchObject({
    status: 'unknown',
    output: 'Nobody can tell.',
  });
});

test('of many who settle at once one is heard', async () => {
  const run = await withUnknown();
  const settled = await Promise.allSettled(Array.from({ length: 8 }, () => settle(run)));
  expect(settled.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
});

test('a call of an ended run is settled on the stream of its tenant', async () => {
  const run = await withUnknown();
  await store.end(run);
  const before = await store.events(run);
  await settle(run);
  expect(await store.events(run)).toEqual(before);
  expect((await toldTo(database)).at(-1)).toEqual(event(run));
  await expectWholeLog(store);
});

test('only an unknown outcome of a call there is can be settled', async () => {
  const run = await withUnknown();
  await expect(settle(run, { callId: '1.1' })).rejects.toMatchObject({ code: 'CallNotUnknown' });
  await expect(settle(run, { callId: '9.9' })).rejects.toMatchObject({ code: 'NotFound' });
  await expect(settle({ ...run, id: uuid() })).rejects.toMatchObject({ code: 'NotFound' });
});
