// What a run changed on a tree of its own may come home by itself when it succeeds. Until now people brought it home.
import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table runs add column brings_home boolean not null default false`.execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`alter table runs drop column brings_home`.execute(db);
}
