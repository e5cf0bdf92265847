import fc from 'fast-check';
import { sql } from 'kysely';
import { v7 as uuid } from 'uuid';
import { expect, test } from 'vitest';
import { anAttempt, expectWholeLog, lockedRun, openTestStore } from '../../../support/store.ts';
import {
  type AttemptRef,
  beginAttempt,
  endAttempt,
  type NewAttempt,
} from '../../../../activities/store/runs/attempts.ts';
import { defaultTenant } from '../../../../activities/store/db/database.ts';
import {
  createEventLog,
  type EventBatch,
  readConversationEvents,
  readEvents,
  StreamEnded,
  Superseded,
} from '../../../../activities/store/log/events.ts';
import { streamHeads } from '../../../../activities/store/log/tails.ts';
import { type RunRow, streamFor } from '../../../../activities/store/runs/runs.ts';
import type { NewEvent } from '../../../../workflows/contracts/event.ts';

const store = await openTestStore({ connections: 20 });
const { log, database } = store;

function delta(text: string): NewEvent {
  return { type: 'text-delta', payload: { step: 1, block: 0, text } };
}

function fresh(changes: Partial<EventBatch> = {}): EventBatch {
  return {
    tenantId: defaultTenant,
    stream: `run/${uuid()}`,
    conversationId: null,
    events: [delta('x')],
    ...changes,
  };
}

async function textsOf(stream: string): Promise<string[]> {
  const events = await readEvents(database.db, stream, { tenantId: defaultTenant, after: 0, limit: 1000 });
  return events.map((event) => (event.payload as { text: string }).text);
}

async function headOf(stream: string) {
  return (await streamHeads(database.db, defaultTenant, [stream])).get(stream);
}

async function take(run: RunRow, attempt: NewAttempt): Promise<void> {
  await log.write('test', async (write) => {
    await beginAttempt(write, await lockedRun(write, run.id), attempt);
  });
}

test('an appended batch is read back whole, numbered from one, with the number after it', async () => {
  const batch = fresh({ events: [delta('a'), delta('b')] });
  expect(await log.append(batch)).toBe(2);
  expect(await log.append({ ...batch, events: [delta('c')] })).toBe(3);
  const events = await readEvents(database.db, batch.stream, {
    tenantId: defaultTenant,
    after: 1,
    limit: 10,
  });
  expect(events).toEqual(
    ['b', 'c'].map((text, index) => ({
      stream: batch.stream,
      seq: index + 2,
      conversationSeq: null,
      at: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      type: 'text-delta',
      version: 1,
      attempt: 0,
      payload: { step: 1, block: 0, text },
    })),
  );
  expect(await headOf(batch.stream)).toEqual({ seq: 3, ended: false, floor: 0 });
});

test('sixteen writers at once leave no gap in the stream nor in the conversation of two streams', async () => {
  const { run } = await store.accept();
  const { run: second } = await store.accept({ conversationId: run.conversation_id, whenBusy: 'queue' });
  const writers = Array.from({ length: 16 }, (_, writer) => writer);
  await Promise.all(
    writers.map(async (writer) => {
      for (let round = 0; round < 20; round += 1) {
        const events = Array.from({ length: 1 + ((writer + round) % 3) }, (_, item) =>
          delta(`${writer} ${round} ${item}`),
        );
        await log.append({ ...streamFor(writer % 2 === 0 ? run : second), events });
      }
    }),
  );
  await expectWholeLog(store);
  // Every event once, and the events of one batch and of one writer in the order they were appended.
  const page = { tenantId: defaultTenant, after: 0, limit: 10_000 };
  const texts = (await readConversationEvents(database.db, run.conversation_id, page)).flatMap((event) =>
    event.type === 'text-delta' ? [event.payload.text] : [],
  );
  for (const writer of writers) {
    const expected = Array.from({ length: 20 }, (_, round) =>
      Array.from({ length: 1 + ((writer + round) % 3) }, (_item, item) => `${writer} ${round} ${item}`),
    ).flat();
    expect(texts.filter((text) => text.startsWith(`${writer} `))).toEqual(expected);
  }
});

test('a batch appended again under its key changes nothing, not even the numbers of its conversation', async () => {
  const { run } = await store.accept();
  const batch = { ...streamFor(run), events: [delta('a'), delta('b')], dedupeKey: 'model/1/1/1' };
  expect(await log.append(batch)).toBe(3);
  expect(await log.append(batch)).toBeUndefined();
  await Promise.all(Array.from({ length: 8 }, () => log.append({ ...batch, dedupeKey: 'model/1/1/2' })));
  expect(await log.append({ ...streamFor(run), events: [delta('c')] })).toBe(6);
  await expectWholeLog(store);
});

test('the same key in another stream is another batch', async () => {
  const batch = fresh({ dedupeKey: 'same' });
  const other = fresh({ dedupeKey: 'same' });
  expect([await log.append(batch), await log.append(other)]).toEqual([1, 1]);
});

test('an attempt that does not hold the fence writes nothing', async () => {
  const run = await store.started();
  const first = anAttempt(run, 'model/1', 1);
  const second = anAttempt(run, 'model/1', 2);
  const batchOf = (attempt: AttemptRef): EventBatch => ({
    ...streamFor(run),
    events: [delta(`attempt ${attempt.attempt}`)],
    fence: attempt,
  });
  await expect(log.append(batchOf(first)), 'before it has taken it').rejects.toThrow(Superseded);
  await take(run, first);
  await log.append(batchOf(first));
  await take(run, second);
  await expect(log.append(batchOf(first)), 'after a newer one took it').rejects.toThrow(Superseded);
  await log.append(batchOf(second));
  await log.write('test', async (write) =>
    endAttempt(write, await lockedRun(write, run.id), second, 'answered'),
  );
  await expect(log.append(batchOf(second)), 'after its result is stored').rejects.toThrow(Superseded);
  expect((await store.events(run)).slice(2)).toEqual([delta('attempt 1'), delta('attempt 2')]);
  await expectWholeLog(store);
});

test('the fence of one unit leaves other units alone', async () => {
  const run = await store.started();
  const [left, right] = [anAttempt(run, 'call/1.0', 1), anAttempt(run, 'call/1.1', 2)];
  await take(run, left);
  await take(run, anAttempt(run, 'call/1.1', 1));
  await take(run, right);
  for (const attempt of [left, right, left]) {
    await log.append({ ...streamFor(run), events: [delta(attempt.unit)], fence: attempt });
  }
  const events = await readEvents(database.db, `run/${run.id}`, {
    tenantId: defaultTenant,
    after: 2,
    limit: 10,
  });
  expect(events.map(({ attempt, payload }) => [attempt, (payload as { text: string }).text])).toEqual([
    [1, 'call/1.0'],
    [2, 'call/1.1'],
    [1, 'call/1.0'],
  ]);
});

test('nothing follows the end of a stream, and the batch that ended it may be repeated', async () => {
  const usage = { inputTokens: 0, cachedInputTokens: 0, outputTokens: 0 };
  const end: NewEvent = {
    type: 'run-end',
    payload: {
      final: true,
      status: 'failed',
      reason: 'model_failed',
      reasonText: '',
      steps: 0,
      usage,
      costMicros: 0,
    },
  };
  const batch = fresh({ events: [end], dedupeKey: 'run-end', end: true });
  expect(await log.append(batch)).toBe(1);
  expect(await log.append(batch)).toBeUndefined();
  await expect(log.append({ ...batch, dedupeKey: 'other', end: false })).rejects.toThrow(StreamEnded);
  expect(await headOf(batch.stream)).toEqual({ seq: 1, ended: true, floor: 0 });
});

test('a transaction that fails after its append leaves no event and no gap', async () => {
  const batch = fresh();
  const failing = log.write('test', async (write) => {
    write.append(batch);
    throw new Error('the rest failed');
  });
  await expect(failing).rejects.toThrow('the rest failed');
  expect(await log.append(batch)).toBe(1);
});

test('events of another tenant are not read', async () => {
  const batch = fresh();
  await log.append(batch);
  const page = { tenantId: '00000000-0000-0000-0000-000000000001', after: 0, limit: 10 };
  expect(await readEvents(database.db, batch.stream, page)).toEqual([]);
});

test('a page of one type skips the others', async () => {
  const batch = fresh({
    events: [delta('a'), { type: 'text-end', payload: { step: 1, block: 0 } }, delta('b')],
  });
  await log.append(batch);
  const page = { tenantId: defaultTenant, after: 0, limit: 10, types: ['text-delta' as const] };
  expect((await readEvents(database.db, batch.stream, page)).map((event) => event.seq)).toEqual([1, 3]);
});

test('any text at all can be appended: what Postgres cannot hold is replaced, the rest stays as it is', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.string({ unit: 'binary' }), { minLength: 1, maxLength: 5 }),
      async (texts) => {
        const odd = texts.map((text, index) => (index % 2 === 0 ? `${text}\u0000\ud800` : text));
        const batch = fresh({ events: odd.map(delta) });
        await log.append(batch);
        expect(await textsOf(batch.stream)).toEqual(
          odd.map((text) => text.toWellFormed().replaceAll('\u0000', '\ufffd')),
        );
      },
    ),
    { numRuns: 50 },
  );
});

test('payloads are redacted before they are stored', async () => {
  const hiding = createEventLog({
    db: database.db,
    notifier: { touch: () => {}, close: async () => {} },
    redact: (text) => text.replaceAll('s3cret', '[redacted]'),
  });
  const batch = fresh({ events: [delta('the s3cret word')] });
  await hiding.append(batch);
  expect(await textsOf(batch.stream)).toEqual(['the [redacted] word']);
});

// A model of the log in a few lines: what each command must answer, and what must be readable at the end.
type Command =
  | { kind: 'append'; count: number; key: number | undefined; attempt: number | undefined }
  | { kind: 'take' };

const command: fc.Arbitrary<Command> = fc.oneof(
  fc.record({
    kind: fc.constant('append' as const),
    count: fc.integer({ min: 1, max: 4 }),
    key: fc.option(fc.integer({ min: 0, max: 3 }), { nil: undefined }),
    attempt: fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined }),
  }),
  fc.record({ kind: fc.constant('take' as const) }),
);

test('for every order of appends, keys and fences the log holds exactly what it said it took', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(command, { maxLength: 12 }), async (commands) => {
      const run = await store.started();
      const expected: string[] = [];
      const keys = new Set<number>();
      let holder: number | undefined;
      for (const [index, each] of commands.entries()) {
        if (each.kind === 'take') {
          holder = (holder ?? 0) + 1;
          await take(run, anAttempt(run, 'model/1', holder));
          continue;
        }
        const texts = Array.from({ length: each.count }, (_, item) => `${index} ${item}`);
        const appended = log.append({
          ...streamFor(run),
          events: texts.map(delta),
          ...(each.key === undefined ? {} : { dedupeKey: `key ${each.key}` }),
          ...(each.attempt === undefined ? {} : { fence: { unit: 'model/1', attempt: each.attempt } }),
        });
        if (each.key !== undefined && keys.has(each.key)) {
          expect(await appended).toBeUndefined();
        } else if (each.attempt !== undefined && each.attempt !== holder) {
          await expect(appended).rejects.toThrow(Superseded);
        } else {
          expected.push(...texts);
          if (each.key !== undefined) keys.add(each.key);
          expect(await appended).toBe(expected.length + 2);
        }
      }
      expect((await store.events(run)).slice(2)).toEqual(expected.map(delta));
    }),
    { numRuns: 40 },
  );
  await expectWholeLog(store);
});

test('a statement that is sent ahead takes its transaction back when it fails, and says why', async () => {
  const run = await store.started();
  const before = await store.events(run);
  const writing = store.log.write('test', async (write) => {
    write.send(sql`select 1 / 0`.execute(write.tx));
    write.append({
      ...streamFor(run),
      events: [{ type: 'text-end', payload: { step: 1, block: 0 } }],
    });
  });
  await expect(writing).rejects.toThrow('division by zero');
  expect(await store.events(run)).toEqual(before);
});
