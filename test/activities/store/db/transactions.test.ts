import { once } from 'node:events';
import { sql } from 'kysely';
import { expect, onTestFinished, test, vi } from 'vitest';
import { slowTransactions, transact } from '../../../../activities/store/db/transactions.ts';
import { openDatabase } from '../../../../activities/store/db/database.ts';
import { openPatient } from '../../../support/patient.ts';
import { openTestStore } from '../../../support/store.ts';

const store = await openTestStore({ connections: 4 });
const { log, database } = store;

test('a transaction under way shows its name, and its connection has its own again afterwards', async () => {
  const only = openPatient({ url: store.url, connections: 1, name: 'test-names' });
  onTestFinished(() => only.close());
  const pid = sql<{ pid: number }>`select pg_backend_pid() as pid, ${1}::integer`;
  const shown = async (of: number | undefined) => {
    const { rows } = await database.pool.query<{ name: string }>(
      'select application_name as name from pg_stat_activity where pid = $1',
      [of],
    );
    return rows[0]?.name;
  };
  const backend = await transact(only.db, 'open-step', async (tx) => {
    const { rows } = await pid.execute(tx);
    expect(await shown(rows[0]?.pid)).toBe('test-names open-step');
    return rows[0]?.pid;
  });
  expect(await shown(backend)).toBe('test-names');
  // A statement is prepared once, whatever transactions it is a part of.
  for (const name of ['one', 'two']) await transact(only.db, name, (tx) => pid.execute(tx));
  const { rows } = await only.pool.query(
    "select generic_plans + custom_plans as runs from pg_prepared_statements where statement like 'select pg_backend_pid%'",
  );
  expect(rows).toEqual([{ runs: 3 }]);
});

test('the error that ends a transaction carries its name', async () => {
  const failing = log.write('some-name', ({ tx }) => sql`select ${1}::integer / 0`.execute(tx));
  await expect(failing).rejects.toMatchObject({ code: '22012', transaction: 'some-name' });
});

test('what a refused append has taken back is whole again, and the connection is of use', async () => {
  const run = await store.started();
  const stream = { tenantId: run.tenant_id, stream: `run/${run.id}`, conversationId: run.conversation_id };
  const fence = { unit: 'model/1', attempt: 7 };
  const refused = log.write('refused', async (write) => {
    await write.tx.updateTable('runs').set({ prompt: 'other' }).where('id', '=', run.id).execute();
    write.append({ ...stream, events: [], fence });
  });
  await expect(refused).rejects.toMatchObject({ name: 'Superseded', transaction: 'refused' });
  expect(await store.run(run.id)).toEqual(run);
});

test('a transaction that takes long is told of by its name', async () => {
  const told: unknown[] = [];
  const tell = (slow: unknown): void => void told.push(slow);
  slowTransactions.subscribe(tell);
  onTestFinished(() => {
    slowTransactions.unsubscribe(tell);
  });
  // By a clock of its own: on a busy machine any may take long.
  vi.useFakeTimers({ toFake: ['performance'] });
  onTestFinished(() => void vi.useRealTimers());
  await log.write('quick', async () => void vi.advanceTimersByTime(2000));
  await log.write('slow', async () => void vi.advanceTimersByTime(2050));
  expect(told).toEqual([{ transaction: 'slow', milliseconds: 2050 }]);
});

test('a lock is waited for less long than an answer, and a transaction that does nothing is ended', {
  tags: ['faults'],
}, async () => {
  const usual = openDatabase({ url: store.url, connections: 2, name: 'test-limits' });
  onTestFinished(() => usual.close());
  const holder = await usual.pool.connect();
  await holder.query('begin');
  await holder.query('lock table runs');
  const told = once(holder, 'error');
  await expect(usual.pool.query('select from runs')).rejects.toMatchObject({ code: '55P03' });
  const [error] = (await told) as [{ code: string }];
  holder.release(true);
  expect(error.code).toBe('25P03');
  await usual.pool.query('select from runs');
});
