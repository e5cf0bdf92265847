// What messages carry beside their words, as keys of content; which run names which content, so that it stays as long as
// one of them; and what of a run is in the state store.
import { type Kysely, sql } from 'kysely';

const statements = [
  `alter table messages add column parts jsonb`,
  `alter table inputs add column parts jsonb`,
  // Files are to be put where the run works before a call acts: most runs have none, and are spared a look.
  `alter table runs add column has_files boolean not null default false`,
  `create table run_contents (
    run_id uuid not null references runs (id) on delete cascade,
    content_key text not null,
    tenant_id uuid not null,
    primary key (run_id, content_key)
  )`,
  `create index run_contents_by_key on run_contents (content_key)`,
  // Of its document in the state store, which is written before this says so; null: it is still to be written.
  `alter table runs add column state_hash text`,
  `create index runs_without_state on runs (ended_at) where ended_at is not null and state_hash is null`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`alter table runs drop column state_hash`.execute(db);
  await sql`drop table run_contents`.execute(db);
  await sql`alter table runs drop column has_files`.execute(db);
  await sql`alter table inputs drop column parts`.execute(db);
  await sql`alter table messages drop column parts`.execute(db);
}
