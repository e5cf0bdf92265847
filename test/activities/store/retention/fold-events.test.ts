import { expect, test } from 'vitest';
import { defaultTenant } from '../../../../activities/store/db/database.ts';
import { conversationHeads, streamHeads } from '../../../../activities/store/log/tails.ts';
import { type RunRow, streamFor } from '../../../../activities/store/runs/runs.ts';
import { pruneBatch, addPruning } from '../../../../activities/store/retention/prunings.ts';
import type { NewEvent } from '../../../../workflows/contracts/event.ts';
import { ageRuns, daysAgo, pruneAll, sweepsIn } from '../../../support/retention.ts';
import { aCall, anAttempt, besideRun, openTestStore } from '../../../support/store.ts';

const store = await openTestStore();
const month = { events: daysAgo(30) };

/** A run of one step that has streamed its answer, and the numbers of what is whole of it. */
async function finished(pieces: number, run?: RunRow): Promise<RunRow> {
  const begun = run ?? (await store.started());
  const attempt = anAttempt(begun, 'model/1');
  await store.open(attempt);
  const events = Array.from({ length: pieces }, (): NewEvent => {
    return { type: 'text-delta', payload: { step: 1, block: 0, text: 'word ' } };
  });
  await store.log.append({ ...streamFor(begun), events, fence: attempt });
  await store.answer(attempt, { text: 'word '.repeat(pieces), calls: [aCall('1.0')] });
  await store.end(begun);
  return begun;
}

async function headOf(run: RunRow) {
  const stream = streamFor(run).stream;
  return (await streamHeads(store.database.db, defaultTenant, [stream])).get(stream);
}

async function numbersOf(run: RunRow): Promise<number[]> {
  const { rows } = await store.database.pool.query<{ seq: number }>(
    'select seq from events where stream = $1 order by seq',
    [streamFor(run).stream],
  );
  return rows.map(({ seq }) => Number(seq));
}

test('the pieces of old finished runs go, whole messages and results stay, and what is above the floor has no gap', async () => {
  const old = await finished(20);
  const before = await numbersOf(old);
  await ageRuns(store, 31);
  const young = await finished(20);
  const untouched = await numbersOf(young);
  await pruneAll(store, month);
  const types = (await store.events(old)).map(({ type }) => type);
  expect(types).not.toContain('text-delta');
  expect(types).toEqual(expect.arrayContaining(['run-queued', 'message-end', 'call-request', 'run-end']));
  const head = await headOf(old);
  expect(head).toMatchObject({ seq: before.length, ended: true });
  const above = (await numbersOf(old)).filter((seq) => seq > (head?.floor ?? 0));
  expect(above).toEqual(before.filter((seq) => seq > (head?.floor ?? 0)));
  expect(head?.floor).toBeGreaterThan(20);
  expect(await numbersOf(young)).toEqual(untouched);
  expect(await headOf(young)).toMatchObject({ floor: 0 });
  const [conversation] = await conversationHeads(store.database.db, defaultTenant, [
    old.conversation_id,
  ]).then((heads) => [...heads.values()]);
  expect(conversation?.floor).toBe(head?.floor);
});

test('at every step of a long fold the floor is true: nothing is missing above it, and a death costs nothing', async () => {
  const run = await finished(4500);
  await ageRuns(store, 31);
  const count = (await numbersOf(run)).length;
  await addPruning(store.database.db, { tenantId: defaultTenant, by: 'test', cutoffs: month });
  let steps = 0;
  const floors = new Set<number>();
  const fail = (error: unknown): void => {
    throw error;
  };
  while (await pruneBatch(store.database.db, sweepsIn(store), fail)) {
    const { floor = 0 } = (await headOf(run)) ?? {};
    floors.add(floor);
    const above = (await numbersOf(run)).filter((seq) => seq > floor);
    expect(above).toEqual(Array.from({ length: count - floor }, (_, index) => floor + index + 1));
    steps += 1;
  }
  expect(floors.size).toBeGreaterThan(3);
  expect(steps).toBeGreaterThan(floors.size);
});

test('a run at work beside an old one goes on while that is folded', async () => {
  const old = await store.started();
  const [beside] = await besideRun(store, old, 1);
  if (!beside) throw new Error('There is no run beside.');
  await finished(50, old);
  await ageRuns(store, 31);
  const attempt = anAttempt(beside, 'model/1');
  await store.open(attempt);
  const events: NewEvent[] = [{ type: 'text-delta', payload: { step: 1, block: 0, text: 'more ' } }];
  const appends = Array.from({ length: 20 }, () =>
    store.log.append({ ...streamFor(beside), events, fence: attempt }),
  );
  await Promise.all([pruneAll(store, month), ...appends]);
  const numbers = await numbersOf(beside);
  expect(numbers).toEqual(numbers.map((_, index) => index + 1));
  expect((await store.events(beside)).filter(({ type }) => type === 'text-delta')).toHaveLength(20);
});
