import { tmpdir } from 'node:os';
import pino from 'pino';
import { expect, inject, test } from 'vitest';
import { thisHost } from '../../../activities/host/process-table.ts';
import { lostReservations } from '../../../activities/store/allowances/allowances.ts';
import { beginAttempt, openAttemptsOf } from '../../../activities/store/runs/attempts.ts';
import { defaultTenant } from '../../../activities/store/db/database.ts';
import { liveExecutorsOn, registerExecutor } from '../../../activities/store/runs/executors.ts';
import { releaseExecutors } from '../../../worker/processes/release.ts';
import { openTenant } from '../../support/allowances.ts';
import { anAttempt, executorId, lockedRun, openTestStore } from '../../support/store.ts';

const store = await openTestStore();

test('money that cannot be closed keeps back neither the runs of a dead worker nor the money of others', async () => {
  const { database, log } = store;
  // Above the highest id that a kernel gives out.
  const pid = 2 ** 22 + 1;
  const executor = { id: executorId, tenantId: defaultTenant, host: thisHost(), pid, startedTicks: '1:1' };
  await registerExecutor(database.db, { ...executor, queues: [], capacity: {} });
  const tenant = openTenant(store);
  await tenant.limit('tenant', { costMicros: 100 });
  const [broken, other] = [await tenant.run(), await tenant.run()];
  for (const run of [broken, other]) {
    await store.begin(run);
    await log.write('test', async (write) =>
      beginAttempt(write, await lockedRun(write, run.id), anAttempt(run, 'model/1')),
    );
    await tenant.reserve(run, {}, { costMicros: 10 });
  }
  await database.pool.query(`
    create function break_settlement() returns trigger language plpgsql as $$ begin raise exception 'a bug'; end $$;
    create trigger breaks before insert on allowance_entries for each row
      when (new.run_id = '${broken.id}') execute function break_settlement();`);
  await releaseExecutors({
    databaseUrl: store.url,
    temporalAddress: inject('temporalAddress'),
    temporalNamespace: 'default',
    dataFolder: tmpdir(),
    log: pino({ level: 'silent' }),
  });
  expect(await openAttemptsOf(database.db, executorId)).toEqual([]);
  expect(await liveExecutorsOn(database.db, thisHost())).toEqual([]);
  expect((await lostReservations(database.db, executorId)).map(({ run }) => run.id)).toEqual([broken.id]);
});
