// Tasks: what the dispatcher does with 1,000 that wait, among 50 executors with room for them all, against the bare
// claims of as many, each in a transaction of its own. Ours accepts the run of each task with its claim.
import { sql } from 'kysely';
import { v7 as uuid } from 'uuid';
import { look } from '../../activities/tasks.ts';
import { seedTenantAllowance } from '../../activities/store/allowances/change-limits.ts';
import { openDatabase } from '../../activities/store/db/database.ts';
import { createEventLog } from '../../activities/store/log/events.ts';
import { ensureBuiltIns } from '../../activities/store/policies/policies.ts';
import { registerExecutor } from '../../activities/store/runs/executors.ts';
import { startNeeds } from '../support/start-needs.ts';
import { withDescendants } from './harness/cpu.ts';
import { cpuPerUnit, measurePairs, rate, ratiosOf, report, type Sample, settings } from './harness/pairs.ts';
import { benchPostgres } from './harness/postgres.ts';

const tasks = 1000;
const executors = 50;

const server = await benchPostgres();
const database = openDatabase({ url: server.url, connections: 4, name: 'bench-dispatch' });
const { db } = database;
const notifier = { touch: () => undefined, close: async () => undefined };
const log = createEventLog({ db, notifier, redact: (text) => text });
const deps = { log, needs: startNeeds, startRun: () => undefined, wakeRun: () => undefined };

/** A tenant of its own with all that waits; nothing is left of the one before that could be in the way. */
async function openTenant(): Promise<string> {
  const tenantId = uuid();
  await ensureBuiltIns(db, tenantId);
  await seedTenantAllowance(db, tenantId);
  for (let made = 0; made < executors; made += 1)
    await registerExecutor(db, {
      ...{ id: uuid(), tenantId, host: 'bench', pid: 1, startedTicks: '1', queues: [], capacity: {} },
      offers: {
        ...{ name: `worker-${made}`, capabilities: ['build'], sandboxes: [], codeVersion: 'bench' },
        places: tasks / executors,
      },
    });
  // Their heartbeats do not come.
  await sql`update executors set ttl_seconds = 3600 where tenant_id = ${tenantId}`.execute(db);
  await sql`insert into tasks (id, tenant_id, title, prompt, priority, labels, files, acceptance, depends_on, run, status,
      retries, created_by)
    select gen_random_uuid(), ${tenantId}, 'Task ' || n, 'Go.', n % 4, '{build}', '{}', '{}', '{}', '{"project":null}',
      'pending', 3, 'bench' from generate_series(1, ${tasks}) as n`.execute(db);
  await sql`analyze tasks, executors`.execute(db);
  return tenantId;
}

/** Stretches begin with what waits already there: making it is no part of what is measured. */
async function stretch(act: (tenantId: string) => Promise<void>): Promise<Sample> {
  const tenantId = await openTenant();
  const since = performance.now();
  await act(tenantId);
  const seconds = (performance.now() - since) / 1000;
  const { rows } = await sql<{ claimed: number; busiest: number }>`select sum(load)::integer as claimed,
      max(load)::integer as busiest from (
        select count(*) as load from tasks where tenant_id = ${tenantId} and status = 'in_progress' group by executor_id
      ) held`.execute(db);
  if (rows[0]?.claimed !== tasks) throw new Error(`Of ${tasks} tasks ${rows[0]?.claimed} are claimed.`);
  return { units: tasks, figures: { seconds, busiest: rows[0].busiest } };
}

async function dispatch(tenantId: string): Promise<void> {
  for (;;) {
    const { againMs } = await look(deps, { tenantId, generation: 0, executionId: 'bench' }, () => new Date());
    if (againMs !== 0) return;
  }
}

async function bareClaims(tenantId: string): Promise<void> {
  const { rows } = await sql<{ id: string }>`select id from executors where tenant_id = ${tenantId}`.execute(
    db,
  );
  for (let claimed = 0; claimed < tasks; claimed += 1)
    await log.write('claim', (write) =>
      sql`update tasks set status = 'in_progress', claim = claim + 1, executor_id = ${rows[claimed % executors]?.id}
        where id = (select id from tasks where tenant_id = ${tenantId} and status = 'pending'
          order by priority, created_at, id limit 1 for update skip locked)`.execute(write.tx),
    );
}

const measured = await measurePairs({
  name: 'dispatch',
  floor: { name: 'bare claims', measure: () => stretch(bareClaims) },
  ours: { name: 'dispatched', measure: () => stretch(dispatch) },
  // A stretch is all the tasks, however long that takes; on a busy machine more pairs take minutes.
  settings: { ...settings(), pairs: Math.min(settings().pairs, 3) },
  pids: () => withDescendants([process.pid, server.pid]),
});
await database.close();
await server.stop();

const secondsOf = (one: (typeof measured.ours)[number]): number => one.figures?.['seconds'] ?? Number.NaN;
const times = ratiosOf(measured, secondsOf);
report({
  name: 'dispatch',
  checks: [
    {
      what: 'time of handing out 1,000 tasks to 50 executors, each with its accepted run, against as many bare claims',
      value: times.median,
      target: 3,
      mustReach: 5,
      higherIsBetter: false,
    },
  ],
  figures: {
    times,
    cpu: ratiosOf(measured, cpuPerUnit),
    tasksPerSecond: measured.ours.map((one) => tasks / secondsOf(one)),
    claimsPerSecond: measured.floor.map((one) => tasks / secondsOf(one)),
    allTasksPerSecond: measured.ours.map(rate),
  },
});
