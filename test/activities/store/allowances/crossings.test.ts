import { expect, test } from 'vitest';
import { type NewEvent, streamOf } from '../../../../workflows/contracts/event.ts';
import { listUntold, tellCrossings } from '../../../../activities/store/allowances/crossings.ts';
import { endRun } from '../../../../activities/store/lifecycle/end-run.ts';
import type { RunRow } from '../../../../activities/store/runs/runs.ts';
import { openTenant } from '../../../support/allowances.ts';
import { eventsOf, lockedRun, openTestStore, toldTo } from '../../../support/store.ts';

const store = await openTestStore();
const { log, database } = store;

async function warnings(stream: string, tenantId: string): Promise<unknown[]> {
  return warningsIn(await eventsOf(database, stream, tenantId));
}

function warningsIn(events: NewEvent[]): unknown[] {
  return events.filter(({ type }) => type === 'budget-warning').map(({ payload }) => payload);
}

/** What a pass of the sweeper does. */
async function tellUntold(): Promise<void> {
  for (const { run, crossing } of await listUntold(database.db, -1000, 10))
    await tellCrossings(log, run, [crossing]);
}

/** A run whose call used half of the tenant's allowance, and then all of it. */
async function spent() {
  const tenant = openTenant(store);
  await tenant.limit('tenant', { costMicros: 10 });
  const run: RunRow = await tenant.run();
  await store.begin(run);
  await tenant.reserve(run, {}, { costMicros: 10 });
  return { run, ...(await tenant.closeReservation(run, {}, { costMicros: 10 })) };
}

const all = {
  allowance: 'tenant',
  model: '',
  limit: 'costMicros',
  percent: 100,
  used: 10,
  allowed: 10,
  endsAt: null,
};

test('what an allowance reached is told once, also when whoever reached it died before saying so', async () => {
  const { run } = await spent();
  const stream = streamOf('run', run.id);
  expect(await listUntold(database.db, 60_000, 10)).toEqual([]);
  expect(await warnings(stream, run.tenant_id)).toEqual([]);
  await Promise.all([tellUntold(), tellUntold()]);
  expect(await warnings(stream, run.tenant_id)).toEqual([all]);
});

test('whoever reached it and lives leaves nothing for others to tell', async () => {
  const { run, crossed } = await spent();
  await tellCrossings(log, run, crossed);
  await tellCrossings(log, run, crossed);
  await tellUntold();
  expect(await warnings(streamOf('run', run.id), run.tenant_id)).toEqual([all]);
});

test('after the end of the run the stream of the tenant tells it', async () => {
  const { run } = await spent();
  await log.write('test', async (write) => {
    const end = { status: 'succeeded', reason: 'finished', reasonText: 'Done.' } as const;
    return endRun(write, await lockedRun(write, run.id), end);
  });
  await tellUntold();
  expect(warningsIn(await toldTo(database, run.tenant_id))).toEqual([all]);
});
