import { expect, test } from 'vitest';
import type { Accepted } from '../../../../activities/store/lifecycle/accept-run.ts';
import { admitWaiting, holdPools } from '../../../../activities/store/allowances/run-places.ts';
import type { RunRow } from '../../../../activities/store/runs/runs.ts';
import { openTenant, type Refused } from '../../../support/allowances.ts';
import type { NewRun } from '../../../support/accepting.ts';
import { eventsOf, openTestStore } from '../../../support/store.ts';

const store = await openTestStore({ connections: 40 });
const { db } = store.database;

function admitted(tenantId: string): Promise<string[]> {
  return db.transaction().execute((tx) => admitWaiting(tx, tenantId));
}

function kindsOf(answers: { became: string }[]): Record<string, number> {
  const kinds: Record<string, number> = {};
  for (const { became } of answers) kinds[became] = (kinds[became] ?? 0) + 1;
  return kinds;
}

function runOf(accepted: Accepted | Refused): RunRow {
  if (accepted.became === 'refused') throw new Error('It was refused.');
  return accepted.run;
}

/** What its own stream says of budgets, once it was accepted. */
async function warningsOf(accepted: Accepted | Refused): Promise<unknown[]> {
  if (accepted.became !== 'started') throw new Error(`It ${accepted.became}.`);
  const rows = await eventsOf(store.database, `run/${accepted.run.id}`, accepted.run.tenant_id);
  return rows.flatMap(({ type, payload }) => (type === 'budget-warning' ? [payload] : []));
}

test('a run over the day’s count is refused naming the pool, and the next UTC day is another', async () => {
  const tenant = openTenant(store);
  await tenant.limit('tenant', {});
  await tenant.limit('owner/user/ada', { dayRuns: 2 });
  const late = new Date('2025-03-04T23:59:59.999Z');
  const accept = async (at: Date) => tenant.accept({}, ['owner/user/ada'], at);
  const crossing = { allowance: 'owner/user/ada', model: '', limit: 'dayRuns', allowed: 2 };
  expect(await warningsOf(await accept(late))).toEqual([]);
  expect(await warningsOf(await accept(late))).toEqual([
    { ...crossing, percent: 100, used: 2, endsAt: '2025-03-05T00:00:00.000Z' },
  ]);
  expect(await accept(late)).toEqual({
    became: 'refused',
    code: 'AllowanceExceeded',
    pool: 'owner/user/ada',
    limit: 'dayRuns',
    allowed: 2,
    used: 2,
    endsAt: '2025-03-05T00:00:00.000Z',
  });
  expect(await warningsOf(await accept(new Date('2025-03-05T00:00:00.000Z')))).toEqual([]);
  expect((await tenant.pool('owner/user/ada', late)).used.dayRuns).toBe(2);
});

test('of many runs accepted at once no more count for the day or run together than allowed', async () => {
  const tenant = openTenant(store);
  await tenant.limit('tenant', { dayRuns: 20, concurrentRuns: 5 });
  const answers = await Promise.all(Array.from({ length: 32 }, () => tenant.accept()));
  expect(kindsOf(answers)).toEqual({ started: 5, waiting: 15, refused: 12 });
  const { used } = await tenant.pool('tenant');
  expect([used.dayRuns, used.concurrentRuns]).toEqual([20, 5]);
});

test('a place is free again however a run ends, and goes to those who wait by priority, then by age', async () => {
  const tenant = openTenant(store);
  await tenant.limit('tenant', { concurrentRuns: 3 });
  const running = await Promise.all([1, 2, 3].map(() => tenant.run()));
  const waiting = [];
  const waitsFor = async (changes: Partial<NewRun>) => {
    const accepted = await tenant.accept(changes);
    if (accepted.became !== 'waiting') throw new Error(`It ${accepted.became}.`);
    const text = 'It waits for a place: the allowance tenant has room for 3 at once.';
    expect(accepted.run).toMatchObject({ status: 'queued', reason_text: text });
    return accepted.run;
  };
  for (const priority of ['normal', 'low', 'normal', 'critical'] as const) {
    waiting.push((await waitsFor({ priority })).id);
  }
  const [normal, low, later, critical] = waiting;
  expect(await admitted(tenant.id)).toEqual([]);
  const ends = [
    { status: 'failed', reason: 'workflow_gone' },
    { status: 'cancelled', reason: 'cancelled' },
    { status: 'interrupted', reason: 'interrupted' },
  ] as const;
  for (const [index, end] of ends.entries()) {
    const run = running[index];
    if (!run) throw new Error('There are three.');
    await store.begin(run);
    expect((await store.end(run, end)).ended).toBe(true);
    // Ending it once more frees nothing more.
    await store.end(run, end);
    // A place is free, but others have waited for it.
    if (index === 0) expect((await tenant.accept({ priority: 'low' })).became).toBe('waiting');
    expect(await Promise.all([admitted(tenant.id), admitted(tenant.id)]).then((ids) => ids.flat())).toEqual([
      [critical, normal, later][index],
    ]);
  }
  expect((await tenant.pool('tenant')).used.concurrentRuns).toBe(3);
  expect(await tenant.reserve({ id: low ?? '' }, {}, {})).toMatchObject({
    reason: 'The run waits for a place among the concurrent runs.',
  });
  // More room comes with a raised limit too.
  await tenant.limit('tenant', { concurrentRuns: 4 });
  expect(await admitted(tenant.id)).toEqual([low]);
});

test('who waits for one full pool holds up nobody who does not need it', async () => {
  const tenant = openTenant(store);
  await tenant.limit('tenant', { concurrentRuns: 10 });
  await tenant.limit('owner/user/ada', { concurrentRuns: 1 });
  await tenant.run(['owner/user/ada']);
  const ada = await tenant.accept({}, ['owner/user/ada']);
  const bob = await tenant.accept();
  expect([ada.became, bob.became]).toEqual(['waiting', 'waiting']);
  expect(await admitted(tenant.id)).toEqual([runOf(bob).id]);
});

test('a parked run counts for its day at once and takes its place when its turn has come', async () => {
  const tenant = openTenant(store);
  await tenant.limit('tenant', { concurrentRuns: 1, dayRuns: 2 });
  const first = await tenant.run();
  const conversationId = first.conversation_id;
  const parked = await tenant.accept({ conversationId, whenBusy: 'queue' });
  expect(parked.became).toBe('parked');
  expect((await tenant.accept()).became).toBe('refused');
  expect(await admitted(tenant.id)).toEqual([]);
  await store.begin(first);
  const { promoted } = await store.end(first);
  expect(promoted?.id).toBe(runOf(parked).id);
  expect(await admitted(tenant.id)).toEqual([runOf(parked).id]);
});

test('a run that ends while it waits is not admitted', async () => {
  const tenant = openTenant(store);
  await tenant.limit('tenant', { concurrentRuns: 1 });
  const running = await tenant.run();
  const run = runOf(await tenant.accept());
  await Promise.all([
    store.end(run, { status: 'cancelled', reason: 'cancelled' }),
    store.end(running, { status: 'cancelled', reason: 'cancelled' }),
  ]);
  expect(await admitted(tenant.id)).toEqual([]);
  expect((await tenant.pool('tenant')).used.concurrentRuns).toBe(0);
});

test('a limit on runs that is set later counts those that were there before', async () => {
  const tenant = openTenant(store);
  await tenant.limit('tenant', {});
  await Promise.all([tenant.run(['owner/user/ada']), tenant.run(['owner/user/ada'])]);
  await tenant.limit('owner/user/ada', { concurrentRuns: 2 });
  expect((await tenant.accept({}, ['owner/user/ada'])).became).toBe('waiting');
  await tenant.limit('owner/user/ada', { concurrentRuns: 0, dayRuns: 2 });
  expect((await tenant.accept({}, ['owner/user/ada'])).became).toBe('refused');
});

test('the shortest time that a pool of the chain allows is that of the run', async () => {
  const tenant = openTenant(store);
  const seconds = () =>
    db
      .transaction()
      .execute((tx) => holdPools(tx, { tenantId: tenant.id, others: ['owner/user/ada'] }))
      .then((held) => held.seconds);
  await tenant.limit('tenant', {});
  expect(await seconds()).toBeUndefined();
  await tenant.limit('tenant', { runSeconds: 600 });
  await tenant.limit('owner/user/ada', { runSeconds: 60 });
  await tenant.limit('owner/user/bob', { runSeconds: 6 });
  expect(await seconds()).toBe(60);
});
