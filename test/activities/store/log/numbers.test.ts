import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { defaultTenant } from '../../../../activities/store/db/database.ts';
import { readConversationEvents, readEvents } from '../../../../activities/store/log/events.ts';
import { type RunRow, streamFor } from '../../../../activities/store/runs/runs.ts';
import type { Event, NewEvent } from '../../../../workflows/contracts/event.ts';
import {
  aCall,
  anAttempt,
  besideRun,
  expectWholeLog,
  lockedRun,
  openTestStore,
} from '../../../support/store.ts';

const store = await openTestStore({ connections: 30 });
const { log, database } = store;

function deltas(count: number): NewEvent[] {
  return Array.from({ length: count }, (_, at) => ({
    type: 'text-delta',
    payload: { step: 1, block: 0, text: `piece ${at}` },
  }));
}

/** What writes to the log beside others of its conversation, in every shape the product has. */
const acts: Record<string, (run: RunRow, count: number) => Promise<unknown>> = {
  stream: (run, count) => log.append({ ...streamFor(run), events: deltas(count) }),
  alone: (run, count) => log.append({ ...streamFor(run), events: deltas(8 + count) }),
  together: (run, count) =>
    log.write('test', async (write) => {
      await lockedRun(write, run.id);
      write.append({ ...streamFor(run), events: deltas(count) });
      const tenant = { tenantId: defaultTenant, stream: `tenant/${defaultTenant}`, conversationId: null };
      write.append({ ...tenant, events: deltas(1) });
      write.append({ ...streamFor(run), events: deltas(count) });
    }),
  'taken back': (run, count) =>
    log
      .write('test', async (write) => {
        await lockedRun(write, run.id);
        write.append({ ...streamFor(run), events: deltas(count) });
        write.append({ ...streamFor(run), events: deltas(1), fence: { unit: 'model/9', attempt: 9 } });
      })
      .catch(() => undefined),
  step: async (run) => {
    const { steps } = await store.run(run.id);
    await store.step(run, steps + 1, { calls: [aCall(`${steps + 1}.0`)] });
    await store.claim(anAttempt(run, `call/${steps + 1}.0`));
    await store.record(anAttempt(run, `call/${steps + 1}.0`));
  },
  steer: (run, count) => store.input(run, { kind: 'steer', messageId: `${count} ${crypto.randomUUID()}` }),
  accept: ({ conversation_id }) => store.accept({ conversationId: conversation_id, whenBusy: 'queue' }),
};

/** Reads on from the last number it has seen, as a live reader does, until told that all has been written. */
async function follow(
  read: (after: number) => Promise<Event[]>,
  numberOf: (event: Event) => number | null,
  isOver: () => boolean,
): Promise<number[]> {
  const seen: number[] = [];
  for (;;) {
    const over = isOver();
    const events = await read(seen.at(-1) ?? 0);
    seen.push(...events.map((event) => numberOf(event) ?? 0));
    if (over && events.length === 0) return seen;
    if (events.length === 0) await sleep(1);
  }
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, at) => at + 1);

test('runs side by side number one conversation without gaps, and a reader behind any number misses nothing', async () => {
  const act = fc.tuple(fc.constantFrom(...Object.keys(acts)), fc.nat(7), fc.integer({ min: 1, max: 3 }));
  await fc.assert(
    fc.asyncProperty(fc.array(act, { minLength: 80, maxLength: 160 }), async (program) => {
      const main = await store.started();
      const runs = [main, ...(await besideRun(store, main, 7))];
      const { conversation_id: conversationId } = main;
      const page = { tenantId: defaultTenant, limit: 50 };
      let over = false;
      const readers = [
        ...upTo(2).map(() =>
          follow(
            (after) => readConversationEvents(database.db, conversationId, { ...page, after }),
            ({ conversationSeq }) => conversationSeq,
            () => over,
          ),
        ),
        ...runs.map((run) =>
          follow(
            (after) => readEvents(database.db, streamFor(run).stream, { ...page, after }),
            ({ seq }) => seq,
            () => over,
          ),
        ),
      ];
      // One writer for each run, as attempts are: those of one run follow each other, those of others do not wait.
      await Promise.all(
        runs.map(async (run, writer) => {
          for (const [name, index, count] of program) {
            if (index % runs.length === writer) await acts[name]?.(run, count);
          }
        }),
      );
      over = true;
      const [first, second, ...streams] = await Promise.all(readers);
      const head = await database.db
        .selectFrom('conversation_heads')
        .select('seq')
        .where('conversation_id', '=', conversationId)
        .executeTakeFirstOrThrow();
      expect(first).toEqual(upTo(head.seq));
      expect(second).toEqual(first);
      for (const seen of streams) expect(seen).toEqual(upTo(seen.length));
    }),
    { numRuns: 6, endOnFailure: true },
  );
  await expectWholeLog(store);
});

test('a run at work waits for no other run of its conversation, nor for who accepts into it', async () => {
  const main = await store.started();
  const [other] = await besideRun(store, main, 1);
  if (!other) throw new Error('There is no run.');
  await log.write('test', async (write) => {
    await write.tx
      .selectFrom('conversations')
      .select('id')
      .where('id', '=', main.conversation_id)
      .forNoKeyUpdate()
      .execute();
    await lockedRun(write, main.id);
    // All of it commits while those locks are held.
    await acts['step']?.(other, 1);
    await acts['stream']?.(main, 1);
  });
  expect(await store.run(other.id)).toMatchObject({ steps: 1 });
});
