import { hostname } from 'node:os';
import pino from 'pino';
import { expect, test } from 'vitest';
import { v7 as uuid } from 'uuid';
import { defaultTenant } from '../../../activities/store/db/database.ts';
import { endExecutor, registerExecutor } from '../../../activities/store/runs/executors.ts';
import type { RunRow } from '../../../activities/store/runs/runs.ts';
import { createExecutorChore } from '../../../api/upkeep/executor-chore.ts';
import { queueOn } from '../../../workflows/contracts/messages.ts';
import { openTestStore } from '../../support/store.ts';

const store = await openTestStore();
const { db, pool } = store.database;
const patienceSeconds = 900;
// Its usual quarter of a minute may pass while a slow machine is still on its way here.
const ttlSeconds = 3_600;

const woken: string[] = [];
const chore = createExecutorChore({
  log: store.log,
  runs: { wake: (id) => void woken.push(id) },
  logger: pino({ level: 'silent' }),
  executorPatienceSeconds: patienceSeconds,
});

async function machine(name: string): Promise<string> {
  const id = uuid();
  await registerExecutor(db, {
    ...{ id, tenantId: defaultTenant, host: hostname(), pid: 1, startedTicks: '1', capacity: {} },
    queues: [queueOn('tools', name)],
    offers: { name, capabilities: [], sandboxes: [], places: 1, codeVersion: 'test' },
  });
  await pool.query('update executors set ttl_seconds = $2 where id = $1', [id, ttlSeconds]);
  return id;
}

async function heard(id: string, at: Date): Promise<void> {
  await pool.query('update executors set heartbeat_at = $2 where id = $1', [id, at]);
}

async function said(run: RunRow): Promise<unknown> {
  const { executor_silent_at: since, executor_until: until } = await store.run(run.id);
  const events = (await store.events(run)).filter(({ type }) => type.startsWith('executor-'));
  return { since, until: until === null ? null : 'later', events };
}

const later = expect.stringMatching(/^\d{4}-.*Z$/);

test('a run at work is told once that its executor is silent and once that it is back, and woken when it is given up', async () => {
  const id = await machine('away');
  const atWork = await store.started({ executor: 'away' });
  const { run: queued } = await store.accept({ executor: 'away' });
  const asking = await store.started({ executor: 'away' });
  await pool.query(`update runs set status = 'awaiting_input' where id = $1`, [asking.id]);
  const home = await store.started();
  await chore.act();
  const nothing = { since: null, until: null, events: [] };
  expect(await said(atWork)).toEqual(nothing);

  const since = new Date(Date.now() - 2 * ttlSeconds * 1_000);
  await heard(id, since);
  const silent = {
    type: 'executor-silent',
    payload: { executor: 'away', since: since.toISOString(), until: later },
  };
  // Two processes see it at once.
  await Promise.all([chore.act(), chore.act()]);
  await chore.act();
  expect(await said(atWork)).toEqual({ since, until: 'later', events: [silent] });
  const { executor_until: until } = await store.run(atWork.id);
  expect(((until?.getTime() ?? 0) - Date.now()) / 1000).toBeGreaterThan(patienceSeconds - 60);
  for (const other of [queued, asking, home]) expect(await said(other)).toEqual(nothing);

  const back = { type: 'executor-back', payload: { executor: 'away' } };
  await heard(id, new Date());
  for (const _pass of [1, 2]) {
    await chore.act();
    expect(await said(atWork)).toEqual({ since: null, until: null, events: [silent, back] });
  }

  // Ended is as silent: nobody beats there until a successor does.
  await endExecutor(db, id);
  await chore.act();
  expect(woken).toEqual([]);
  await pool.query('update runs set executor_until = now() where id = $1', [atWork.id]);
  for (const _pass of [1, 2]) await chore.act();
  expect(woken).toEqual([atWork.id, atWork.id]);
  await machine('away');
  await chore.act();
  expect(await said(atWork)).toMatchObject({ since: null, events: { length: 4 } });
  expect(woken).toHaveLength(2);
});
