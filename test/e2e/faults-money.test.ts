// Budgets under faults: workers die with reservations open, and no money is spent that nobody has granted, none is
// counted twice, and none stays held. A run that would go on for ever is stopped.
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { createClient } from '../../api/client/client.ts';
import { moneyProblems } from '../chaos/checks/money.ts';
import { readMoney } from '../chaos/evidence.ts';
import { marked, startFakeModel } from '../chaos/fake-model.ts';
import { endless, makeEndless } from '../bench/harness/endless.ts';
import { until } from '../support/platform.ts';
import { openRoles, type Role } from '../support/roles.ts';
import { withFaults } from '../support/with-faults.ts';

// What any of these waits for takes at most; past it the test says what it waited for.
const longestMs = 120_000;
// A micro-dollar for each token of the prompt, and next to nothing for the answer: where the provider does not say
// what it used, a call is charged about the 4,000 that were reserved for it.
const prices = JSON.stringify({ 'compatible/*': { input: 1_000_000, output: 10_000 } });
const slots = withFaults ? 16 : 8;
// Four for each slot; how many calls die and how much is allowed go with it.
const runs = 4 * slots;
const steps = 2;
const tiny = 'tiny/0';

const todo = (text: string) => ({
  name: 'todo',
  input: JSON.stringify({ items: [{ text, status: 'pending' }] }),
});
/** Nobody is answered before so many have asked: that many reservations are open when a worker dies. */
let gate = 0;
const model = await startFakeModel(async ({ marker, step }) => {
  // Never the same call twice.
  if (marker === tiny) return { words: ['on '], calls: [todo(`Step ${step}.`)] };
  await until(
    () => model.asks.length >= gate,
    longestMs,
    () => `${model.asks.length} have asked the model, not ${gate}.`,
  );
  const words = Array.from({ length: 10 }, (_, word) => `${word} `);
  const usage = Number(marker.slice('money/'.length)) % 2 === 0 ? 'missing' : 'right';
  return { words, wordMs: 40, calls: step < steps ? [todo('Go on.')] : [], usage };
});
const roles = await openRoles({
  PERDURE_COMPATIBLE_BASE_URL: model.url,
  PERDURE_PRICES: prices,
  PERDURE_LLM_SLOTS: String(slots),
});
const database = new pg.Client({ connectionString: roles.databaseUrl });
let api: Role;

beforeAll(() => database.connect());
beforeEach(async () => {
  api = await roles.startApi();
  await makeEndless(roles);
});
afterEach(async () => {
  gate = 0;
  await roles.killAll();
});
afterAll(async () => {
  await database.end();
  await model.close();
});

async function rowsOf<T extends object>(text: string): Promise<T[]> {
  return (await database.query<T>(text)).rows;
}

async function pool() {
  const { items } = await roles.client.allowances({ name: 'tenant' });
  if (!items[0]) throw new Error('The tenant has no allowance.');
  return items[0];
}

/** Comes to its end however often the API dies meanwhile. */
async function limit(dayCostMicros: number): Promise<void> {
  const { version } = await pool();
  const client = createClient({ url: roles.url, token: roles.token, retryForMs: longestMs });
  await client.changeAllowance({ name: 'tenant', limits: { dayCostMicros }, version, reason: 'a test' });
}

async function start(marker: string, limits: object = {}): Promise<string> {
  const { id } = await roles.client.startRun({
    prompt: `Go on. ${marked(marker)}`,
    model: 'compatible/fake',
    ...endless,
    overBudget: 'pause',
    limits,
  });
  return id;
}

const asking = () => rowsOf(`select id from approvals where kind = 'limit' and status = 'open'`);
const ended = () =>
  rowsOf<{ status: string; steps: number }>('select status, steps from runs where ended_at is not null');

async function untilEnded(): Promise<void> {
  const all = async (): Promise<boolean> => (await ended()).length === runs;
  await until(all, longestMs, () => 'Some run has not ended.', 100);
}

/** Of the tenant's pool out of the ledger: the most that was used and held at any moment, and where it ended. */
async function ledgerSums(): Promise<{ most: number; used: number; held: number }> {
  const [sums] = await rowsOf<{ most: number; used: number; held: number }>(`
    with moves as (
      select entry.id, case when entry.kind = 'settle' then entry.cost_micros else 0 end as used,
        case when entry.closes then -opening.cost_micros else entry.cost_micros end as held
      from allowance_entries entry left join allowance_entries opening on entry.closes and not opening.closes
        and (opening.run_id, opening.step, opening.attempt) = (entry.run_id, entry.step, entry.attempt)
      where entry.closes is not null
    ), levels as (select sum(used + held) over (order by id) as level from moves)
    select (select max(level) from levels)::float as most, sum(used)::float as used, sum(held)::float as held
    from moves`);
  if (!sums) throw new Error('The ledger is empty.');
  return sums;
}

test(`of ${runs} runs at once whose workers and API die under them, none spends what is not there, and all go on when there is more`, async () => {
  // Two workers that die with every slot at work charge less than that, and all runs together need more.
  const allowed = 2_000 * runs;
  await limit(allowed);
  await Promise.all(Array.from({ length: runs }, (_, index) => start(`money/${index}`)));
  // In the middle of answers, and between what settled the first answer and what tells Temporal of it.
  for (const point of ['mid-stream', 'answer-stored'] as const) {
    gate = model.asks.length + (slots * 3) / 4;
    await (await roles.startWorker({ point })).gone;
  }
  gate = 0;
  // While some ask people already, others draw and settle.
  const dying = await roles.startWorker();
  await until(
    async () => (await asking()).length >= 4,
    longestMs,
    () => 'Nobody asks for money.',
  );
  dying.kill();
  await dying.gone;
  await roles.startWorker();
  const stands = async (): Promise<boolean> => (await asking()).length + (await ended()).length === runs;
  await until(stands, longestMs, () => 'Some run neither waits for money nor has ended.', 100);

  const stopped = await pool();
  const waiting = await asking();
  const sums = await ledgerSums();
  const [dearest] = await rowsOf<{ most: number }>(
    `select max(cost_micros) as most from allowance_entries where kind = 'reserve'`,
  );
  const most = Number(dearest?.most);
  console.log(
    `used ${sums.used} of ${allowed}, at most ${sums.most} with what was held, ${most} a call at the worst; ` +
      `${waiting.length} of ${runs} runs wait`,
  );
  // Each call that was under way in a worker that died is charged for what is known of it, and no other may cost more.
  const lost = await rowsOf<{ wrong: boolean }>(`
    select not closing.estimated or closing.cost_micros >= held.cost_micros
      or closing.cost_micros + closing.possible_cost_micros <> held.cost_micros as wrong
    from allowance_entries closing join allowance_entries held on not held.closes
      and (held.run_id, held.step, held.attempt) = (closing.run_id, closing.step, closing.attempt)
    where closing.closes and closing.reason like 'The attempt died:%'`);
  expect(lost.length).toBeGreaterThanOrEqual((slots * 5) / 8);
  expect(lost.filter(({ wrong }) => wrong)).toEqual([]);
  expect({ used: stopped.used.dayCostMicros, held: stopped.held.dayCostMicros }).toEqual({
    used: sums.used,
    held: 0,
  });
  // I5 allows one reservation more; nobody here uses more than was reserved.
  expect(sums.most).toBeLessThanOrEqual(allowed);
  // The first steps are the cheapest: who waits may need a little more than anybody has reserved.
  expect(sums.used).toBeGreaterThan(allowed - 1.5 * most);
  expect(waiting.length).toBeGreaterThan(0);
  // Whoever dies after a threshold was marked may take the words with it; nobody says them twice.
  const warnings = await rowsOf<{ percent: number; times: number }>(`
    select payload -> 'percent' as percent, count(*)::integer as times from events
    where type = 'budget-warning' and stream like 'run/%' group by 1`);
  expect(warnings.filter(({ times }) => times > 1)).toEqual([]);

  // The API dies as soon as the change can be seen: whom it was about to wake, others wake.
  const raising = limit(0);
  const isRaised = async (): Promise<boolean> =>
    (await rowsOf(`select 1 from allowances where name = 'tenant' and day_cost_micros = 0`)).length > 0;
  await until(isRaised, longestMs, () => 'The limit is not raised.', 1);
  api.kill();
  await api.gone;
  api = await roles.startApi();
  await raising;
  expect((await pool()).version).toBe(stopped.version + 1);
  await untilEnded();
  expect(await ended()).toEqual(Array.from({ length: runs }, () => ({ status: 'succeeded', steps })));

  // Every reservation is closed exactly once, the pool is the sum of what closed them, and nothing stays held.
  expect(moneyProblems(await readMoney(roles.databaseUrl))).toEqual([]);
  const end = await ledgerSums();
  const after = await pool();
  expect(end).toEqual({ most: end.most, used: after.used.dayCostMicros, held: 0 });
  expect(after.held).toEqual({ tokens: 0, costMicros: 0, dayTokens: 0, dayCostMicros: 0 });
  // Nobody has asked the model without a reservation.
  const [reserved] = await rowsOf<{ count: number }>(
    `select count(*)::integer from allowance_entries where kind = 'reserve'`,
  );
  expect(model.asks.length).toBeLessThanOrEqual(reserved?.count ?? 0);
});

test('a run of hundreds of tiny turns, none like the other, is stopped within one step of its money', {
  tags: ['faults'],
}, async () => {
  await roles.startWorker();
  // 100 tokens in; the one out is rounded up.
  const [turn, turns] = [101, 200];
  const limits = { steps: 100_000, seconds: 100_000, tokens: 1_000_000_000, costMicros: turn * turns };
  const id = await start(tiny, limits);
  const questions = async () => (await roles.client.approvals({ runId: id })).items;
  await until(
    async () => (await questions()).length > 0,
    longestMs,
    () => 'It does not stop.',
    200,
  );
  const [question] = await questions();
  expect(question).toMatchObject({ kind: 'limit', status: 'open' });
  await roles.client.deny(question?.id ?? '');
  const over = async (): Promise<boolean> => (await roles.client.run(id)).endedAt !== null;
  await until(over, longestMs, () => 'It does not end.');
  expect(await roles.client.run(id)).toMatchObject({
    status: 'failed',
    reason: 'limit_cost',
    steps: turns,
    costMicros: turn * turns,
  });
  expect(model.asks.filter(({ marker }) => marker === tiny)).toHaveLength(turns);
});
