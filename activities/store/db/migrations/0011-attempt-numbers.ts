// Which of all tries at its unit an attempt is, in columns of their own; its number is only counted.
import { type Kysely, sql } from 'kysely';

const columns = ['generation', 'pauses', 'tried'];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const column of columns)
    await sql`alter table attempts add column ${sql.ref(column)} integer`.execute(db);
  // Numbers were made of the three; they stay, and newer ones count on above them.
  await sql`update attempts set generation = attempt / 1000000, pauses = attempt % 1000000 / 10000,
    tried = attempt % 10000`.execute(db);
  for (const column of columns)
    await sql`alter table attempts alter column ${sql.ref(column)} set not null`.execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  for (const column of columns) await sql`alter table attempts drop column ${sql.ref(column)}`.execute(db);
}
