import { expect, test } from 'vitest';
import { v7 as uuid } from 'uuid';
import { closeAccount } from '../../../../activities/store/allowances/allowances.ts';
import { readLedger } from '../../../../activities/store/allowances/ledger.ts';
import { allOf, openTenant, reserved, closeUnused, sums } from '../../../support/allowances.ts';
import { openTestStore } from '../../../support/store.ts';

const store = await openTestStore({ connections: 40 });
const { db } = store.database;
const most = Number.MAX_SAFE_INTEGER;

test('a call is reserved in every pool of its chain, closed with what it used, or with nothing', async () => {
  const tenant = openTenant(store);
  await tenant.limit('tenant', { dayCostMicros: 1000 });
  await tenant.limit('owner/user/ada', { tokens: 1000 });
  const run = await tenant.run(['owner/user/ada', 'owner/preset/nobody-limits']);
  await tenant.limit(`run/${run.id}`, { costMicros: 500 });
  await tenant.limit('owner/user/bob', { tokens: 1000 });
  const ours = ['tenant', 'owner/user/ada', `run/${run.id}`] as const;
  const sumsOfOurs = () => Promise.all(ours.map(async (name) => sums(await tenant.pool(name))));

  expect(await tenant.reserve(run, { step: 1 }, { costMicros: 100, tokens: 21 })).toEqual(reserved);
  expect(await sumsOfOurs()).toEqual(ours.map(() => allOf([0, 100], [0, 21])));
  expect(await tenant.closeReservation(run, { step: 1 }, { costMicros: 40, tokens: 7 })).toEqual({
    kind: 'settled',
    crossed: [],
  });
  expect(await sumsOfOurs()).toEqual(ours.map(() => allOf([40, 0], [7, 0])));
  expect(await tenant.reserve(run, { step: 2 }, { costMicros: 100, tokens: 20 })).toEqual(reserved);
  expect(await closeUnused(db, { tenantId: tenant.id, runId: run.id, step: 2, attempt: 1 })).toEqual({
    kind: 'settled',
    crossed: [],
  });
  expect(await sumsOfOurs()).toEqual(ours.map(() => allOf([40, 0], [7, 0])));
  // More than was reserved is charged all the same: it was used.
  await tenant.reserve(run, { step: 3 }, { costMicros: 100, tokens: 20 });
  await tenant.closeReservation(run, { step: 3 }, { costMicros: 150, tokens: 30 });
  expect(await sumsOfOurs()).toEqual(ours.map(() => allOf([190, 0], [37, 0])));
  expect(sums(await tenant.pool('owner/user/bob'))).toEqual(allOf([0, 0], [0, 0]));
});

test('when one pool has too little left, none is touched, and the answer says which, how much and until when', async () => {
  const tenant = openTenant(store);
  const at = new Date('2025-03-04T23:30:00Z');
  await tenant.limit('tenant', { dayCostMicros: 1000 });
  await tenant.limit('owner/user/ada', { dayTokens: 100 });
  const run = await tenant.run(['owner/user/ada']);
  const other = await tenant.run(['owner/user/ada']);
  await tenant.reserve(other, { at }, { tokens: 60, costMicros: 10 });
  const { id } = await tenant.pool('owner/user/ada');
  expect(await tenant.reserve(run, { at }, { tokens: 70, costMicros: 10 })).toEqual({
    kind: 'exceeded',
    crossed: [],
    allowanceId: id,
    name: 'owner/user/ada',
    model: '',
    limit: 'dayTokens',
    allowed: 100,
    used: 0,
    held: 60,
    needed: 70,
    missing: 30,
    endsAt: '2025-03-05T00:00:00.000Z',
    // What the other run holds may come back.
    passing: true,
  });
  expect(sums(await tenant.pool('tenant', at))).toEqual(allOf([0, 10], [0, 60]));
  expect(sums(await tenant.pool('owner/user/ada', at))).toEqual(allOf([0, 10], [0, 60]));
  expect(await readLedger(db, { tenantId: tenant.id, limit: 10, runId: run.id })).toEqual([]);
});

test('a reservation asked for again is the same one, and a closed one stays closed', async () => {
  const tenant = openTenant(store);
  await tenant.limit('tenant', {});
  const run = await tenant.run();
  const again = () => tenant.reserve(run, {}, { costMicros: 100 });
  expect(await Promise.all([again(), again(), again()])).toEqual([reserved, reserved, reserved]);
  expect(sums(await tenant.pool('tenant')).costMicros).toEqual([0, 100]);
  const closed = await Promise.all(
    [10, 20, 30].map((costMicros) => tenant.closeReservation(run, {}, { costMicros })),
  );
  expect(closed.map(({ kind }) => kind).toSorted()).toEqual(['closed', 'closed', 'settled']);
  const after = sums(await tenant.pool('tenant')).costMicros;
  expect(after).toEqual([closed.findIndex(({ kind }) => kind === 'settled') * 10 + 10, 0]);
  expect((await closeUnused(db, { tenantId: tenant.id, runId: run.id, step: 1, attempt: 1 })).kind).toBe(
    'closed',
  );
  expect(sums(await tenant.pool('tenant')).costMicros).toEqual(after);
  // An attempt that reserves under a key that is closed was taken for dead.
  expect(await again()).toEqual({ kind: 'closed', crossed: [] });
  await expect(tenant.closeReservation(run, { step: 9 }, {})).rejects.toThrow(/Nothing was reserved/);
});

test('of 64 reservations at once on one pool as many are made as fit, and no more', async () => {
  const tenant = openTenant(store);
  await tenant.limit('tenant', { dayCostMicros: 1000 });
  const runs = await Promise.all(Array.from({ length: 64 }, () => tenant.run()));
  const answers = await Promise.all(runs.map((run) => tenant.reserve(run, {}, { costMicros: 30 })));
  expect(answers.filter(({ kind }) => kind === 'reserved')).toHaveLength(33);
  expect(answers.filter(({ kind }) => kind === 'exceeded')).toHaveLength(31);
  expect(sums(await tenant.pool('tenant')).dayCostMicros).toEqual([0, 990]);
  // Each uses more than it said it would: all that goes over is what calls used over their own worst case.
  await Promise.all(
    runs.map(async (run, index) => {
      if (answers[index]?.kind === 'reserved') await tenant.closeReservation(run, {}, { costMicros: 31 });
    }),
  );
  expect(sums(await tenant.pool('tenant')).dayCostMicros).toEqual([1023, 0]);
});

test('without the tenant’s pool nothing is reserved, nor for a model that an allowance does not list', async () => {
  const poor = openTenant(store);
  await expect(poor.run()).rejects.toThrow('The tenant has no allowance; make one to let it run anything.');
  await poor.limit('owner/user/ada', {});
  expect(await poor.reserve({ id: uuid() }, {}, {})).toEqual({
    kind: 'denied',
    crossed: [],
    reason: 'The run was never admitted to draw on allowances.',
  });

  const tenant = openTenant(store);
  await tenant.limit('tenant', {});
  await tenant.limit('owner/user/ada', { models: ['openai/gpt', 'local/*'] });
  const run = await tenant.run(['owner/user/ada']);
  expect(await tenant.reserve(run, { step: 1 }, { model: 'openai/gpt' })).toEqual(reserved);
  expect(await tenant.reserve(run, { step: 2 }, { model: 'local/anything' })).toEqual(reserved);
  expect(await tenant.reserve(run, { step: 3 }, { model: 'openai/gpt-dear' })).toEqual({
    kind: 'denied',
    crossed: [],
    reason: 'The allowance owner/user/ada does not list the model openai/gpt-dear.',
  });
});

test('integers are exact up to 2^53, beyond which an unlimited pool refuses', async () => {
  const tenant = openTenant(store);
  await tenant.limit('tenant', { costMicros: most });
  await tenant.limit('owner/free', {});
  const run = await tenant.run(['owner/free']);
  await tenant.reserve(run, { step: 1 }, { costMicros: most - 1 });
  expect((await tenant.pool('tenant')).held.costMicros).toBe(most - 1);
  await tenant.closeReservation(run, { step: 1 }, { costMicros: most - 1 });
  expect((await tenant.pool('tenant')).used.costMicros).toBe(most - 1);
  expect(await tenant.reserve(run, { step: 2 }, { costMicros: 2 })).toMatchObject({
    name: 'tenant',
    allowed: most,
    used: most - 1,
    missing: 1,
  });
  expect(await tenant.reserve(run, { step: 2 }, { costMicros: 1, tokens: most })).toEqual(reserved);
  await tenant.closeReservation(run, { step: 2 }, { costMicros: 1, tokens: most });
  expect(sums(await tenant.pool('owner/free'))).toEqual(allOf([most, 0], [most, 0]));
  await tenant.limit('tenant', { costMicros: 0 });
  expect(await tenant.reserve(run, { step: 3 }, { tokens: 1 })).toMatchObject({
    kind: 'exceeded',
    allowed: most,
  });
});

test('a key of another tenant reaches nothing', async () => {
  const [tenant, stranger] = [openTenant(store), openTenant(store)];
  await tenant.limit('tenant', {});
  await stranger.limit('tenant', {});
  const run = await tenant.run();
  expect((await stranger.reserve(run, {}, { costMicros: 5 })).kind).toBe('denied');
  await store.begin(run);
  await tenant.reserve(run, {}, { costMicros: 5 });
  await expect(stranger.closeReservation(run, {}, {})).rejects.toThrow(/Nothing was reserved/);
  await store.end(run);
  expect((await closeAccount(db, { tenantId: stranger.id, runId: run.id })).kind).toBe('closed');
  expect(sums(await stranger.pool('tenant')).costMicros).toEqual([0, 0]);
  expect(await readLedger(db, { tenantId: uuid(), limit: 10, runId: run.id })).toEqual([]);
});
