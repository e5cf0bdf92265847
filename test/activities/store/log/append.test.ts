import { v7 as uuid } from 'uuid';
import { expect, test } from 'vitest';
import { StreamEnded, Superseded } from '../../../../activities/store/log/append.ts';
import { type EventBatch, readEvents } from '../../../../activities/store/log/events.ts';
import { defaultTenant } from '../../../../activities/store/db/database.ts';
import { streamFor } from '../../../../activities/store/runs/runs.ts';
import type { NewEvent } from '../../../../workflows/contracts/event.ts';
import { anAttempt, expectWholeLog, openTestStore } from '../../../support/store.ts';

const store = await openTestStore({ connections: 20 });
const { log, database } = store;

function delta(text: string): NewEvent {
  return { type: 'text-delta', payload: { step: 1, block: 0, text } };
}

function batchFor(changes: Partial<EventBatch>): EventBatch {
  const stream = `run/${uuid()}`;
  return { tenantId: defaultTenant, stream, conversationId: null, events: [delta('x')], ...changes };
}

async function textsOf(stream: string): Promise<string[]> {
  const page = { tenantId: defaultTenant, after: 0, limit: 1000, types: ['text-delta' as const] };
  const events = await readEvents(database.db, stream, page);
  return events.map((event) => (event.payload as { text: string }).text);
}

test('a hundred writers at once find their own batches in their own streams, in their own order', async () => {
  const runs = await Promise.all(Array.from({ length: 20 }, () => store.started()));
  const streams = [...runs.map((run) => streamFor(run)), ...Array.from({ length: 80 }, () => batchFor({}))];
  await Promise.all(
    streams.map(async (batch, writer) => {
      for (let number = 0; number < 10; number += 1) {
        await log.append({
          ...batch,
          events: [delta(`${writer}.${number} a`), delta(`${writer}.${number} b`)],
        });
      }
    }),
  );
  for (const [writer, { stream }] of streams.entries()) {
    const expected = Array.from({ length: 10 }, (_, number) => [
      `${writer}.${number} a`,
      `${writer}.${number} b`,
    ]);
    expect(await textsOf(stream)).toEqual(expected.flat());
  }
  await expectWholeLog(store);
});

test('of batches that come at once each is refused, taken or known on its own', async () => {
  const ended = batchFor({ events: [delta('the last')], end: true });
  const known = batchFor({ dedupeKey: 'once' });
  const run = await store.started();
  await store.open(anAttempt(run, 'model/1', 1));
  await log.append(ended);
  await log.append(known);
  const others = Array.from({ length: 30 }, () => batchFor({}));
  const answers = await Promise.allSettled(
    [
      ...others,
      { ...ended, end: false },
      known,
      { ...streamFor(run), events: [delta('old')], fence: { unit: 'model/1', attempt: 7 } },
      { ...streamFor(run), events: [delta('current')], fence: { unit: 'model/1', attempt: 1 } },
    ].map((batch) => log.append(batch)),
  );
  const [late, again, superseded, current] = answers.slice(others.length);
  expect(answers.slice(0, others.length)).toEqual(others.map(() => ({ status: 'fulfilled', value: 1 })));
  expect(late).toEqual({ status: 'rejected', reason: expect.any(StreamEnded) });
  expect(again).toEqual({ status: 'fulfilled', value: undefined });
  expect(superseded).toEqual({ status: 'rejected', reason: expect.any(Superseded) });
  expect(current).toMatchObject({ status: 'fulfilled' });
  expect(await textsOf(streamFor(run).stream)).toEqual(['current']);
});

test('a stream that somebody holds is waited for, and holds up nobody else', async () => {
  const [held, ...free] = await Promise.all(Array.from({ length: 10 }, () => store.started()));
  if (!held) throw new Error('There is no run.');
  let waited: Promise<number | undefined> | undefined;
  await log.write('test', async (write) => {
    const { stream } = streamFor(held);
    await write.tx
      .selectFrom('stream_heads')
      .select('seq')
      .where('stream', '=', stream)
      .forUpdate()
      .execute();
    const appends = [held, ...free].map((run) => log.append({ ...streamFor(run), events: [delta('x')] }));
    waited = appends[0];
    await Promise.all(appends.slice(1));
    expect(await textsOf(streamFor(held).stream)).toEqual([]);
  });
  await waited;
  expect(await textsOf(streamFor(held).stream)).toEqual(['x']);
});
