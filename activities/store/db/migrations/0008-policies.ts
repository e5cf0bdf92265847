// Policy profiles as versioned rows, where they apply, and the answers people had remembered.
import { type Kysely, sql } from 'kysely';

const statements = [
  `create table policies (
    tenant_id uuid not null,
    id text not null,
    -- The newest; every version stays, since runs go on with the one they began with.
    version integer not null,
    built_in boolean not null,
    deleted_at timestamptz,
    primary key (tenant_id, id)
  )`,
  `create table policy_versions (
    tenant_id uuid not null,
    policy_id text not null,
    version integer not null,
    profile jsonb not null,
    created_by text not null,
    created_at timestamptz not null default now(),
    primary key (tenant_id, policy_id, version),
    foreign key (tenant_id, policy_id) references policies (tenant_id, id)
  )`,
  `create table policy_scopes (
    tenant_id uuid not null,
    scope text not null check (scope in ('project', 'global')),
    -- The real path of a project; empty for global.
    key text not null,
    policy_id text not null,
    primary key (tenant_id, scope, key),
    foreign key (tenant_id, policy_id) references policies (tenant_id, id)
  )`,
  `create table remembered_answers (
    id uuid primary key,
    tenant_id uuid not null,
    scope text not null check (scope in ('run', 'project', 'global')),
    -- The id of a run, the real path of a project; empty for global.
    key text not null,
    rule jsonb not null,
    expires_at timestamptz not null,
    created_by text not null,
    created_at timestamptz not null default now(),
    forgotten_at timestamptz
  )`,
  `create index remembered_answers_of on remembered_answers (tenant_id, scope, key) where forgotten_at is null`,
  // The profiles a run began with, from near to far: scope, id, version. Older runs have the built-in they name.
  `alter table runs add column policy_scopes jsonb not null default '[]'`,
  `update runs set policy_scopes = jsonb_build_array(jsonb_build_object('scope', 'run', 'id', policy, 'version', 1))`,
  // What the decision was made on and by, beside the run's own project, and people.
  `alter table calls add column decided jsonb not null default '{}'`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`alter table calls drop column decided`.execute(db);
  await sql`alter table runs drop column policy_scopes`.execute(db);
  for (const table of ['remembered_answers', 'policy_scopes', 'policy_versions', 'policies']) {
    await sql`drop table ${sql.table(table)}`.execute(db);
  }
}
