// Tokens that people make, list and revoke: who made one, until when it counts, when it was used last, and which one is
// that of the data folder.
import { type Kysely, sql } from 'kysely';

const statements = [
  `alter table tokens
    add column created_by text not null default 'first start',
    -- Null: it counts until it is revoked.
    add column expires_at timestamptz,
    -- Not exact: written at most once a minute.
    add column last_used_at timestamptz,
    -- The one whose value is in the file "token" of the data folder; before this there was no other.
    add column in_data_folder boolean not null default false`,
  `alter table tokens alter column created_by drop default`,
  `update tokens set in_data_folder = true where id in (
    select distinct on (tenant_id) id from tokens where revoked_at is null and name = 'first'
    order by tenant_id, id desc)`,
  `create unique index tokens_names on tokens (tenant_id, name) where revoked_at is null`,
  `create unique index tokens_in_data_folder on tokens (tenant_id) where in_data_folder and revoked_at is null`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`drop index tokens_names`.execute(db);
  await sql`alter table tokens drop column created_by, drop column expires_at, drop column last_used_at,
    drop column in_data_folder`.execute(db);
}
