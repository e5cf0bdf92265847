// Occurrences as executions: which of them need something of their workflow, and what the reconciler has seen of that.
import { sql } from 'kysely';
import type { Db } from '../db/database.ts';
import { executionTable } from '../db/execution-table.ts';
import type { OccurrenceRow } from './occurrences.ts';

/** Whose run has ended, or who may begin because nothing is before them any more. */
export async function listUnseen(db: Db, olderThanMs: number, limit: number): Promise<{ id: string }[]> {
  const before = new Date(Date.now() - olderThanMs);
  const { rows } = await sql<{ id: string }>`select occurrence.id from occurrences occurrence
    left join runs on runs.id = occurrence.run_id
    where occurrence.ended_at is null and occurrence.execution_id is not null and (
      (outcome = 'running' and job is null and (runs.id is null or runs.ended_at < ${before}))
      or (outcome = 'waiting' and coalesce(again_at, occurrence.created_at) < ${before} and not exists (
        select from occurrences other
        where other.schedule_id = occurrence.schedule_id and other.ended_at is null and other.id <> occurrence.id
          and (other.outcome = 'running' or (other.due_at, other.id) < (occurrence.due_at, occurrence.id))
      ))
    ) limit ${limit}`.execute(db);
  return rows;
}

/** Those that have not ended. */
export const occurrenceTable = executionTable<OccurrenceRow>('occurrences', sql`ended_at is null`);
