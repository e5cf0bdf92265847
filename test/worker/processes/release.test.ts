import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pino from 'pino';
import { expect, inject, onTestFinished, test } from 'vitest';
import { thisHost } from '../../../activities/host/process-table.ts';
import { lostReservations } from '../../../activities/store/allowances/allowances.ts';
import { beginAttempt, openAttemptsOf } from '../../../activities/store/runs/attempts.ts';
import { defaultTenant } from '../../../activities/store/db/database.ts';
import { liveExecutorsOn, registerExecutor } from '../../../activities/store/runs/executors.ts';
import { Settings } from '../../../worker/config/settings.ts';
import { releaseExecutors } from '../../../worker/processes/release.ts';
import { openTenant } from '../../support/allowances.ts';
import { anAttempt, executorId, lockedRun, openTestStore } from '../../support/store.ts';

const store = await openTestStore();

test('money that cannot be closed keeps back neither the runs of a dead worker nor the money of others', async () => {
  const { database, log } = store;
  // A process that lives has had the number of the dead one since.
  const { pid } = process;
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
  const folder = mkdtempSync(path.join(tmpdir(), 'perdure-release-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  await releaseExecutors({
    databaseUrl: store.url,
    temporalAddress: inject('temporalAddress'),
    temporalNamespace: 'default',
    dataFolder: folder,
    workerOnly: 'off',
    sandbox: Settings.parse({}).sandbox,
    log: pino({ level: 'silent' }),
  });
  expect(await openAttemptsOf(database.db, executorId)).toEqual([]);
  expect(await liveExecutorsOn(database.db, thisHost(), '')).toEqual([]);
  expect((await lostReservations(database.db, executorId)).map(({ run }) => run.id)).toEqual([broken.id]);
});
