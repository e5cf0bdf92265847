// Allowances: reserving and closing a model call up a chain of three pools, one of them shared by all, against two
// bare updates of the same three rows. With one shared row those cannot deadlock, though they lock in no order.
import { sql } from 'kysely';
import { v7 as uuid } from 'uuid';
import { startRun } from '../../activities/store/lifecycle/start-run.ts';
import { changeLimits, seedTenantAllowance } from '../../activities/store/allowances/change-limits.ts';
import { reserve, closeReservation } from '../../activities/store/allowances/allowances.ts';
import { defaultTenant, openDatabase } from '../../activities/store/db/database.ts';
import { ensureBuiltIns } from '../../activities/store/policies/policies.ts';
import { createEventLog } from '../../activities/store/log/events.ts';
import { startNeeds } from '../support/start-needs.ts';
import { withDescendants } from './harness/cpu.ts';
import { cpuPerUnit, measurePairs, rate, ratiosOf, report, type Sample, settings } from './harness/pairs.ts';
import { benchPostgres } from './harness/postgres.ts';

// As many as runs call models at once on a small machine.
const callers = 8;

const server = await benchPostgres();
const database = openDatabase({ url: server.url, connections: callers + 2, name: 'bench-allowance' });
const { db } = database;
const notifier = { touch: () => undefined, close: async () => undefined };
const log = createEventLog({ db, notifier, redact: (text) => text });

const starter = { tenantId: defaultTenant, by: 'bench', requestId: 'bench' };
const limits = { steps: 1, seconds: 1, costMicros: 1, tokens: 1 };

interface Caller {
  runId: string;
  pools: string[];
  step: number;
}

async function openCaller(): Promise<Caller> {
  const name = uuid();
  const owner = `owner/${name}` as const;
  await log.write('test', (write) => limitOf(write.tx, owner));
  const wanted = { prompt: 'Measure.', limits, owner: name };
  const { run } = await log.write('test', (write) => startRun(write, startNeeds, starter, wanted));
  const runId = run.id;
  await log.write('test', (write) => limitOf(write.tx, `run/${runId}`));
  const pools = await db
    .selectFrom('allowances')
    .select('id')
    .where('name', 'in', ['tenant', owner, `run/${runId}`])
    .execute();
  return { runId, pools: pools.map(({ id }) => id), step: 0 };
}

// Far above what is used: the benchmark measures a reservation that fits.
function limitOf(tx: Parameters<typeof changeLimits>[0], name: `owner/${string}` | `run/${string}`) {
  const limits = { dayCostMicros: 2 ** 50, tokens: 2 ** 50 };
  return changeLimits(tx, {
    tenantId: defaultTenant,
    name,
    model: '',
    limits,
    version: 0,
    by: 'bench',
    reason: 'the benchmark',
  });
}

async function drawAndClose(caller: Caller): Promise<void> {
  const key = { tenantId: defaultTenant, runId: caller.runId, step: (caller.step += 1), attempt: 1 };
  const worst = { inputTokens: 1000, outputTokens: 1000, costMicros: 100 };
  const answer = await reserve(db, { ...key, model: 'scripted/hello', worst });
  if (answer.kind !== 'reserved') throw new Error(`The reservation is ${answer.kind}.`);
  await closeReservation(db, key, { ...worst, outputTokens: 10, cachedInputTokens: 0, estimated: false });
}

async function updateTwice({ pools }: Caller): Promise<void> {
  for (const sign of [1, -1]) {
    await sql`
      update allowances set held_tokens = held_tokens + ${sign * 2000},
        held_cost_micros = held_cost_micros + ${sign * 100}
      where id = any(${pools}::uuid[])`.execute(db);
  }
}

await ensureBuiltIns(db, defaultTenant);
await seedTenantAllowance(db, defaultTenant);
await sql`update allowances set day_cost_micros = ${2 ** 50}`.execute(db);
const opened = await Promise.all(Array.from({ length: callers }, openCaller));

/** Until the time is up, each of `many` callers makes one call after the other. */
async function calls(many: number, seconds: number, one: (caller: Caller) => Promise<void>): Promise<Sample> {
  const end = Date.now() + seconds * 1000;
  let units = 0;
  await Promise.all(
    opened.slice(0, many).map(async (caller) => {
      while (Date.now() < end) {
        await one(caller);
        units += 1;
      }
    }),
  );
  return { units };
}

function measure(many: number): ReturnType<typeof measurePairs> {
  return measurePairs({
    name: `allowance, ${many} at once`,
    floor: { name: 'two bare updates', measure: (seconds) => calls(many, seconds, updateTwice) },
    ours: { name: 'reserve and close', measure: (seconds) => calls(many, seconds, drawAndClose) },
    settings: settings(),
    pids: () => withDescendants([process.pid, server.pid]),
  });
}

const alone = await measure(1);
const together = await measure(callers);
await database.close();
await server.stop();

const secondsOf = (measured: typeof alone) => ratiosOf(measured, (stretch) => 1 / rate(stretch));
const times = { alone: secondsOf(alone), together: secondsOf(together) };
report({
  name: 'allowance',
  checks: [
    {
      what: 'time of reserving and closing against two bare updates of the same rows',
      value: times.alone.median,
      target: 1.5,
      mustReach: 2,
      higherIsBetter: false,
    },
    {
      what: 'the same with eight callers at once, all of whom draw from one pool',
      value: times.together.median,
      // Each waits for the others' commits, and ours write three times as much.
      target: 2,
      mustReach: 2.5,
      higherIsBetter: false,
    },
  ],
  figures: {
    ...times,
    cpu: { alone: ratiosOf(alone, cpuPerUnit), together: ratiosOf(together, cpuPerUnit) },
    callsPerSecond: { alone: alone.ours.map(rate), together: together.ours.map(rate) },
    floorPerSecond: { alone: alone.floor.map(rate), together: together.floor.map(rate) },
  },
});
