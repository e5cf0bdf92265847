import { expect, test } from 'vitest';
import { toldOutput } from '../../../../activities/store/calls/cut-output.ts';
import { createContents } from '../../../../activities/store/log/contents.ts';
import { defaultTenant } from '../../../../activities/store/db/database.ts';
import { aCall, anAttempt, openTestStore } from '../../../support/store.ts';

const store = await openTestStore();
const { db } = store.database;

test('the whole of a cut output is for the runs of its conversation and for those that go on from its run', async () => {
  const contents = createContents(db, '/nonexistent');
  const key = await contents.put(defaultTenant, 'text/plain', Buffer.from('all of it'));
  const told = await store.started();
  await store.step(told, 1, { calls: [aCall('1.0')] });
  const attempt = anAttempt(told, 'call/1.0');
  await store.claim(attempt);
  await store.record(attempt, { contentKey: key, bytes: 9 });
  await store.end(told);
  const { run: next } = await store.accept({ conversationId: told.conversation_id });
  const [{ run: fork }, { run: ofFork }, { run: other }] = [
    ...[await store.accept(), await store.accept(), await store.accept()],
  ] as const;
  for (const [run, parent] of [
    [fork, told],
    [ofFork, fork],
  ] as const)
    await db.updateTable('runs').set({ parent_id: parent.id }).where('id', '=', run.id).execute();
  const read = (run: typeof told) => toldOutput({ db, contents }, run, key);
  expect(await Promise.all([told, next, fork, ofFork, other].map(read))).toEqual([
    ...Array.from({ length: 4 }, () => 'all of it'),
    undefined,
  ]);
});
