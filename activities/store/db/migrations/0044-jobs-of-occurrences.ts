// Which upkeep an occurrence is at, whatever its schedule is changed to meanwhile.
import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  // Null: it has a run, or nothing was begun that takes its time.
  await sql`alter table occurrences add column job text`.execute(db);
  await sql`update occurrences set job = definition->>'job' from schedules
    where schedules.id = schedule_id and outcome = 'running' and run_id is null`.execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`alter table occurrences drop column job`.execute(db);
}
