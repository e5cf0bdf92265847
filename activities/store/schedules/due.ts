// Due times become occurrences: each exactly once, in the order of time, under the schedule's lock. An occurrence that may
// begin waits for its workflow, which is called as the occurrence is.
import { sql } from 'kysely';
import { v7 as uuid } from 'uuid';
import { givesWay, planDue } from '../../../workflows/schedule/decide.ts';
import { dueTimes, nextDue } from '../../../workflows/schedule/due-times.ts';
import type { Write } from '../log/events.ts';
import { cancelOpen, type Cancelled, type OccurrenceRow, openOf, tellOccurrence } from './occurrences.ts';
import type { ScheduleRow } from './schedule-row.ts';

// Reckoned in a tenth of a second, while the process does nothing else: a day of every minute is one of them.
const mostAtOnce = 2000;

// As long as an outage that a person looks into due time by due time. A year of every five seconds would be six million.
const toldEachMs = 48 * 3_600_000;

/** As Temporal names the workflow that it starts for this due time. */
export function occurrenceId(scheduleId: string, dueAt: Date): string {
  return `${scheduleId}-${dueAt.toISOString().slice(0, 19)}Z`;
}

export interface Opened {
  /** Those that may begin, whose workflows may not exist yet. */
  waiting: OccurrenceRow[];
  /** What made room for them. */
  cancelled: Cancelled[];
  /** There are more due times than one transaction takes. */
  more: boolean;
}

/** What was due until now, of a schedule whose lock the caller holds. */
export async function openDue(write: Write, schedule: ScheduleRow, now: Date): Promise<Opened> {
  const opened: Opened = { waiting: [], cancelled: [], more: false };
  if (!schedule.enabled || schedule.deleted_at) return opened;
  const { definition } = schedule;
  const since = await sumUp(write, schedule, now);
  const due = dueTimes(definition, since, now, mostAtOnce + 1);
  if (due.length === 0 && since === schedule.settled_until) return opened;
  // Of a part nothing is made up for: a later due time stands for it.
  opened.more = due.length > mostAtOnce;
  const planned = planDue(due, now, definition).slice(0, mostAtOnce);
  const missed = planned.flatMap(({ dueAt, missed: reason }) =>
    reason === undefined ? [] : [{ dueAt, reason }],
  );
  await insertPassed(write, schedule, missed);
  for (const { dueAt, late } of planned.filter((each) => each.missed === undefined))
    await openOne(
      write,
      schedule,
      { id: occurrenceId(schedule.id, dueAt), dueAt, late, byHand: false },
      opened,
    );
  await settleUntil(write, schedule, opened.more ? (planned.at(-1)?.dueAt ?? now) : now);
  return opened;
}

/** Begins one now, because a person says so. */
export async function openByHand(
  write: Write,
  schedule: ScheduleRow,
  now: Date,
): Promise<{ row: OccurrenceRow; opened: Opened }> {
  const opened: Opened = { waiting: [], cancelled: [], more: false };
  const id = `${schedule.id}-${uuid()}`;
  const row = await openOne(write, schedule, { id, dueAt: now, late: false, byHand: true }, opened);
  return { row, opened };
}

/** Whatever was due until now does not begin any more. The caller holds the schedule's lock. */
export async function passDue(write: Write, schedule: ScheduleRow, now: Date, reason: string): Promise<void> {
  if (!schedule.enabled) return;
  for (let after = await sumUp(write, schedule, now); ; ) {
    const due = dueTimes(schedule.definition, after, now, mostAtOnce);
    await insertPassed(
      write,
      schedule,
      due.map((dueAt) => ({ dueAt, reason })),
    );
    const last = due.at(-1);
    if (last === undefined || due.length < mostAtOnce) return;
    after = last;
  }
}

/**
 * After a long time in which nothing looked, such as a year off: where there are too many due times to tell of each,
 * those of more than two days ago are one in the ledger, which says so. Returns since when each is told.
 */
async function sumUp(write: Write, schedule: ScheduleRow, now: Date): Promise<Date> {
  const { definition, settled_until: since } = schedule;
  const edge = new Date(now.getTime() - toldEachMs);
  if (since >= edge) return since;
  const due = dueTimes(definition, since, now, mostAtOnce + 1);
  const [first] = due;
  if (due.length <= mostAtOnce || first === undefined || first > edge) return since;
  const reason = `Missed, as was each due time after it until ${edge.toISOString()}; this one stands for them.`;
  await insertPassed(write, schedule, [{ dueAt: first, reason }]);
  return edge;
}

async function settleUntil(write: Write, schedule: ScheduleRow, until: Date): Promise<void> {
  await write.tx
    .updateTable('schedules')
    .set({ settled_until: until, next_due_at: nextDue(schedule.definition, until) ?? null })
    .where('id', '=', schedule.id)
    .execute();
}

async function insertPassed(
  write: Write,
  schedule: ScheduleRow,
  passed: readonly { dueAt: Date; reason: string }[],
): Promise<void> {
  if (passed.length === 0) return;
  const ids = passed.map(({ dueAt }) => occurrenceId(schedule.id, dueAt));
  const dueAts = passed.map(({ dueAt }) => dueAt.toISOString());
  const reasons = passed.map(({ reason }) => reason);
  // One a statement for each would take seconds after a long outage.
  const { rows } =
    await sql<OccurrenceRow>`insert into occurrences (id, tenant_id, schedule_id, due_at, outcome, reason, ended_at)
    select id, ${schedule.tenant_id}, ${schedule.id}, due_at, 'skipped', reason, now()
    from unnest(${ids}::text[], ${dueAts}::timestamptz[], ${reasons}::text[]) as passed (id, due_at, reason)
    on conflict do nothing returning *`.execute(write.tx);
  for (const row of rows) tellOccurrence(write, row, schedule.name);
}

interface NewOccurrence {
  id: string;
  dueAt: Date;
  late: boolean;
  byHand: boolean;
}

async function openOne(
  write: Write,
  schedule: ScheduleRow,
  { id, dueAt, late, byHand }: NewOccurrence,
  opened: Opened,
): Promise<OccurrenceRow> {
  const open = await openOf(write.tx, schedule.id);
  const { outcome, reason, cancels } = givesWay(schedule.definition.overlap, open);
  const row = await write.tx
    .insertInto('occurrences')
    .values({
      id,
      tenant_id: schedule.tenant_id,
      schedule_id: schedule.id,
      due_at: dueAt,
      by_hand: byHand,
      outcome,
      reason,
      late,
      ...(outcome !== 'waiting' && { ended_at: new Date() }),
    })
    .returningAll()
    .executeTakeFirstOrThrow();
  tellOccurrence(write, row, schedule.name);
  if (outcome === 'waiting') opened.waiting.push(row);
  for (const each of cancels) {
    const cancelled = await cancelOpen(write, each);
    if (cancelled) opened.cancelled.push(cancelled);
  }
  return row;
}
