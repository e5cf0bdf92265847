import { expect, test } from 'vitest';
import { expectWholeLog, openTestStore, type TestStore } from '../../../support/store.ts';
import { handOver } from '../../../../activities/store/lifecycle/begin-run.ts';
import { defaultTenant } from '../../../../activities/store/db/database.ts';
import { listDeadLetters } from '../../../../activities/store/runs/dead-letters.ts';
import { lockRun, type RunRow } from '../../../../activities/store/runs/runs.ts';
import {
  type Book,
  endLostRun,
  markGoingOn,
  markStuck,
} from '../../../../activities/store/lifecycle/stuck-run.ts';

const store = await openTestStore();
const { log } = store;
// Nothing was under way.
const unbooked: Book = async (_write, run) => run;

async function lettersOf({ database }: TestStore, run: RunRow) {
  const all = await listDeadLetters(database.db, { tenantId: defaultTenant, limit: 100, open: false });
  return all
    .filter(({ run_id }) => run_id === run.id)
    .map(({ kind, resolution, resolved_by }) => [kind, resolution, resolved_by]);
}

test('a stuck run is marked once, and the mark and the letter go when it goes on', async () => {
  const run = await store.started();
  const marked = await Promise.all(
    Array.from({ length: 5 }, () => log.write('test', (write) => markStuck(write, run, 5))),
  );
  expect(marked.filter((each) => each)).toHaveLength(1);
  expect(await store.run(run.id)).toMatchObject({ stuck: expect.stringContaining('5 times') });
  expect(await lettersOf(store, run)).toEqual([['run', null, null]]);
  for (const _ of [1, 2]) await log.write('test', (write) => markGoingOn(write, run));
  expect(await store.run(run.id)).toMatchObject({ stuck: null });
  expect(await lettersOf(store, run)).toEqual([['run', 'dropped', 'the reconciler']]);
  expect((await store.events(run)).slice(2).map(({ type }) => type)).toEqual([
    'run-stuck',
    'dead-letter',
    'run-resume',
  ]);
  await expectWholeLog(store);
});

test('what was seen of one execution is not held against the next', async () => {
  const seen = await store.started();
  const next = await log.write('test', async (write) => {
    const run = await lockRun(write, seen.tenant_id, seen.id);
    if (!run) throw new Error('the run was just started');
    return handOver(write, run);
  });
  const before = await store.events(seen);
  for (const one of [seen, { ...next, generation: 0 }]) {
    expect(await log.write('test', (write) => endLostRun(write, one, unbooked))).toBeUndefined();
    expect(await log.write('test', (write) => markStuck(write, one, 5))).toBe(false);
  }
  expect([await store.run(seen.id), await store.events(seen)]).toEqual([next, before]);
  expect(await log.write('test', (write) => endLostRun(write, next, unbooked))).toMatchObject({
    ended: true,
  });
  expect(await store.run(seen.id)).toMatchObject({ status: 'failed', reason: 'workflow_gone' });
  expect(
    await log.write('test', (write) => endLostRun(write, next, unbooked)),
    'it has ended',
  ).toBeUndefined();
});
