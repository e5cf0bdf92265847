import { expect, test } from 'vitest';
import { v7 as uuid } from 'uuid';
import { acceptRun } from '../../../activities/store/accept-run.ts';
import type { Allowance } from '../../../activities/store/allowance-limits.ts';
import {
  closeAccount,
  listUnclosed,
  release,
  type Reservation,
} from '../../../activities/store/allowances.ts';
import { openStep, storeAnswer } from '../../../activities/store/answers.ts';
import { readLedger } from '../../../activities/store/ledger.ts';
import { openTenant } from '../../support/allowances.ts';
import { anAttempt, aRun, openTestStore } from '../../support/store.ts';

const store = await openTestStore({ connections: 40 });
const { db } = store.database;
const most = Number.MAX_SAFE_INTEGER;

const reserved: Reservation = { kind: 'reserved', crossed: [] };

/** Of a pool: what is used and held of money and of tokens, in all and today. */
function sums({ used, held }: Allowance) {
  return {
    costMicros: [used.costMicros, held.costMicros],
    tokens: [used.tokens, held.tokens],
    dayCostMicros: [used.dayCostMicros, held.dayCostMicros],
    dayTokens: [used.dayTokens, held.dayTokens],
  };
}

function allOf(costMicros: number[], tokens: number[]) {
  return { costMicros, tokens, dayCostMicros: costMicros, dayTokens: tokens };
}

test('a call is reserved in every pool of its chain, settled with what it used, and released if never made', async () => {
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
  expect(await tenant.settle(run, { step: 1 }, { costMicros: 40, tokens: 7 })).toEqual({
    kind: 'settled',
    crossed: [],
  });
  expect(await sumsOfOurs()).toEqual(ours.map(() => allOf([40, 0], [7, 0])));
  expect(await tenant.reserve(run, { step: 2 }, { costMicros: 100, tokens: 20 })).toEqual(reserved);
  expect(await release(db, { tenantId: tenant.id, runId: run.id, step: 2, attempt: 1 })).toEqual({
    kind: 'settled',
    crossed: [],
  });
  expect(await sumsOfOurs()).toEqual(ours.map(() => allOf([40, 0], [7, 0])));
  // More than was reserved is charged all the same: it was used.
  await tenant.reserve(run, { step: 3 }, { costMicros: 100, tokens: 20 });
  await tenant.settle(run, { step: 3 }, { costMicros: 150, tokens: 30 });
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

test('a reservation asked for again is the same one, and a settled one stays settled', async () => {
  const tenant = openTenant(store);
  await tenant.limit('tenant', {});
  const run = await tenant.run();
  const again = () => tenant.reserve(run, {}, { costMicros: 100 });
  expect(await Promise.all([again(), again(), again()])).toEqual([reserved, reserved, reserved]);
  expect(sums(await tenant.pool('tenant')).costMicros).toEqual([0, 100]);
  const settled = await Promise.all([10, 20, 30].map((costMicros) => tenant.settle(run, {}, { costMicros })));
  expect(settled.map(({ kind }) => kind).toSorted()).toEqual(['closed', 'closed', 'settled']);
  const after = sums(await tenant.pool('tenant')).costMicros;
  expect(after).toEqual([settled.findIndex(({ kind }) => kind === 'settled') * 10 + 10, 0]);
  expect((await release(db, { tenantId: tenant.id, runId: run.id, step: 1, attempt: 1 })).kind).toBe(
    'closed',
  );
  expect(sums(await tenant.pool('tenant')).costMicros).toEqual(after);
  // Whoever reserves under a key that is settled was taken for dead.
  expect(await again()).toEqual({ kind: 'closed', crossed: [] });
  await expect(tenant.settle(run, { step: 9 }, {})).rejects.toThrow(/Nothing was reserved/);
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
      if (answers[index]?.kind === 'reserved') await tenant.settle(run, {}, { costMicros: 31 });
    }),
  );
  expect(sums(await tenant.pool('tenant')).dayCostMicros).toEqual([1023, 0]);
});

test('without the tenant’s pool nothing is reserved, nor for a model that an allowance does not list', async () => {
  const poor = openTenant(store);
  const { admission } = await poor.accept();
  expect(admission).toEqual({
    kind: 'denied',
    reason: 'The tenant has no allowance; make one to let it run anything.',
  });
  await poor.limit('owner/user/ada', {});
  const unknown = await store.log.write((write) => acceptRun(write, aRun({ tenantId: poor.id })));
  expect(await poor.reserve(unknown.run, {}, {})).toEqual({
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

test('a model’s own pool limits that model’s calls alone: by the day, by the hour, and in all', async () => {
  const tenant = openTenant(store);
  const at = new Date('2025-03-04T10:00:00Z');
  await tenant.limit('tenant', {});
  await tenant.limit('tenant', { dayTokens: 100, costMicros: 50 }, 'openai/gpt');
  await tenant.limit('tenant', { hourCalls: 1 }, 'google/*');
  const run = await tenant.run();
  await tenant.reserve(run, { step: 1, at }, { tokens: 60, costMicros: 30 });
  await tenant.settle(run, { step: 1, at }, { tokens: 60, costMicros: 30 });
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
  await tenant.settle(run, { at: after }, { costMicros: 80, tokens: 80 });
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
  await tenant.settle(other, { at: before }, { costMicros: 90, tokens: 90 });
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
    else await tenant.settle(run, key, {});
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
    if (answer.kind !== 'exceeded') return (await tenant.settle(run, key, { costMicros, tokens })).crossed;
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
  await tenant.settle(one, {}, { costMicros: 5 });
  expect(await tenant.reserve(other, {}, { costMicros: 90 })).toEqual(reserved);
});

test('a raised limit names the runs that wait for it, until they have reserved or ended', async () => {
  const tenant = openTenant(store);
  await tenant.limit('tenant', { costMicros: 100 });
  await tenant.limit('owner/user/ada', { tokens: 10 });
  const [first, second, third, other] = await Promise.all(
    [1, 2, 3, 4].map(() => tenant.run(['owner/user/ada'])),
  );
  if (!first || !second || !third || !other) throw new Error('There are four.');
  for (const run of [first, second, third]) await tenant.reserve(run, {}, { costMicros: 200 });
  await tenant.reserve(other, {}, { tokens: 20 });
  await store.end(third, { status: 'cancelled', reason: 'cancelled' });
  expect(await tenant.limit('tenant', { costMicros: 250 })).toEqual([first.id, second.id]);
  expect(await tenant.reserve(first, {}, { costMicros: 200 })).toEqual(reserved);
  expect(await tenant.limit('tenant', { costMicros: 300 })).toEqual([second.id]);
  expect(await tenant.limit('owner/user/ada', { tokens: 0 })).toEqual([other.id]);
});

test('a dead attempt is settled at its worst case by the next one, and is told so when it comes back', async () => {
  const tenant = openTenant(store);
  await tenant.limit('tenant', {});
  const run = await tenant.run();
  await tenant.reserve(run, { attempt: 1 }, { costMicros: 100, tokens: 11 });
  expect(await tenant.reserve(run, { attempt: 2 }, { costMicros: 60, tokens: 7 })).toEqual(reserved);
  expect(sums(await tenant.pool('tenant'))).toEqual(allOf([100, 60], [11, 7]));
  expect((await tenant.settle(run, { attempt: 1 }, { costMicros: 1 })).kind).toBe('closed');
  expect((await tenant.reserve(run, { attempt: 1 }, { costMicros: 1 })).kind).toBe('closed');
  expect(sums(await tenant.pool('tenant'))).toEqual(allOf([100, 60], [11, 7]));
  const [entry] = (
    await readLedger(db, { tenantId: tenant.id, limit: 10, runId: run.id, kind: 'settle' })
  ).map(({ attempt, costMicros, estimated, reason }) => ({ attempt, costMicros, estimated, reason }));
  expect(entry).toEqual({
    attempt: 1,
    costMicros: 100,
    estimated: true,
    reason: 'The attempt died: its worst case.',
  });
});

test('an answer that was booked and not settled is settled with what was booked', async () => {
  const tenant = openTenant(store);
  await tenant.limit('tenant', {});
  const run = await tenant.run();
  await tenant.reserve(run, {}, { costMicros: 100, tokens: 11 });
  await store.begin(run);
  const attempt = anAttempt(run, 'model/1');
  const { log } = store;
  await log.write((write) => openStep(write, { tenantId: tenant.id, step: 1, attempt, mayOpen: () => true }));
  await log.write((write) =>
    storeAnswer(write, {
      tenantId: tenant.id,
      attempt,
      step: 1,
      text: 'Hello.',
      calls: [],
      closing: [],
      use: {
        model: 'openai/gpt',
        status: 'answered',
        inputTokens: 5,
        cachedInputTokens: 2,
        outputTokens: 3,
        costMicros: 40,
        priced: true,
        estimated: false,
      },
    }),
  );
  expect(await tenant.reserve(run, { step: 2 }, { costMicros: 1 })).toEqual(reserved);
  expect(sums(await tenant.pool('tenant')).costMicros).toEqual([40, 1]);
  expect(sums(await tenant.pool('tenant')).tokens).toEqual([8, 0]);
});

test.for([
  // Half of Monday's 101 tokens and half of Tuesday's 101, rounded down.
  { status: 'failed', reason: 'model_failed', back: { '2025-03-03': 50, '2025-03-04': 50 } },
  { status: 'cancelled', reason: 'cancelled', back: { '2025-03-03': 101, '2025-03-04': 101 } },
  { status: 'interrupted', reason: 'interrupted', back: {} },
  { status: 'succeeded', reason: 'finished', back: {} },
] as const)(
  'of a run that $status these tokens come back, of its money nothing, and only once',
  async (end) => {
    const tenant = openTenant(store);
    const monday = new Date('2025-03-03T12:00:00Z');
    const tuesday = new Date('2025-03-04T12:00:00Z');
    await tenant.limit('tenant', {});
    await tenant.limit('owner/others', {});
    const [run, other] = [await tenant.run(), await tenant.run(['owner/others'])];
    await store.begin(run);
    const calls = [
      [run, 1, 101, monday],
      [run, 2, 51, tuesday],
      [other, 1, 1000, tuesday],
    ] as const;
    for (const [who, step, tokens, at] of calls) {
      await tenant.reserve(who, { step, at }, { costMicros: 10, tokens });
      await tenant.settle(who, { step, at }, { costMicros: 10, tokens });
    }
    // What is under way when the run ends is charged at its worst case, and comes back as the rest does.
    await tenant.reserve(run, { step: 3, at: tuesday }, { costMicros: 10, tokens: 50 });
    const account = { tenantId: tenant.id, runId: run.id, at: tuesday };
    expect(await closeAccount(db, account)).toEqual({ kind: 'closed', crossed: [] });
    await store.end(run, end);
    expect(await closeAccount(db, account)).toEqual({ kind: 'settled', crossed: [] });
    expect(await closeAccount(db, account)).toEqual({ kind: 'closed', crossed: [] });
    const back: Record<string, number> = end.back;
    const [onMonday, onTuesday] = [back['2025-03-03'] ?? 0, back['2025-03-04'] ?? 0];
    expect(sums(await tenant.pool('tenant', tuesday))).toEqual({
      costMicros: [40, 0],
      tokens: [1202 - onMonday - onTuesday, 0],
      dayCostMicros: [30, 0],
      dayTokens: [1101 - onTuesday, 0],
    });
    expect(sums(await tenant.pool('owner/others', tuesday))).toEqual(allOf([10, 0], [1000, 0]));
    const refunds = await readLedger(db, { tenantId: tenant.id, limit: 100, kind: 'refund' });
    expect(
      Object.fromEntries(refunds.map(({ day, tokens, costMicros }) => [day, [tokens, costMicros]])),
    ).toEqual(Object.fromEntries(Object.entries(back).map(([day, tokens]) => [day, [tokens, 0]])));
  },
);

test('an ended run reserves nothing more, and its account is on the list until somebody has closed it', async () => {
  const tenant = openTenant(store);
  await tenant.limit('tenant', {});
  const run = await tenant.run();
  await store.begin(run);
  await tenant.reserve(run, {}, { costMicros: 10 });
  await store.end(run);
  expect(await tenant.reserve(run, { step: 2 }, {})).toEqual({
    kind: 'denied',
    crossed: [],
    reason: 'The run has ended.',
  });
  const unclosed = async () => (await listUnclosed(db, 1000)).filter(({ runId }) => runId === run.id);
  expect(await unclosed()).toEqual([{ tenantId: tenant.id, runId: run.id }]);
  const closings = await Promise.all(
    Array.from({ length: 8 }, () => closeAccount(db, { tenantId: tenant.id, runId: run.id })),
  );
  expect(closings.filter(({ kind }) => kind === 'settled')).toHaveLength(1);
  expect(await unclosed()).toEqual([]);
  expect(sums(await tenant.pool('tenant')).costMicros).toEqual([10, 0]);
  expect((await tenant.settle(run, {}, { costMicros: 1 })).kind).toBe('closed');
});

test('integers are exact up to 2^53, beyond which an unlimited pool refuses', async () => {
  const tenant = openTenant(store);
  await tenant.limit('tenant', { costMicros: most });
  await tenant.limit('owner/free', {});
  const run = await tenant.run(['owner/free']);
  await tenant.reserve(run, { step: 1 }, { costMicros: most - 1 });
  expect((await tenant.pool('tenant')).held.costMicros).toBe(most - 1);
  await tenant.settle(run, { step: 1 }, { costMicros: most - 1 });
  expect((await tenant.pool('tenant')).used.costMicros).toBe(most - 1);
  expect(await tenant.reserve(run, { step: 2 }, { costMicros: 2 })).toMatchObject({
    name: 'tenant',
    allowed: most,
    used: most - 1,
    missing: 1,
  });
  expect(await tenant.reserve(run, { step: 2 }, { costMicros: 1, tokens: most })).toEqual(reserved);
  await tenant.settle(run, { step: 2 }, { costMicros: most, tokens: most });
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
  await expect(stranger.settle(run, {}, {})).rejects.toThrow(/Nothing was reserved/);
  await store.end(run);
  expect((await closeAccount(db, { tenantId: stranger.id, runId: run.id })).kind).toBe('closed');
  expect(sums(await stranger.pool('tenant')).costMicros).toEqual([0, 0]);
  expect(await readLedger(db, { tenantId: uuid(), limit: 10, runId: run.id })).toEqual([]);
});
