// What the tool of a call says of itself, kept with the call: the store knows no tool by its name.
import { type Kysely, sql } from 'kysely';

const statements = [
  // A success ends the run, and its output is the last word.
  `alter table calls add column ends_run boolean not null default false`,
  // Whether a success is progress; null: as its effect says.
  `alter table calls add column progress boolean`,
  // Of calls that were asked for before. Runs that have ended are not looked at again.
  `update calls set ends_run = (tool = 'finish'), progress = case when tool = 'ask-person' then true end
   from runs
   where runs.id = calls.run_id and runs.ended_at is null and calls.tool in ('finish', 'ask-person')`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  for (const column of ['progress', 'ends_run']) {
    await sql`alter table calls drop column ${sql.ref(column)}`.execute(db);
  }
}
