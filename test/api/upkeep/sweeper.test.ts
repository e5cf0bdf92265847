import pino from 'pino';
import { expect, test } from 'vitest';
import { changeLimits } from '../../../activities/store/allowances/change-limits.ts';
import { listUnclosed } from '../../../activities/store/allowances/allowances.ts';
import { defaultTenant } from '../../../activities/store/db/database.ts';
import type { RunRow } from '../../../activities/store/runs/runs.ts';
import { streamOf } from '../../../workflows/contracts/event.ts';
import { createRunUpkeep } from '../../../api/upkeep/run-upkeep.ts';
import { createSweeper } from '../../../api/upkeep/sweeper.ts';
import { askForRoom, openTenant, closeUnused } from '../../support/allowances.ts';
import { eventsOf, openTestStore } from '../../support/store.ts';

const store = await openTestStore();

function sweeping() {
  const told: string[] = [];
  const woken: string[] = [];
  const logger = pino({ level: 'silent' });
  const upkeep = createRunUpkeep({
    log: store.log,
    executorPatienceSeconds: 900,
    runs: {
      started: ({ id }) => void told.push(id),
      isStarted: () => false,
      async cancel() {},
      wake: (id) => void woken.push(id),
      async settled() {},
      async describe() {
        return undefined;
      },
    },
    logger,
    book: async (_, run) => run,
  });
  const sweeper = createSweeper({ db: store.log.db, kinds: [upkeep], logger, everyMs: 10 });
  return { told, woken, sweeper };
}

/** Makes it old enough to be started. */
async function age(id: string): Promise<void> {
  await store.database.db
    .updateTable('runs')
    .set({ created_at: new Date(0) })
    .where('id', '=', id)
    .execute();
}

test('an account that cannot be closed keeps no other from it, and a lock in the way nobody from being started', async () => {
  const { db, pool } = store.database;
  const [broken, other] = [await store.started(), await store.started()];
  for (const run of [broken, other]) await store.end(run);
  await pool.query(`
    create function break_account() returns trigger language plpgsql as $$ begin raise exception 'a bug'; end $$;
    create trigger breaks before update of closed_at on allowance_runs for each row
      when (new.run_id = '${broken.id}') execute function break_account();`);
  const first = sweeping();
  await expect.poll(async () => listUnclosed(db, 10)).toMatchObject([{ runId: broken.id }]);
  await first.sweeper.close();
  const { run } = await store.accept();
  await age(run.id);
  const blocked = await pool.connect();
  await blocked.query('begin');
  await blocked.query('select from allowances for update');
  const { told, sweeper } = sweeping();
  try {
    await expect.poll(() => told).toContain(run.id);
  } finally {
    await blocked.query('rollback');
    blocked.release();
    await sweeper.close();
    await pool.query('drop trigger breaks on allowance_runs');
    await store.end(run, { status: 'cancelled', reason: 'cancelled' });
  }
});

test('whoever died after the end of a run leaves its account and its place to the sweeper', async () => {
  const { db } = store.database;
  await db.transaction().execute((tx) =>
    changeLimits(tx, {
      tenantId: defaultTenant,
      name: 'tenant',
      model: '',
      limits: { concurrentRuns: 1 },
      version: 1,
      by: 'test',
      reason: 'a test',
    }),
  );
  const running = await store.started();
  const { run: waiting, became } = await store.accept();
  expect(became).toBe('waiting');
  const { told, sweeper } = sweeping();
  try {
    // Were it not for the place it waits for it would be started.
    await age(waiting.id);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(told).toEqual([]);
    await store.end(running);
    await expect.poll(() => told).toContain(waiting.id);
    await expect.poll(() => listUnclosed(db, 10)).toEqual([]);
  } finally {
    await sweeper.close();
  }
});

test('a question that cannot be answered and a threshold that cannot be told keep back no younger ones', async () => {
  const { pool } = store.database;
  const tenant = openTenant(store);
  await tenant.limit('tenant', { costMicros: 20 });
  const holder = await tenant.run();
  await tenant.reserve(holder, {}, { costMicros: 20 });
  const [broken, other] = [await tenant.run(), await tenant.run()];
  for (const run of [broken, other]) {
    await store.begin(run);
    await askForRoom(store, run, { costMicros: 10 });
  }
  await closeUnused(store.database.db, { tenantId: tenant.id, runId: holder.id, step: 1, attempt: 1 });
  const spent: RunRow[] = [];
  for (let count = 0; count < 2; count += 1) {
    const its = openTenant(store);
    await its.limit('tenant', { costMicros: 10 });
    const run = await its.run();
    spent.push(run);
    await its.reserve(run, {}, { costMicros: 10 });
    await its.closeReservation(run, {}, { costMicros: 8 });
  }
  const [untold, told] = spent as [RunRow, RunRow];
  await pool.query(`
    create function break_run() returns trigger language plpgsql as $$ begin raise exception 'a bug'; end $$;
    create trigger breaks before update on approvals for each row
      when (new.run_id = '${broken.id}') execute function break_run();
    create trigger breaks before delete on allowance_untold for each row
      when (old.run_id = '${untold.id}') execute function break_run();`);
  const { woken, sweeper } = sweeping();
  try {
    await expect.poll(() => woken).toContain(other.id);
    const heard = async () => eventsOf(store.database, streamOf('run', told.id), told.tenant_id);
    // Whoever reached it is given a moment to say so.
    await expect.poll(heard).toContainEqual(expect.objectContaining({ type: 'budget-warning' }));
    expect(woken).not.toContain(broken.id);
  } finally {
    await sweeper.close();
    await pool.query('drop trigger breaks on approvals; drop trigger breaks on allowance_untold');
  }
});

test('a run that waits for an allowance is woken when there is room again, and what was reached is told', async () => {
  const tenant = openTenant(store);
  await tenant.limit('tenant', { costMicros: 10 });
  const [holder, run] = [await tenant.run(), await tenant.run()];
  await store.begin(run);
  await tenant.reserve(holder, {}, { costMicros: 10 });
  await askForRoom(store, run, { costMicros: 2 });
  const { woken, sweeper } = sweeping();
  try {
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(woken).not.toContain(run.id);
    await tenant.closeReservation(holder, {}, { costMicros: 8 });
    await expect.poll(() => woken).toContain(run.id);
    const warned = async () => {
      const events = await eventsOf(store.database, streamOf('run', holder.id), tenant.id);
      return events.filter(({ type }) => type === 'budget-warning').map(({ payload }) => payload);
    };
    // Whoever reached it is given a moment to say so.
    await expect.poll(warned).toMatchObject([{ percent: 80, used: 8, allowed: 10 }]);
  } finally {
    await sweeper.close();
  }
});
