import fc from 'fast-check';
import { expect, test } from 'vitest';
import { usualRetention, sweptRows } from '../../../../activities/store/retention/retention-table.ts';
import { defaultTenant } from '../../../../activities/store/db/database.ts';
import { afterEnd } from '../../../../activities/store/lifecycle/after-end.ts';
import { registerExecutor } from '../../../../activities/store/runs/executors.ts';
import {
  addPruning,
  cutoffsOf,
  pruneBatch,
  toPruningView,
} from '../../../../activities/store/retention/prunings.ts';
import type { Sweeps } from '../../../../activities/store/retention/sweeps.ts';
import { streamFor } from '../../../../activities/store/runs/runs.ts';
import type { NewEvent } from '../../../../workflows/contracts/event.ts';
import { ageRuns, pruneAll, sweepsIn } from '../../../support/retention.ts';
import { aCall, anAttempt, openTestStore } from '../../../support/store.ts';

const store = await openTestStore();
const { db, pool } = store.database;
const none = (): void => {};

/** A short run as people have them: an answer in pieces, a call, an end. */
async function aShortRun(): Promise<void> {
  const run = await store.started();
  const attempt = anAttempt(run, 'model/1');
  await store.open(attempt);
  const events = Array.from({ length: 60 }, (): NewEvent => {
    return { type: 'text-delta', payload: { step: 1, block: 0, text: 'a few words of an answer ' } };
  });
  await store.log.append({ ...streamFor(run), events, fence: attempt });
  await store.answer(attempt, { text: 'a few words of an answer '.repeat(60), calls: [aCall('1.0')] });
  const call = anAttempt(run, 'call/1.0');
  await store.claim(call);
  await store.record(call);
  await afterEnd(store.log, await store.end(run));
}

const tables = `select relname as name from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace
  and relname not like 'kysely%' order by 1`;

async function sizes(): Promise<{ rows: number; bytes: number; kept: number }> {
  let [rows, bytes, kept] = [0, 0, 0];
  for (const { name } of (await pool.query(tables)).rows) {
    const { rows: found } = await pool.query(
      `select count(*)::integer as rows, coalesce(sum(pg_column_size(t.*)), 0)::integer as bytes from ${name} t`,
    );
    // What is kept for ever, and says so.
    if (['audit', 'allowance_months', 'prunings', 'allowance_entries'].includes(name)) kept += found[0].rows;
    else [rows, bytes] = [rows + found[0].rows, bytes + found[0].bytes];
  }
  return { rows, bytes, kept };
}

test('what runs leave behind is bounded: after they are pruned the same rows and bytes are there, however many there were', async () => {
  const settings = { ...usualRetention, runsDays: 60 };
  const reached: { rows: number; bytes: number }[] = [];
  for (const count of [4, 16]) {
    for (let made = 0; made < count; made += 1) await aShortRun();
    await ageRuns(store, 61);
    const full = await sizes();
    expect(full.rows).toBeGreaterThan(count * 60);
    await pruneAll(store, cutoffsOf(settings, new Date()));
    const { kept: _, ...bounded } = await sizes();
    reached.push(bounded);
  }
  // The tenant's allowance with its counters, nothing of the runs.
  expect(reached[1]?.rows).toBe(reached[0]?.rows);
  expect(reached[1]?.rows).toBeLessThan(10);
  expect(reached[1]?.bytes).toBeLessThan((reached[0]?.bytes ?? 0) + 200);
});

test('runs that are kept cost a tenth of their rows once they are folded', async () => {
  for (let made = 0; made < 4; made += 1) await aShortRun();
  await ageRuns(store, 31);
  const { rows } = await pool.query('select count(*)::integer as count from events');
  await pruneAll(store, cutoffsOf(usualRetention, new Date()));
  const left = await pool.query('select count(*)::integer as count from events');
  expect(left.rows[0].count * 5).toBeLessThan(rows[0].count);
});

test('a pruning goes on after a death, is carried out by one process at a time, and tells exactly what went', async () => {
  await pool.query('delete from prunings');
  for (let made = 0; made < 3; made += 1) await aShortRun();
  await ageRuns(store, 31);
  const old = new Date(Date.now() - 40 * 86_400_000);
  await registerExecutor(db, {
    ...{ id: '019a0000-0000-7000-8000-0000000000ff', tenantId: defaultTenant, host: 'gone', pid: 1 },
    ...{ startedTicks: '1', queues: [], capacity: {} },
  });
  await pool.query('update executors set heartbeat_at = $1', [old]);
  const cutoffs = cutoffsOf(usualRetention, new Date());
  const before = await pool.query(`select count(*)::integer as count from events where type like '%-delta'`);
  const pruning = await addPruning(db, { tenantId: defaultTenant, by: 'test', cutoffs });
  // Any process may do any batch, and several try at once.
  for (let going = true; going; ) {
    const tries = await Promise.all([1, 2, 3].map(() => pruneBatch(db, sweepsIn(store), none)));
    going = tries.includes(true);
  }
  const { rows } = await pool.query('select * from prunings where id = $1', [pruning?.id]);
  const view = toPruningView({ ...rows[0] });
  expect(view.finishedAt).not.toBeNull();
  expect(view.items.find(({ name }) => name === 'events')?.rows).toBe(before.rows[0].count);
  expect(view.items.find(({ name }) => name === 'executors')?.rows).toBe(1);
});

test('a night has one pruning, and a row that cannot be pruned keeps no other from it', async () => {
  await pool.query('delete from prunings');
  const night = {
    tenantId: defaultTenant,
    by: 'test',
    cutoffs: cutoffsOf(usualRetention, new Date()),
    night: '2026-01-05',
  };
  expect(await addPruning(db, night)).toBeDefined();
  expect(await addPruning(db, night)).toBeUndefined();
  const failed: string[] = [];
  const sweeps = {
    ...sweepsIn(store),
    trees: { ...sweepsIn(store).trees, batch: () => Promise.reject(new Error('a full disk')) },
  };
  while (await pruneBatch(db, sweeps, (_, name) => void failed.push(name)));
  expect(failed).toEqual(['trees']);
  expect((await pool.query('select finished_at is not null as done from prunings')).rows).toEqual([
    { done: true },
  ]);
});

test('files are removed while no transaction is open, and by one process at a time', async () => {
  await pool.query('delete from prunings');
  const during: unknown[] = [];
  const sweeps: Sweeps = {
    ...sweepsIn(store),
    trees: {
      ...sweepsIn(store).trees,
      inFiles: true,
      async batch(queries) {
        // A transaction begins with its first statement.
        await queries.selectFrom('runs').select('id').execute();
        const open = `select count(*) from pg_stat_activity where datname = current_database() and xact_start is not null
          and backend_type = 'client backend' and pid <> pg_backend_pid()`;
        during.push([await pruneBatch(db, sweeps, none), (await pool.query(open)).rows]);
        return { rows: 1, bytes: 2, more: during.length < 2 };
      },
    },
  };
  await pruneAll(store, { trees: new Date(0) }, sweeps);
  expect(during).toEqual(Array.from({ length: 2 }, () => [false, [{ count: 0 }]]));
  const { rows } = await pool.query('select * from prunings');
  expect(toPruningView(rows[0]).items).toEqual([
    { name: 'trees', before: new Date(0).toISOString(), rows: 2, bytes: 4 },
  ]);
});

test('a row that is given up by Postgres time after time keeps no other from being pruned', async () => {
  await pool.query('delete from prunings');
  const outage = Object.assign(new Error('idle for too long'), { code: '25P03' });
  const sweeps = {
    ...sweepsIn(store),
    trees: { ...sweepsIn(store).trees, batch: () => Promise.reject(outage) },
  };
  const cutoffs = cutoffsOf(usualRetention, new Date());
  await addPruning(db, { tenantId: defaultTenant, by: 'test', cutoffs });
  const failed: string[] = [];
  let thrown = 0;
  for (let going = true; going && thrown < 10; )
    going = await pruneBatch(db, sweeps, (_, name) => void failed.push(name)).catch((error: unknown) => {
      expect(error).toBe(outage);
      thrown += 1;
      return true;
    });
  expect([thrown, failed]).toEqual([4, ['trees']]);
  expect((await pool.query('select finished_at is not null as done from prunings')).rows).toEqual([
    { done: true },
  ]);
});

test('zero keeps for ever whatever is asked for, and runs go only where somebody said so', () => {
  const now = new Date('2026-05-17T12:00:00Z');
  fc.assert(
    fc.property(
      fc.option(fc.integer({ min: 60, max: 1e9 }), { nil: undefined }),
      fc.boolean(),
      (olderThanSeconds, runs) => {
        const never = { runsDays: 0, eventsDays: 0, outputsDays: 0, ledgerMonths: 0, deadLettersDays: 0 };
        if (runs && olderThanSeconds === undefined) {
          expect(() => cutoffsOf(never, now, { runs })).toThrow('kept for ever');
          return;
        }
        const { runs: wanted, ...cutoffs } = cutoffsOf(never, now, { olderThanSeconds, runs });
        expect(Object.keys(cutoffs)).toEqual(
          sweptRows.filter(({ kept }) => 'hours' in kept).map(({ name }) => name),
        );
        expect(wanted !== undefined).toBe(runs);
      },
    ),
  );
  expect(cutoffsOf({ ...usualRetention, ledgerMonths: 2 }, now)).toMatchObject({
    ledger: new Date('2026-03-01T00:00:00Z'),
    events: new Date('2026-04-17T12:00:00Z'),
  });
  expect(cutoffsOf(usualRetention, now).runs).toBeUndefined();
});
