// Upkeep that takes its time, as an occurrence asks for it: it is at work until what became of it is written here. A process
// that dies at it leaves it at work, and the next one does it again.
import { sql } from 'kysely';
import type { Db } from '../db/database.ts';
import type { EventLog } from '../log/events.ts';
import { end, type LongJob } from './attend.ts';
import { findOccurrence } from './occurrences.ts';
import { lockSchedule } from './schedules.ts';

export interface OpenJob {
  occurrenceId: string;
  scheduleId: string;
  tenantId: string;
  job: LongJob;
}

/** The one that has been at work for longest. */
export async function nextJob(db: Db): Promise<OpenJob | undefined> {
  const { rows } = await sql<OpenJob>`
    select id as "occurrenceId", schedule_id as "scheduleId", tenant_id as "tenantId", job
    from occurrences where ended_at is null and job is not null order by started_at, id limit 1`.execute(db);
  return rows[0];
}

/** Answers itself and the occurrence that waited for it: their workflows are to look. */
export async function endJob(
  log: EventLog,
  { occurrenceId, scheduleId, tenantId }: OpenJob,
  became: { outcome: 'ran' | 'failed'; reason: string },
): Promise<string[]> {
  return log.write('end-job', async (write) => {
    await lockSchedule(write, tenantId, scheduleId);
    const row = await findOccurrence(write.tx, occurrenceId);
    // Another process was at it too, and was quicker; or it was deleted.
    if (!row || row.ended_at !== null) return [];
    const outcome = became.outcome === 'ran' && row.late ? 'late' : became.outcome;
    const { next } = await end(write, row, outcome, became.reason);
    return next === undefined ? [occurrenceId] : [occurrenceId, next];
  });
}
