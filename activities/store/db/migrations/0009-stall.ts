// Whether a run gets anywhere: kept on its row, which every step and every result of a call locks anyway.
import { type Kysely, sql } from 'kysely';

const statements = [
  // Of the profile it began with: steps without progress, and how often it may plan anew. Null: nobody looks.
  `alter table runs add column stall jsonb`,
  // The last step with progress.
  `alter table runs add column progress_step integer not null default 0`,
  `alter table runs add column replans integer not null default 0`,
  // Hashes of the last results that were progress, the newest first.
  `alter table runs add column recent_outputs text[] not null default '{}'`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  for (const column of ['recent_outputs', 'replans', 'progress_step', 'stall']) {
    await sql`alter table runs drop column ${sql.ref(column)}`.execute(db);
  }
}
