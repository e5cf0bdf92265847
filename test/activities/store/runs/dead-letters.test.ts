import { v7 as uuid } from 'uuid';
import { expect, test } from 'vitest';
import { openTestStore } from '../../../support/store.ts';
import { defaultTenant } from '../../../../activities/store/db/database.ts';
import {
  addDeadLetter,
  findDeadLetter,
  listDeadLetters,
  resolveDeadLetter,
  toDeadLetterView,
} from '../../../../activities/store/runs/dead-letters.ts';
import { lockRun, type RunRow } from '../../../../activities/store/runs/runs.ts';

const store = await openTestStore();
const { log, database } = store;
const all = { tenantId: defaultTenant, limit: 100 };

function declareDead(run: RunRow, callId = '1.0') {
  return log.write('test', async (write) => {
    const locked = await lockRun(write, defaultTenant, run.id);
    if (locked)
      await addDeadLetter(write, locked, { kind: 'call', callId, reason: 'It kills workers.', attempts: 3 });
  });
}

async function lettersOf(run: RunRow, open = true) {
  return (await listDeadLetters(database.db, { ...all, open })).filter((letter) => letter.run_id === run.id);
}

function resolve(id: string, resolution: 'retried' | 'dropped' = 'dropped') {
  return log.write('test', (write) =>
    resolveDeadLetter(write, { tenantId: defaultTenant, id, resolution, by: 'ada' }),
  );
}

test('what used up its attempts is on the list once, however often it is declared dead', async () => {
  const run = await store.started();
  await Promise.all(Array.from({ length: 6 }, () => declareDead(run)));
  const [letter, ...others] = await lettersOf(run);
  expect(others).toEqual([]);
  if (!letter) throw new Error('There is no letter.');
  expect(toDeadLetterView(letter)).toEqual({
    id: letter.id,
    kind: 'call',
    runId: run.id,
    taskId: null,
    callId: '1.0',
    deliveryId: null,
    reason: 'It kills workers.',
    attempts: 3,
    createdAt: letter.created_at.toISOString(),
    resolution: null,
    resolvedAt: null,
    resolvedBy: null,
    retriedAs: null,
  });
  expect((await store.events(run)).slice(2)).toEqual([
    {
      type: 'dead-letter',
      payload: { runId: run.id, id: letter.id, kind: 'call', reason: 'It kills workers.' },
    },
  ]);
});

test('a letter is decided on once, and the second to decide is told who was first', async () => {
  const run = await store.started();
  await declareDead(run);
  const [letter] = await lettersOf(run);
  const decided = await Promise.allSettled([resolve(letter?.id ?? ''), resolve(letter?.id ?? '', 'retried')]);
  expect(decided.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  await expect(resolve(letter?.id ?? '')).rejects.toMatchObject({
    code: 'AlreadyResolved',
    message: expect.stringContaining('by ada'),
  });
  await expect(resolve(uuid())).rejects.toMatchObject({ code: 'NotFound' });
  expect(await lettersOf(run)).toEqual([]);
  expect(await lettersOf(run, false)).toHaveLength(1);
  expect(await findDeadLetter(database.db, defaultTenant, letter?.id ?? '')).toMatchObject({
    resolved_by: 'ada',
  });
});

test('what dies again after it was decided on is on the list again', async () => {
  const run = await store.started();
  await declareDead(run);
  const [first] = await lettersOf(run);
  await resolve(first?.id ?? '', 'retried');
  await declareDead(run);
  await declareDead(run, '1.1');
  const letters = await lettersOf(run);
  expect(letters.map(({ call_id }) => call_id)).toEqual(['1.1', '1.0']);
  const page = await listDeadLetters(database.db, {
    ...all,
    open: true,
    before: letters[0]?.id ?? '',
    limit: 1,
  });
  expect(page.map(({ id }) => id)).toEqual([letters[1]?.id]);
});
