import fc from 'fast-check';
import { expect, test } from 'vitest';
import { aCall, anAttempt, besideRun, expectWholeLog, openTestStore } from '../../../support/store.ts';
import { defaultTenant } from '../../../../activities/store/db/database.ts';
import { addDeadLetter, resolveDeadLetter } from '../../../../activities/store/runs/dead-letters.ts';
import { Superseded, StreamEnded } from '../../../../activities/store/log/events.ts';
import { failAttempt, markLost, noteHandle } from '../../../../activities/store/runs/attempts.ts';
import { handOver, noteTree } from '../../../../activities/store/lifecycle/begin-run.ts';
import { recordLate } from '../../../../activities/store/lifecycle/end-run.ts';
import { lockRun, type RunRow, streamFor } from '../../../../activities/store/runs/runs.ts';
import { endLostRun, markGoingOn, markStuck } from '../../../../activities/store/lifecycle/stuck-run.ts';
import { executorId } from '../../../support/store.ts';
import { Failure } from '../../../../workflows/contracts/failures.ts';

const connections = 24;
const store = await openTestStore({ connections });
const { log, database } = store;

let attempts = 0;
let messages = 0;

type Act = (run: RunRow) => Promise<unknown>;

/** Whatever the product does to runs, in the shapes in which it does it. */
const acts: Record<string, Act> = {
  accept: ({ conversation_id }) => {
    messages += 1;
    const whenBusy = (['queue', 'steer', 'interrupt'] as const)[messages % 3] ?? 'queue';
    return store.accept({ conversationId: conversation_id, whenBusy, messageId: `m${messages}` });
  },
  steer: (run) => store.input(run, { kind: 'steer', messageId: `s${(messages += 1)}` }),
  interrupt: (run) => store.input(run, { kind: 'interrupt', messageId: `i${(messages += 1)}` }),
  begin: (run) => store.begin(run, `execution-${run.id}`),
  append: (run) =>
    log.append({ ...streamFor(run), events: [{ type: 'text-end', payload: { step: 1, block: 0 } }] }),
  answer: async (run) => {
    const { steps, generation } = await store.run(run.id);
    const attempt = { ...anAttempt(run, `model/${steps + 1}`, (attempts += 1)), generation };
    const opened = await store.open(attempt);
    await store.answer(opened.kind === 'opened' ? opened.ref : attempt, {
      calls: [aCall(`${steps + 1}.0`), aCall(`${steps + 1}.1`)],
    });
  },
  call: async (run) => {
    const { steps, generation } = await store.run(run.id);
    const unit = `call/${steps}.${attempts % 2}`;
    const attempt = { ...anAttempt(run, unit, (attempts += 1)), generation };
    const claim = await store.claim(attempt);
    const ref = claim.kind === 'claimed' ? claim.ref : attempt;
    await noteHandle(database.db, ref, { kind: 'test' });
    await store.record(ref);
  },
  fail: (run) => failAttempt(database.db, anAttempt(run, 'model/1', attempts), 'failed'),
  lose: () => markLost(database.db, executorId),
  tree: (run) => noteTree(database.db, run.id, 'end', 'tree'),
  late: (run) =>
    log.write('test', async (write) => {
      const locked = await lockRun(write, defaultTenant, run.id);
      if (locked) recordLate(write, locked, { unit: 'model/1', attempt: 1 }, 'something');
    }),
  letter: (run) =>
    log.write('test', async (write) => {
      const locked = await lockRun(write, defaultTenant, run.id);
      if (locked) await addDeadLetter(write, locked, { kind: 'run', reason: 'stuck', attempts: 5 });
    }),
  stuck: (run) => log.write('test', (write) => markStuck(write, run, 5)),
  well: (run) => log.write('test', (write) => markGoingOn(write, run)),
  gone: (run) =>
    log.write('test', (write) =>
      endLostRun(write, { ...run, generation: run.generation + (attempts % 2) }, async (_write, row) => row),
    ),
  retry: (run) =>
    log.write('test', async (write) => {
      const locked = await lockRun(write, defaultTenant, run.id);
      if (!locked || locked.stuck === null) return;
      const letter = await write.tx
        .selectFrom('dead_letters')
        .select('id')
        .where('run_id', '=', run.id)
        .where('kind', '=', 'run')
        .where('resolution', 'is', null)
        .executeTakeFirst();
      if (!letter) return;
      await resolveDeadLetter(write, {
        tenantId: defaultTenant,
        id: letter.id,
        resolution: 'retried',
        by: 'test',
      });
      await handOver(write, locked);
    }),
  end: (run) => store.end(run, { status: 'interrupted', reason: 'interrupted' }),
};

/** The outcomes a caller is ready for; anything else, a deadlock (40P01) above all, is a defect. */
function isExpected(error: unknown): boolean {
  if (error instanceof Superseded || error instanceof StreamEnded || error instanceof Failure) return true;
  return error instanceof Error && /has no call/.test(error.message);
}

async function latestRuns(conversations: string[]): Promise<RunRow[]> {
  return database.db
    .selectFrom('runs')
    .selectAll()
    .where('conversation_id', 'in', conversations)
    .orderBy('id', 'desc')
    .limit(8)
    .execute();
}

test('whatever is done to a few runs at once, nobody waits in a circle and no promise is broken', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.constantFrom(...Object.keys(acts)), fc.nat(7)), { minLength: 60, maxLength: 160 }),
      async (program) => {
        const opened = await Promise.all(Array.from({ length: 3 }, () => store.started()));
        const conversations = opened.map((run) => run.conversation_id);
        for (const run of opened) await besideRun(store, run, 1);
        const unexpected: unknown[] = [];
        let next = 0;
        const worker = async (): Promise<void> => {
          for (;;) {
            const [name, index] = program[(next += 1) - 1] ?? [];
            if (name === undefined || index === undefined) return;
            const runs = await latestRuns(conversations);
            const run = runs[index % runs.length];
            if (run)
              await acts[name]?.(run).catch(
                (error: unknown) => isExpected(error) || unexpected.push([name, error]),
              );
          }
        };
        await Promise.all(Array.from({ length: connections / 2 }, worker));
        expect(unexpected).toEqual([]);
      },
    ),
    { numRuns: 12, endOnFailure: true },
  );
  const { rows } = await database.pool.query<{ deadlocks: number }>(
    'select deadlocks from pg_stat_database where datname = current_database()',
  );
  expect(rows).toEqual([{ deadlocks: 0 }]);
  await expectWholeLog(store);
});
