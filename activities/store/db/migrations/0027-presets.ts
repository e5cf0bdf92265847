// Presets as versioned rows, the one a run goes by, and what a conversation says of its next runs.
import { type Kysely, sql } from 'kysely';

const statements = [
  `create table presets (
    tenant_id uuid not null,
    id text not null,
    -- The newest; every version stays, since runs show the one they began with.
    version integer not null,
    built_in boolean not null,
    is_default boolean not null default false,
    deleted_at timestamptz,
    primary key (tenant_id, id),
    check (not is_default or deleted_at is null)
  )`,
  // Whatever races: no tenant has two.
  `create unique index presets_one_default on presets (tenant_id) where is_default`,
  `create table preset_versions (
    tenant_id uuid not null,
    preset_id text not null,
    version integer not null,
    settings jsonb not null,
    created_by text not null,
    created_at timestamptz not null default now(),
    primary key (tenant_id, preset_id, version),
    foreign key (tenant_id, preset_id) references presets (tenant_id, id)
  )`,
  // The preset in its version, with the variables and what it alone says: settled when the run is accepted.
  `alter table runs add column preset jsonb, add column instructions text`,
  // To find the conversations that use a preset.
  `create index runs_preset on runs ((preset->>'id'), conversation_id) where preset is not null`,
  `alter table conversations add column settings jsonb not null default '{}',
    add column archived_at timestamptz`,
  `create index runs_parked on runs (conversation_id) where parked and status = 'queued'`,
  `create index conversations_metadata on conversations using gin (metadata jsonb_path_ops)`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`drop index conversations_metadata`.execute(db);
  await sql`alter table conversations drop column settings, drop column archived_at`.execute(db);
  await sql`drop index runs_preset, runs_parked`.execute(db);
  await sql`alter table runs drop column preset, drop column instructions`.execute(db);
  for (const table of ['preset_versions', 'presets']) await sql`drop table ${sql.table(table)}`.execute(db);
}
