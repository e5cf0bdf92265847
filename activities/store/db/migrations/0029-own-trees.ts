// A run works in its project's directory, where one may write at a time, or on a tree of its own, whose changes are
// brought home. Until now all worked in place.
import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table runs
    add column work_tree text not null default 'in-place' check (work_tree in ('in-place', 'own')),
    add column may_write boolean not null default true`.execute(db);
  await sql`create index runs_in_projects on runs (project_path)
    where project_path is not null and (ended_at is null or rewind_id is not null)`.execute(db);
  // Bringing changes home is done as a rewind is, by the same rows.
  await sql`alter table rewinds
    add column kind text not null default 'rewind' check (kind in ('rewind', 'apply')),
    -- Nothing was left out.
    add column is_whole boolean not null default false`.execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`alter table rewinds drop column kind, drop column is_whole`.execute(db);
  await sql`drop index runs_in_projects`.execute(db);
  await sql`alter table runs drop column work_tree, drop column may_write`.execute(db);
}
