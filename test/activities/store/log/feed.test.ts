// The stream of a tenant: what transactions leave for it arrives once, whole and in the order of each source.
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { v7 as uuid } from 'uuid';
import { expect, test } from 'vitest';
import { defaultTenant } from '../../../../activities/store/db/database.ts';
import { readEvents } from '../../../../activities/store/log/events.ts';
import { createEventLog } from '../../../../activities/store/log/events.ts';
import { streamFor } from '../../../../activities/store/runs/runs.ts';
import type { Event, NewEvent } from '../../../../workflows/contracts/event.ts';
import { isTold } from '../../../../workflows/contracts/tenant-events.ts';
import { aCall, anAttempt, expectWholeLog, openTestStore } from '../../../support/store.ts';

const store = await openTestStore({ connections: 30 });
const { log, database } = store;
const page = { tenantId: defaultTenant, limit: 100_000 };

function resumed(reason: string): NewEvent {
  return { type: 'run-resume', payload: { reason } };
}

const piece: NewEvent = { type: 'text-delta', payload: { step: 1, block: 0, text: 'x' } };

async function feedAll(): Promise<void> {
  while ((await log.feed(defaultTenant, 7)) > 0);
}

function toldAfter(after: number): Promise<Event[]> {
  return readEvents(database.db, `tenant/${defaultTenant}`, { ...page, after });
}

/** What writes while others do; `ms` is how long it stays open after it has numbered its events. */
interface Act {
  source: number;
  how: 'append' | 'together' | 'tell' | 'taken back';
  ms: number;
}

const act: fc.Arbitrary<Act> = fc.record({
  source: fc.nat(5),
  how: fc.constantFrom('append', 'together', 'tell', 'taken back'),
  ms: fc.nat(4),
});

test('of transactions that commit in any order each told event arrives once, in the order of its source, whatever feeds', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(act, { minLength: 40, maxLength: 80 }), async (program) => {
      await feedAll();
      const since = (await toldAfter(0)).at(-1)?.seq ?? 0;
      const sources = Array.from({ length: 6 }, () => `run/${uuid()}`);
      const expected = new Map<string, string[]>(sources.map((source) => [source, []]));
      let over = false;
      // Two that feed all the time, some of whose transactions come to nothing.
      const feeders = [0, 1].map(async (feeder) => {
        while (!over) {
          if (feeder === 1)
            await log
              .write('killed', async ({ tx }) => {
                await createEventLog({ ...dead, db: tx }).feed(defaultTenant, 5);
                throw new Killed();
              })
              .catch((error: unknown) => {
                if (!(error instanceof Killed)) throw error;
              });
          await log.feed(defaultTenant, 3);
          await sleep(1);
        }
      });
      await Promise.all(
        sources.map(async (source, index) => {
          for (const [number, { how, ms }] of [...program.entries()].filter(
            ([, each]) => each.source === index,
          )) {
            const name = `${index}.${number}`;
            await acts[how](source, name, ms);
            if (how !== 'taken back') expected.get(source)?.push(name);
          }
        }),
      );
      over = true;
      await Promise.all(feeders);
      await feedAll();
      const told = await toldAfter(since);
      expect(told.map(({ seq }) => seq)).toEqual(told.map((_, index) => since + index + 1));
      for (const [source, names] of expected)
        expect(
          told
            .filter((event) => event.source?.stream === source)
            .map(({ payload }) => (payload as { reason: string }).reason),
        ).toEqual(names);
    }),
    { numRuns: 8, endOnFailure: true },
  );
  await expectWholeLog(store);
});

class Killed extends Error {}

const dead = {
  notifier: { touch: () => undefined, close: async () => undefined },
  redact: (text: string) => text,
};

const acts: Record<Act['how'], (source: string, name: string, ms: number) => Promise<unknown>> = {
  append: (stream, name) =>
    log.append({ tenantId: defaultTenant, stream, conversationId: null, events: [piece, resumed(name)] }),
  // The head is locked, and the numbers are given out, while the transaction stays open.
  together: (stream, name, ms) =>
    database.db.transaction().execute(async (tx) => {
      await createEventLog({ ...dead, db: tx }).append({
        tenantId: defaultTenant,
        stream,
        conversationId: null,
        events: [resumed(name), piece],
      });
      await sleep(ms);
    }),
  tell: (source, name, ms) =>
    log.write('test', async ({ tell }) => {
      tell({ tenantId: defaultTenant, source, events: [resumed(name)] });
      await sleep(ms);
    }),
  'taken back': (stream, name, ms) =>
    log
      .write('test', async (write) => {
        write.append({ tenantId: defaultTenant, stream, conversationId: null, events: [resumed(name)] });
        await sleep(ms);
        write.append({
          tenantId: defaultTenant,
          stream,
          conversationId: null,
          events: [resumed(name)],
          fence: { unit: 'model/9', attempt: 9 },
        });
      })
      .catch(() => undefined),
};

test('the tenant is told what happens to a run as its own stream tells it, and what comes after its end', async () => {
  await feedAll();
  const since = (await toldAfter(0)).at(-1)?.seq ?? 0;
  const run = await store.started();
  await store.step(run, 1, { calls: [aCall('1.0')] });
  await store.claim(anAttempt(run, 'call/1.0'));
  await store.record(anAttempt(run, 'call/1.0'));
  await store.end(run);
  const { stream } = streamFor(run);
  const own = await readEvents(database.db, stream, { ...page, after: 0 });
  await store.end(run, { status: 'failed', reason: 'workflow_gone' });
  await feedAll();
  const told = await toldAfter(since);
  const late = { runId: run.id, unit: 'run', attempt: 0, what: 'ending as failed' };
  expect(told).toEqual([
    ...own
      .filter(({ type }) => isTold(type))
      .map((event, index) => ({
        ...event,
        stream: `tenant/${defaultTenant}`,
        seq: since + index + 1,
        conversationSeq: null,
        source: { stream, seq: event.seq },
      })),
    {
      stream: `tenant/${defaultTenant}`,
      seq: since + 5,
      conversationSeq: null,
      at: expect.any(String),
      version: 1,
      attempt: 0,
      type: 'late-write',
      payload: late,
      source: { stream, seq: null },
    },
  ]);
  expect(told.map(({ type }) => type)).toEqual([
    'run-queued',
    'run-start',
    'step-end',
    'run-end',
    'late-write',
  ]);
});
