// Schedules: what the ledger costs per firing, for schedules among 1,000 that are due at once: the due time becomes an occurrence, its run
// is accepted under the schedule's lock, and the run's end is written. Against the floor: the same run accepted, and a
// bare row inserted for it. What Temporal does is the same for both, and left out.
import { sql } from 'kysely';
import { v7 as uuid } from 'uuid';
import { seedTenantAllowance } from '../../activities/store/allowances/change-limits.ts';
import { openDatabase } from '../../activities/store/db/database.ts';
import { startRun } from '../../activities/store/lifecycle/start-run.ts';
import { createEventLog } from '../../activities/store/log/events.ts';
import { ensureBuiltIns } from '../../activities/store/policies/policies.ts';
import { usualRetention } from '../../activities/store/retention/retention-table.ts';
import { attend } from '../../activities/store/schedules/attend.ts';
import { openDue } from '../../activities/store/schedules/due.ts';
import type { ScheduleRow } from '../../activities/store/schedules/schedule-row.ts';
import { insertSchedule, lockSchedule } from '../../activities/store/schedules/schedules.ts';
import { toDefinition } from '../../workflows/contracts/schedule.ts';
import { startNeeds } from '../support/start-needs.ts';
import { withDescendants } from './harness/cpu.ts';
import { cpuPerUnit, measurePairs, ratiosOf, report, type Sample, settings } from './harness/pairs.ts';
import { benchPostgres } from './harness/postgres.ts';

const schedules = 1000;
// Of each stretch; all of them would be minutes of a busy disk.
const fired = 200;

const server = await benchPostgres();
const database = openDatabase({ url: server.url, connections: 4, name: 'bench-schedules' });
const { db } = database;
const notifier = { touch: () => undefined, close: async () => undefined };
const log = createEventLog({ db, notifier, redact: (text) => text });
const begins = { needs: startNeeds, retention: usualRetention };
await sql`create table bare (id uuid primary key, run_id uuid not null, due_at timestamptz not null)`.execute(
  db,
);

/** A tenant of its own whose schedules are each due once. */
async function openTenant(): Promise<ScheduleRow[]> {
  const tenantId = uuid();
  await ensureBuiltIns(db, tenantId);
  await seedTenantAllowance(db, tenantId);
  const rows = await log.write('make', async (write) => {
    const made: ScheduleRow[] = [];
    for (let index = 0; index < schedules; index += 1)
      made.push(
        await insertSchedule(
          write,
          toDefinition({
            name: `schedule-${index}`,
            everySeconds: 3600,
            run: { prompt: 'Go.', project: null },
          }),
          { tenantId, by: 'bench' },
        ),
      );
    return made;
  });
  // A second before the last full hour, which is then made up for.
  await sql`update schedules set settled_until = date_trunc('hour', now()) - interval '1 second'
    where tenant_id = ${tenantId}`.execute(db);
  await sql`analyze schedules, occurrences, runs`.execute(db);
  return rows;
}

/** What is measured is what `fire` and `ended` take together; runs end between them. */
async function stretch(
  fire: (row: ScheduleRow) => Promise<void>,
  ended: (row: ScheduleRow) => Promise<void>,
): Promise<Sample> {
  const rows = (await openTenant()).slice(0, fired);
  let since = performance.now();
  for (const row of rows) await fire(row);
  let seconds = (performance.now() - since) / 1000;
  const [{ tenant_id: tenantId }] = rows as [ScheduleRow];
  const done =
    await sql`update runs set status = 'succeeded', ended_at = now() where tenant_id = ${tenantId}`.execute(
      db,
    );
  if (Number(done.numAffectedRows) !== fired) throw new Error(`${done.numAffectedRows} runs were accepted.`);
  since = performance.now();
  for (const row of rows) await ended(row);
  seconds += (performance.now() - since) / 1000;
  return { units: fired, figures: { seconds } };
}

/** As the activity does with one look. */
async function look({ id: scheduleId, tenant_id: tenantId }: ScheduleRow): Promise<void> {
  const now = new Date();
  await log.write('open-due', async (write) => {
    const row = await lockSchedule(write, tenantId, scheduleId);
    if (row) await openDue(write, row, now);
  });
  const hour = new Date(Math.floor(now.getTime() / 3_600_000) * 3_600_000);
  const occurrenceId = `${scheduleId}-${hour.toISOString().slice(0, 19)}Z`;
  const own = { tenantId, scheduleId, occurrenceId, generation: 0, executionId: 'bench' };
  await log.write('attend-occurrence', (write) => attend(write, begins, own, now));
}

async function bare({ tenant_id: tenantId, id }: ScheduleRow): Promise<void> {
  const starter = { tenantId, by: 'bench', requestId: 'bench' };
  const { run } = await log.write('start', (write) =>
    startRun(write, startNeeds, starter, { prompt: 'Go.', project: null, messageId: id }),
  );
  await sql`insert into bare values (${uuid()}, ${run.id}, now())`.execute(db);
}

const measured = await measurePairs({
  name: 'schedules',
  floor: { name: 'bare runs', measure: () => stretch(bare, async () => undefined) },
  ours: { name: 'firings', measure: () => stretch(look, look) },
  // A stretch is so many, however long that takes.
  settings: { ...settings(), pairs: Math.min(settings().pairs, 3) },
  pids: () => withDescendants([process.pid, server.pid]),
});
const { rows: kept } = await sql<{ outcome: string; count: number }>`select outcome, count(*)::int as count
  from occurrences group by outcome`.execute(db);
await database.close();
await server.stop();

const secondsOf = (one: (typeof measured.ours)[number]): number => one.figures?.['seconds'] ?? Number.NaN;
const times = ratiosOf(measured, secondsOf);
report({
  name: 'schedules',
  checks: [
    {
      what: 'time of a firing with its ledger, against the same run and a bare row',
      value: times.median,
      target: 2,
      mustReach: 3,
      higherIsBetter: false,
    },
  ],
  figures: {
    times,
    cpu: ratiosOf(measured, cpuPerUnit),
    millisecondsOfFiring: measured.ours.map((one) => secondsOf(one) * (1000 / fired)),
    millisecondsOfBare: measured.floor.map((one) => secondsOf(one) * (1000 / fired)),
    outcomes: kept,
  },
});
