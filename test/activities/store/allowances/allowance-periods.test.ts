import { expect, test } from 'vitest';
import { readLedger } from '../../../../activities/store/allowances/ledger.ts';
import { openTenant, reserved, sums } from '../../../support/allowances.ts';
import { openTestStore } from '../../../support/store.ts';

const store = await openTestStore({ connections: 40 });
const { db } = store.database;

test('a model’s own pool limits that model’s calls alone: by the day, by the hour, and in all', async () => {
  const tenant = openTenant(store);
  const at = new Date('2025-03-04T10:00:00Z');
  await tenant.limit('tenant', {});
  await tenant.limit('tenant', { dayTokens: 100, costMicros: 50 }, 'openai/gpt');
  await tenant.limit('tenant', { hourCalls: 1 }, 'google/*');
  const run = await tenant.run();
  await tenant.reserve(run, { step: 1, at }, { tokens: 60, costMicros: 30 });
  await tenant.closeReservation(run, { step: 1, at }, { tokens: 60, costMicros: 30 });
  expect(await tenant.reserve(run, { step: 2, at }, { tokens: 60 })).toMatchObject({
    limit: 'dayTokens',
    model: 'openai/gpt',
    missing: 20,
    passing: false,
  });
  const tomorrow = new Date('2025-03-05T10:00:00Z');
  expect(await tenant.reserve(run, { step: 2, at: tomorrow }, { tokens: 60, costMicros: 30 })).toMatchObject({
    limit: 'costMicros',
    model: 'openai/gpt',
    missing: 10,
    endsAt: null,
  });
  expect(
    await tenant.reserve(run, { step: 2, at }, { tokens: 900, costMicros: 900, model: 'google/a' }),
  ).toEqual(reserved);
  expect(await tenant.reserve(run, { step: 3, at }, { model: 'google/b' })).toMatchObject({
    limit: 'hourCalls',
    model: 'google/*',
  });
  expect(await tenant.reserve(run, { step: 3, at }, { model: 'anthropic/c' })).toEqual(reserved);
});

test('a call that runs over midnight counts for the day on which it was reserved', async () => {
  const tenant = openTenant(store);
  await tenant.limit('tenant', { dayCostMicros: 100, dayTokens: 100 });
  const run = await tenant.run();
  const other = await tenant.run();
  const before = new Date('2025-03-04T23:59:59.999Z');
  const after = new Date('2025-03-05T00:00:00.000Z');
  await tenant.reserve(run, { at: before }, { costMicros: 90, tokens: 90 });
  expect(await tenant.reserve(other, { at: before }, { costMicros: 90 })).toMatchObject({ kind: 'exceeded' });
  expect(await tenant.reserve(other, { at: after }, { costMicros: 90, tokens: 90 })).toEqual(reserved);
  expect(sums(await tenant.pool('tenant', after))).toEqual({
    costMicros: [0, 180],
    tokens: [0, 180],
    dayCostMicros: [0, 90],
    dayTokens: [0, 90],
  });
  await tenant.closeReservation(run, { at: after }, { costMicros: 80, tokens: 80 });
  expect(sums(await tenant.pool('tenant', after))).toEqual({
    costMicros: [80, 90],
    tokens: [80, 90],
    dayCostMicros: [0, 90],
    dayTokens: [0, 90],
  });
  const entries = await readLedger(db, { tenantId: tenant.id, limit: 10, runId: run.id });
  expect(entries.map(({ kind, day, at }) => [kind, day, at])).toEqual([
    ['settle', '2025-03-04', after.toISOString()],
    ['reserve', '2025-03-04', before.toISOString()],
  ]);
  // A pool nobody has drawn from since shows nothing of an earlier day.
  expect(sums(await tenant.pool('tenant', new Date('2025-03-06T00:00:00Z'))).dayCostMicros).toEqual([0, 0]);
  // A clock that is behind does not bring the day before back.
  await tenant.closeReservation(other, { at: before }, { costMicros: 90, tokens: 90 });
  expect(await tenant.reserve(other, { step: 2, at: before }, { costMicros: 90 })).toMatchObject({
    kind: 'exceeded',
    endsAt: '2025-03-06T00:00:00.000Z',
  });
});

test('in no sixty minutes are there more calls than allowed, and the next is possible when the oldest is an hour old', async () => {
  const tenant = openTenant(store);
  await tenant.limit('tenant', { hourCalls: 3 });
  const run = await tenant.run();
  let step = 0;
  const call = async (time: string): Promise<string> => {
    const key = { step: (step += 1), at: new Date(`2025-03-04T${time}Z`) };
    const answer = await tenant.reserve(run, key, {});
    if (answer.kind === 'exceeded') step -= 1;
    else await tenant.closeReservation(run, key, {});
    return answer.kind === 'exceeded' ? `until ${answer.endsAt?.slice(11)}` : answer.kind;
  };
  expect(await call('10:00:00.000')).toBe('reserved');
  expect(await call('10:30:00.000')).toBe('reserved');
  expect(await call('10:59:59.000')).toBe('reserved');
  expect(await call('10:59:59.999')).toBe('until 11:00:00.000Z');
  expect(await call('11:00:00.000')).toBe('reserved');
  expect(await call('11:00:00.001')).toBe('until 11:30:00.000Z');
  expect((await tenant.pool('tenant', new Date('2025-03-04T11:00:01Z'))).used.hourCalls).toBe(3);
  // Raised and lowered again, the window has forgotten nothing that it still counts.
  await tenant.limit('tenant', { hourCalls: 5 });
  expect(await call('11:10:00.000')).toBe('reserved');
  expect(await call('11:10:00.000')).toBe('reserved');
  expect(await call('11:10:00.000')).toBe('until 11:30:00.000Z');
  await tenant.limit('tenant', { hourCalls: 2 });
  expect(await call('12:09:59.999')).toBe('until 12:10:00.000Z');
  expect(await call('12:10:00.000')).toBe('reserved');
  await tenant.limit('tenant', { hourCalls: 4 });
  expect(await call('12:10:00.000')).toBe('reserved');
  expect(await call('12:10:00.000')).toBe('reserved');
  expect(await call('12:10:00.000')).toBe('reserved');
  expect(await call('12:10:00.000')).toBe('until 13:10:00.000Z');
  const { rows } = await store.database.pool.query<{ count: number }>(
    'select count(*) from allowance_calls where tenant_id = $1',
    [tenant.id],
  );
  expect(rows[0]?.count).toBeLessThanOrEqual(5);
});

test('80 and 100 percent are told once in a period, the first refusal for want of it included', async () => {
  const tenant = openTenant(store);
  await tenant.limit('tenant', { dayCostMicros: 100, tokens: 1000 });
  const run = await tenant.run();
  const { id } = await tenant.pool('tenant');
  let step = 0;
  const use = async (costMicros: number, tokens: number, day: string) => {
    const key = { step: (step += 1), at: new Date(`${day}T12:00:00Z`) };
    const answer = await tenant.reserve(run, key, { costMicros, tokens });
    if (answer.kind !== 'exceeded')
      return (await tenant.closeReservation(run, key, { costMicros, tokens })).crossed;
    step -= 1;
    return answer.crossed;
  };
  const crossing = { allowanceId: id, name: 'tenant', model: '' };
  const cost = { ...crossing, limit: 'dayCostMicros', allowed: 100 };
  expect(await use(79, 0, '2025-03-04')).toEqual([]);
  expect(await use(1, 0, '2025-03-04')).toEqual([{ ...cost, percent: 80, used: 80, period: '2025-03-04' }]);
  expect(await use(5, 0, '2025-03-04')).toEqual([]);
  expect(await use(50, 0, '2025-03-04')).toEqual([{ ...cost, percent: 100, used: 85, period: '2025-03-04' }]);
  expect(await use(50, 0, '2025-03-04')).toEqual([]);
  expect(await use(15, 0, '2025-03-04')).toEqual([]);
  // Another day is another period, and whoever jumps over 80 hears of 100 alone.
  expect(await use(100, 800, '2025-03-05')).toEqual([
    { ...cost, percent: 100, used: 100, period: '2025-03-05' },
    { ...crossing, limit: 'tokens', allowed: 1000, percent: 80, used: 800, period: '' },
  ]);
  expect(await use(0, 100, '2025-03-06')).toEqual([]);
  // A limit that was changed is told of anew.
  await tenant.limit('tenant', { tokens: 1100 });
  expect(await use(0, 1, '2025-03-06')).toEqual([
    { ...crossing, limit: 'tokens', allowed: 1100, percent: 80, used: 901, period: '' },
  ]);
  await tenant.pool('tenant');
  expect(await use(0, 1, '2025-03-07')).toEqual([]);
});

test('what a pool only holds for others tells nobody that it is used up', async () => {
  const tenant = openTenant(store);
  await tenant.limit('tenant', { costMicros: 100 });
  const [one, other] = [await tenant.run(), await tenant.run()];
  await tenant.reserve(one, {}, { costMicros: 90 });
  expect(await tenant.reserve(other, {}, { costMicros: 90 })).toMatchObject({ passing: true, crossed: [] });
  await tenant.closeReservation(one, {}, { costMicros: 5 });
  expect(await tenant.reserve(other, {}, { costMicros: 90 })).toEqual(reserved);
});
