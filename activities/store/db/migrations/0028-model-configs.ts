// What is sent along to a model whichever run calls it, changed while everything runs.
import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`create table model_configs (
    tenant_id uuid not null,
    model text not null,
    version integer not null,
    -- The name of its key; the key itself is in the settings of the workers.
    settings jsonb not null,
    changed_at timestamptz not null default now(),
    changed_by text not null,
    primary key (tenant_id, model)
  )`.execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`drop table model_configs`.execute(db);
}
