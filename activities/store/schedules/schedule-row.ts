// A schedule as its row says it.
import type { Selectable } from 'kysely';
import type { ScheduleDefinition, ScheduleView } from '../../../workflows/contracts/schedule.ts';
import { inWords } from '../../../workflows/schedule/in-words.ts';
import type { Schedules } from '../db/tables.ts';

export type ScheduleRow = Omit<Selectable<Schedules>, 'definition'> & { definition: ScheduleDefinition };

export function rowOf(row: Selectable<Schedules>): ScheduleRow {
  return { ...row, definition: row.definition as unknown as ScheduleDefinition };
}

export function toScheduleView(row: ScheduleRow): ScheduleView {
  return {
    id: row.id,
    ...row.definition,
    enabled: row.enabled,
    when: inWords(row.definition),
    fromManifest: row.from_manifest,
    version: row.version,
    nextDueAt: row.next_due_at?.toISOString() ?? null,
    createdAt: row.created_at.toISOString(),
    createdBy: row.created_by,
    updatedAt: row.updated_at.toISOString(),
  };
}
