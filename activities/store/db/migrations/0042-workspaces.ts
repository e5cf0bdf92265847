// Workspaces: projects in an order, under a name. A run keeps the list that it began with.
import { type Kysely, sql } from 'kysely';

const statements = [
  `create table workspaces (
    tenant_id uuid not null,
    id text not null,
    version integer not null default 1,
    name text not null,
    -- The paths as people wrote them: a run looks up where they lead.
    projects jsonb not null,
    metadata jsonb not null default '{}',
    created_by text not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    primary key (tenant_id, id)
  )`,
  `create index workspaces_metadata on workspaces using gin (metadata jsonb_path_ops)`,
  // Its id and version, and the real paths of the projects behind the first, which is the project of the run.
  `alter table runs add column workspace jsonb`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`alter table runs drop column workspace`.execute(db);
  await sql`drop table workspaces`.execute(db);
}
