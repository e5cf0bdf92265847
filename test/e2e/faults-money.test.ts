// Budgets under faults: workers die with reservations open, and no money is spent that nobody has granted, none is
// counted twice, and none stays held. A run that would go on for ever is stopped.
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { marked, startFakeModel } from '../chaos/fake-model.ts';
import { until } from '../support/platform.ts';
import { openRoles } from '../support/roles.ts';

// What any of these waits for takes at most; past it the test says what it waited for.
const patienceMs = 120_000;
// Micro-dollars a token. The fake model says 100 tokens in and one for each word; 32,000 out are reserved.
const prices = JSON.stringify({ 'compatible/*': { input: 1_000_000, output: 1_000_000 } });
const runs = 64;
const steps = 3;
const tiny = 'tiny/0';

const call = { name: 'todo', input: '{"items":[]}' };
/** Nobody is answered before so many have asked: that many reservations are open when a worker dies. */
let gate = 0;
const model = await startFakeModel(async ({ marker, step }) => {
  if (marker === tiny) return { words: ['on '], calls: [call] };
  await until(
    () => model.asks.length >= gate,
    patienceMs,
    () => 'Too few ask the model.',
  );
  const words = Array.from({ length: 10 }, (_, word) => `${word} `);
  return { words, wordMs: 50, calls: step < steps ? [call] : [] };
});
const roles = await openRoles({
  PERDURE_COMPATIBLE_BASE_URL: model.url,
  PERDURE_PRICES: prices,
  PERDURE_LLM_SLOTS: '32',
});

beforeAll(async () => {
  await roles.startApi();
});
afterAll(() => model.close());

async function rowsOf<T extends object>(text: string): Promise<T[]> {
  const client = new pg.Client({ connectionString: roles.databaseUrl });
  await client.connect();
  try {
    return (await client.query<T>(text)).rows;
  } finally {
    await client.end();
  }
}

/** The micro-dollars of the tenant's day. */
async function money(): Promise<{ used: number; held: number }> {
  const { items } = await roles.client.allowances({ name: 'tenant' });
  const [pool] = items;
  if (!pool) throw new Error('The tenant has no allowance.');
  return { used: pool.used.dayCostMicros, held: pool.held.dayCostMicros };
}

async function limit(dayCostMicros: number): Promise<void> {
  const { items } = await roles.client.allowances({ name: 'tenant' });
  const version = items[0]?.version ?? 0;
  await roles.client.changeAllowance({
    name: 'tenant',
    limits: { dayCostMicros },
    version,
    reason: 'a test',
  });
}

function start(marker: string, limits: object = {}): Promise<{ id: string }> {
  const prompt = `Go on. ${marked(marker)}`;
  return roles.client.startRun({
    prompt,
    model: 'compatible/fake',
    policy: 'trusted-mount-autonomous',
    limits,
  });
}

const waiting = () => rowsOf(`select id from approvals where kind = 'limit' and status = 'open'`);
const ended = () =>
  rowsOf<{ status: string; steps: number }>('select status, steps from runs where ended_at is not null');

test('of 64 runs at once whose workers die under them, none spends what is not there, and all go on when there is more', async () => {
  // Room for twenty of the worst cases, which are about 36,000 each; the deaths charge at least twenty-four.
  const [allowed, underWay] = [720_000, 12];
  await limit(allowed);
  await Promise.all(Array.from({ length: runs }, (_, index) => start(`money/${index}`)));
  let peak = 0;
  let limited = true;
  async function watch(): Promise<void> {
    while (limited) {
      const { used, held } = await money();
      peak = Math.max(peak, used + held);
      await sleep(50);
    }
  }
  async function dieTwiceAndGoOn(): Promise<void> {
    for (const _ of [1, 2]) {
      gate = model.asks.length + underWay;
      await (await roles.startWorker({ point: 'mid-stream' })).gone;
    }
    gate = 0;
    await roles.startWorker();
    const stands = async (): Promise<boolean> => (await waiting()).length + (await ended()).length === runs;
    await until(stands, patienceMs, () => 'Some run neither waits for money nor has ended.', 100);
    limited = false;
  }
  await Promise.all([watch(), dieTwiceAndGoOn()]);
  const stopped = await money();
  const asking = await waiting();
  const [dearest] = await rowsOf<{ most: number }>(
    `select max(cost_micros)::integer as most from allowance_entries where kind = 'reserve'`,
  );
  const most = dearest?.most ?? 0;
  console.log(
    `used ${stopped.used} of ${allowed}, at most ${peak} with what was held, ${asking.length} of ${runs} runs wait`,
  );
  expect(stopped.held).toBe(0);
  expect(stopped.used).toBeGreaterThan(allowed - most);
  expect(asking.length).toBeGreaterThan(0);
  expect(peak).toBeLessThanOrEqual(allowed + most);

  await limit(0);
  await until(
    async () => (await ended()).length === runs,
    patienceMs,
    () => 'Some run has not ended.',
    100,
  );
  expect(await ended()).toEqual(Array.from({ length: runs }, () => ({ status: 'succeeded', steps })));
  // Every reservation is closed exactly once, the pool is the sum of what closed them, and nothing stays held.
  expect(
    await rowsOf(`
      select run_id, step, attempt from allowance_entries where closes is not null
      group by 1, 2, 3 having count(*) filter (where closes) <> 1 or count(*) filter (where not closes) <> 1`),
  ).toEqual([]);
  const [sum] = await rowsOf<{ sum: number }>(
    `select sum(cost_micros)::integer as sum from allowance_entries where kind = 'settle'`,
  );
  expect(await money()).toEqual({ used: sum?.sum, held: 0 });
});

test('a run of hundreds of tiny turns is stopped within one step of its money', async () => {
  // 100 tokens in and one out.
  const [turn, turns] = [101, 500];
  const limits = { steps: 100_000, seconds: 100_000, tokens: 1_000_000_000, costMicros: turn * turns };
  const { id } = await start(tiny, limits);
  const questions = async () => (await roles.client.approvals({ runId: id })).items;
  await until(
    async () => (await questions()).length > 0,
    patienceMs,
    () => 'It does not stop.',
    200,
  );
  const [question] = await questions();
  expect(question).toMatchObject({ kind: 'limit', status: 'open' });
  await roles.client.deny(question?.id ?? '');
  const over = async (): Promise<boolean> => (await roles.client.run(id)).endedAt !== null;
  await until(over, patienceMs, () => 'It does not end.');
  expect(await roles.client.run(id)).toMatchObject({
    status: 'failed',
    reason: 'limit_cost',
    steps: turns,
    costMicros: turn * turns,
  });
  expect(model.asks.filter(({ marker }) => marker === tiny)).toHaveLength(turns);
});
