import { writeFileSync } from 'node:fs';
import path from 'node:path';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { startPostgres } from '../../worker/supervisor/postgres/postgres.ts';
import { findProcesses, runningProcess } from '../../worker/process-table.ts';
import { startTemporal } from '../../worker/supervisor/temporal/temporal-server.ts';
import { createTestDatabase } from '../support/postgres.ts';
import {
  cleanUpServe,
  folder,
  listenOn,
  prepareServe,
  readOrUndefined,
  runToItsEnd,
  start,
  startWhole,
  stop,
  variables,
} from './served.ts';

beforeEach(prepareServe);
afterEach(cleanUpServe);

describe('a start of perdure serve', () => {
  test('uses servers that already run, checks whose they are, and leaves them running', {
    tags: ['faults'],
  }, async () => {
    const outer = path.dirname(folder);
    const [postgres, temporal] = await Promise.all([
      startPostgres({
        folder: path.join(outer, 'postgres'),
        port: 0,
        logFile: path.join(outer, 'postgres.log'),
      }),
      startTemporal({
        folder: path.join(outer, 'temporal'),
        port: 0,
        ui: 'off',
        logFile: path.join(outer, 'temporal.log'),
      }),
    ]);
    try {
      const started = await startWhole({ DATABASE_URL: postgres.url, TEMPORAL_ADDRESS: temporal.address });
      const { temporalUi, processes } = readOrUndefined() ?? {};
      const external = { pid: null, health: 'external', restarts: 0 };
      expect(temporalUi).toBeNull();
      expect(processes?.filter(({ health }) => health === 'external')).toMatchObject([
        { name: 'postgres', address: `127.0.0.1:${postgres.port}`, ...external },
        { name: 'temporal', address: temporal.address, ...external },
      ]);
      expect(started.out()).not.toContain(new URL(postgres.url).password);
      await runToItsEnd();
      await stop(started);
      expect([runningProcess(postgres.pid)?.started, runningProcess(temporal.pid)?.started]).toEqual([
        postgres.started,
        temporal.started,
      ]);
    } finally {
      await Promise.all([postgres.stop(), temporal.stop()]);
    }
  });

  test('says that the database is still being migrated, and a stop ends the wait for that', {
    tags: ['faults'],
  }, async () => {
    const { url } = await createTestDatabase({ empty: true });
    const migrating = new pg.Client({ connectionString: url, application_name: 'test-migrating' });
    await migrating.connect();
    // As Kysely has it.
    await migrating.query('select pg_advisory_lock(3853314791062309107)');
    const started = start({ DATABASE_URL: url });
    await expect
      .poll(started.out)
      .toContain('The database is still being brought to this version, here or by another process.');
    await stop(started);
    await migrating.end();
  });

  test('refuses a busy port that was asked for and leaves nothing running', async () => {
    await listenOn(Number(variables['PERDURE_PORT']));
    const started = start();
    expect(await started.ended).toBe(1);
    expect(started.out()).toContain(
      `perdure: The API cannot have port ${variables['PERDURE_PORT']}, another program has it: end that one or change PERDURE_PORT.\n`,
    );
    expect(findProcesses((command) => command.includes(folder))).toEqual([]);
  });

  test('moves from a busy port that nobody asked for and prints where to', { tags: ['faults'] }, async () => {
    // Somebody else on this machine may have it already, which serves as well.
    await listenOn(7700).catch(() => undefined);
    const started = await startWhole({ PERDURE_PORT: undefined });
    const { url } = readOrUndefined() ?? {};
    expect(url).not.toBe('http://127.0.0.1:7700');
    expect(started.out()).toContain(`port 7700 was in use, so ${new URL(url ?? '').port}`);
    expect(started.out()).toContain(`${url}/#token=`);
    await stop(started);
  });

  test('refuses another Temporal server than its own and leaves nothing running', {
    tags: ['faults'],
  }, async () => {
    await stop(await startWhole());
    const identity = { clusterId: 'another', namespaceId: 'another' };
    writeFileSync(path.join(folder, 'temporal-identity.json'), JSON.stringify(identity));
    const started = start();
    expect(await started.ended).toBe(1);
    expect(started.out()).toMatch(
      /perdure: The Temporal server at \S+ is not the one this data folder has worked with/,
    );
    expect(findProcesses((command) => command.includes(folder))).toEqual([]);
  });

  test('tells a mistake in the settings in one line, without a stack', async () => {
    const started = start({ PERDURE_PROT: '1' });
    expect(await started.ended).toBe(2);
    expect(started.out()).toBe('perdure: There is no variable PERDURE_PROT; did you mean PERDURE_PORT?\n');
  });
});
