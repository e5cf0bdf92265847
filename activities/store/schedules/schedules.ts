// Schedules: what is to be started when. The row is the truth; Temporal's schedule of the same id only wakes it, and is
// kept equal to it by api/upkeep.
import { sql } from 'kysely';
import { v7 as uuid } from 'uuid';
import { Failure, found } from '../../../workflows/contracts/failures.ts';
import { type ScheduleDefinition, toDefinition } from '../../../workflows/contracts/schedule.ts';
import { nextDue } from '../../../workflows/schedule/due-times.ts';
import { addAudit } from '../access/audit.ts';
import { type Db, type Queries, violatedConstraint } from '../db/database.ts';
import type { EventLog, Write } from '../log/events.ts';
import { passDue } from './due.ts';
import { rowOf, type ScheduleRow } from './schedule-row.ts';

/** Whose change it is. */
export interface Author {
  tenantId: string;
  /** As the audit shows it. */
  by: string;
}

/** Undefined too for one that was deleted. */
export async function findSchedule(
  queries: Queries,
  tenantId: string,
  id: string,
): Promise<ScheduleRow | undefined> {
  const row = await queries
    .selectFrom('schedules')
    .selectAll()
    .where('id', '=', id)
    .where('tenant_id', '=', tenantId)
    .where('deleted_at', 'is', null)
    .executeTakeFirst();
  return row && rowOf(row);
}

export interface ScheduleList {
  tenantId: string;
  limit: number;
  after?: string;
  name?: string;
}

export async function listSchedules(
  db: Db,
  { tenantId, limit, after, name }: ScheduleList,
): Promise<ScheduleRow[]> {
  let query = db
    .selectFrom('schedules')
    .selectAll()
    .where('tenant_id', '=', tenantId)
    .where('deleted_at', 'is', null)
    .orderBy('id')
    .limit(limit);
  if (after !== undefined) query = query.where('id', '>', after);
  if (name !== undefined) query = query.where('name', '=', name);
  return (await query.execute()).map(rowOf);
}

/**
 * The first lock of whatever makes due times into occurrences or changes a schedule: it comes before pools,
 * conversations and runs. A deleted one is found too.
 */
export async function lockSchedule(
  { tx }: Write,
  tenantId: string,
  id: string,
): Promise<ScheduleRow | undefined> {
  const row = await tx
    .selectFrom('schedules')
    .selectAll()
    .where('id', '=', id)
    .where('tenant_id', '=', tenantId)
    .forUpdate()
    .executeTakeFirst();
  return row && rowOf(row);
}

const seedAuthor = 'Perdure';
const nightly = toDefinition({
  name: 'nightly-pruning',
  // In UTC: when the fewest people work, in more places than at any other hour.
  cron: '0 3 * * *',
  job: 'prune',
});

/** What every tenant has from its first start on; a person may change it, switch it off or take it away. */
export async function seedSchedules(log: EventLog, tenantId: string): Promise<void> {
  await log.write('seed-schedules', async (write) => {
    // Two processes that start at once.
    await sql`select pg_advisory_xact_lock(hashtext('perdure-seed-schedules'))`.execute(write.tx);
    // Whatever a person made of it, its row is kept for ever; and no two schedules have one name.
    const { rows } = await sql`select from schedules where tenant_id = ${tenantId} and (
      created_by = ${seedAuthor} or name = ${nightly.name} or definition->>'job' = 'prune') limit 1`.execute(
      write.tx,
    );
    if (rows.length === 0) await insertSchedule(write, nightly, { tenantId, by: seedAuthor });
  });
}

/** All of a tenant, locked in one order. */
export async function lockAll({ tx }: Write, tenantId: string): Promise<ScheduleRow[]> {
  const rows = await tx
    .selectFrom('schedules')
    .selectAll()
    .where('tenant_id', '=', tenantId)
    .where('deleted_at', 'is', null)
    .orderBy('id')
    .forUpdate()
    .execute();
  return rows.map(rowOf);
}

export async function insertSchedule(
  write: Write,
  definition: ScheduleDefinition,
  { tenantId, by }: Author,
  fromManifest = false,
): Promise<ScheduleRow> {
  const now = new Date();
  const inserted = await write.tx
    .insertInto('schedules')
    .values({
      id: uuid(),
      tenant_id: tenantId,
      name: definition.name,
      definition: JSON.stringify(definition),
      enabled: definition.enabled,
      from_manifest: fromManifest,
      settled_until: now,
      next_due_at: definition.enabled ? (nextDue(definition, now) ?? null) : null,
      created_by: by,
    })
    .returningAll()
    .executeTakeFirstOrThrow()
    .catch((error: unknown) => {
      throw taken(error, definition.name);
    });
  await note(write, { tenantId, by }, 'create-schedule', definition);
  return rowOf(inserted);
}

function taken(error: unknown, name: string): unknown {
  if (violatedConstraint(error) !== 'schedules_by_name') return error;
  return new Failure(
    'ScheduleExists',
    `There is a schedule called ${name} already; use another name or change that one.`,
  );
}

/** The schedule under its lock, in the version that was seen; refused where a manifest defines it. */
export async function lockForChange(
  write: Write,
  tenantId: string,
  id: string,
  version?: number,
): Promise<ScheduleRow> {
  const row = await lockSchedule(write, tenantId, id);
  const schedule = found(row?.deleted_at === null ? row : undefined, `schedule ${id}`);
  if (version !== undefined && version !== schedule.version) {
    const detail = `Schedule ${schedule.name} is at version ${schedule.version} by now; look at that and send the change again.`;
    throw new Failure('VersionStale', detail, { version: schedule.version });
  }
  return schedule;
}

/** Takes another definition, or is switched on or off. What was due until now stays due as it was. */
export async function changeSchedule(
  write: Write,
  schedule: ScheduleRow,
  change: { definition?: ScheduleDefinition; enabled: boolean },
  author: Author,
): Promise<ScheduleRow> {
  const definition = change.definition ?? schedule.definition;
  const now = new Date();
  const { cron, everySeconds, timeZone } = schedule.definition;
  const keepsTime =
    change.enabled &&
    schedule.enabled &&
    cron === definition.cron &&
    everySeconds === definition.everySeconds &&
    timeZone === definition.timeZone;
  if (!keepsTime)
    await passDue(write, schedule, now, 'The schedule was changed or switched off before it could begin.');
  const since = later(now, schedule.settled_until);
  const next = change.enabled ? (nextDue(definition, since) ?? null) : null;
  const changed = await write.tx
    .updateTable('schedules')
    .set({
      name: definition.name,
      definition: JSON.stringify(definition),
      enabled: change.enabled,
      version: schedule.version + 1,
      updated_at: now,
      ...(!keepsTime && { settled_until: since, next_due_at: next }),
    })
    .where('id', '=', schedule.id)
    .returningAll()
    .executeTakeFirstOrThrow()
    .catch((error: unknown) => {
      throw taken(error, definition.name);
    });
  await note(write, author, 'change-schedule', { ...definition, enabled: change.enabled });
  return rowOf(changed);
}

/** A clock that was set back takes nothing out of the ledger. */
function later(one: Date, other: Date): Date {
  return one > other ? one : other;
}

/** Nothing is due any more; what is at work goes on, and its ledger stays. */
export async function deleteSchedule(
  write: Write,
  schedule: ScheduleRow,
  author: Author,
): Promise<ScheduleRow> {
  const now = new Date();
  await passDue(write, schedule, now, 'The schedule was deleted before it could begin.');
  const deleted = await write.tx
    .updateTable('schedules')
    .set({ deleted_at: now, next_due_at: null, enabled: false, version: schedule.version + 1 })
    .where('id', '=', schedule.id)
    .returningAll()
    .executeTakeFirstOrThrow();
  await note(write, author, 'delete-schedule', { name: schedule.name });
  return rowOf(deleted);
}

async function note(write: Write, { tenantId, by }: Author, action: string, detail: object): Promise<void> {
  const { run: _run, ...plain } = detail as Partial<ScheduleDefinition>;
  await addAudit(write, [{ tenantId, actor: by, action, detail: plain }]);
}

/** Those whose present version Temporal has not been told of. */
export async function listUntold(db: Db, limit: number): Promise<ScheduleRow[]> {
  const rows = await db
    .selectFrom('schedules')
    .selectAll()
    .where(sql<boolean>`told_version <> version`)
    .orderBy('updated_at')
    .limit(limit)
    .execute();
  return rows.map(rowOf);
}

/** As it is now, deleted or not. */
export async function readSchedule(db: Db, id: string): Promise<ScheduleRow> {
  return rowOf(await db.selectFrom('schedules').selectAll().where('id', '=', id).executeTakeFirstOrThrow());
}

/** False when it has another version by now, of which Temporal must be told again. */
export async function markTold(
  db: Db,
  { id, version }: Pick<ScheduleRow, 'id' | 'version'>,
): Promise<boolean> {
  const told = await db
    .updateTable('schedules')
    .set({ told_version: version })
    .where('id', '=', id)
    .where('version', '=', version)
    .executeTakeFirst();
  return told.numUpdatedRows === 1n;
}

/** Temporal let a due time pass: it is told anew, whatever it was told before. */
export async function markUntold(db: Db, id: string): Promise<void> {
  await db.updateTable('schedules').set({ told_version: 0 }).where('id', '=', id).execute();
}

/** Whether a due time up to then is not in the ledger yet. */
export async function isDue(db: Db, id: string, now: Date): Promise<boolean> {
  const due = await db
    .selectFrom('schedules')
    .select('id')
    .where('id', '=', id)
    .where('next_due_at', '<=', now)
    .executeTakeFirst();
  return due !== undefined;
}

/** Those whose first due time passed so long ago that Temporal should have woken them, jitter counted in. */
export async function listOverdue(db: Db, olderThanMs: number, limit: number): Promise<ScheduleRow[]> {
  const rows = await db
    .selectFrom('schedules')
    .selectAll()
    .where(
      sql<boolean>`next_due_at + make_interval(secs => (definition->>'jitterSeconds')::integer) < ${new Date(Date.now() - olderThanMs)}`,
    )
    .orderBy('next_due_at')
    .limit(limit)
    .execute();
  return rows.map(rowOf);
}
