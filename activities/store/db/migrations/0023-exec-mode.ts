// A run says in which kind of sandbox its commands run. Until now there was one.
import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table runs add column exec_mode text not null default 'mount'`.execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`alter table runs drop column exec_mode`.execute(db);
}
