// The text that runs in place of a call's own, written at its review from what was judged. Null: the call's own text.
import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table calls add column runs text`.execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`alter table calls drop column runs`.execute(db);
}
