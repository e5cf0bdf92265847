import pino from 'pino';
import { expect, test } from 'vitest';
import { changeLimits } from '../../activities/store/allowance-limits.ts';
import { listUnclosed } from '../../activities/store/allowances.ts';
import { defaultTenant } from '../../activities/store/database.ts';
import { createSweeper } from '../../api/sweeper.ts';
import { openTestStore } from '../support/store.ts';

const store = await openTestStore();

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
  const told: string[] = [];
  const sweeper = createSweeper({
    log: store.log,
    runs: {
      started: ({ id }) => void told.push(id),
      isStarted: () => false,
      wake() {},
      async settled() {},
      async describe() {
        return undefined;
      },
    },
    logger: pino({ level: 'silent' }),
    everyMs: 10,
  });
  try {
    // Old enough to be started, were it not for the place it waits for.
    await db
      .updateTable('runs')
      .set({ created_at: new Date(0) })
      .where('id', '=', waiting.id)
      .execute();
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(told).toEqual([]);
    await store.end(running);
    await expect.poll(() => told).toContain(waiting.id);
    expect(await listUnclosed(db, 10)).toEqual([]);
  } finally {
    await sweeper.close();
  }
});
