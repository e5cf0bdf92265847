// Memory: short texts that agents and people keep for the later runs of a conversation or a preset.
import { type Kysely, sql } from 'kysely';

const statements = [
  `create table memory (
    id uuid primary key,
    tenant_id uuid not null,
    -- Whose later runs are told of it: a conversation by its id, or a preset by its name.
    scope text not null check (scope in ('conversation', 'preset')),
    key text not null,
    text text not null,
    -- Stems and stop words of English; words of other languages are only put in small letters.
    words tsvector not null generated always as (to_tsvector('english', text)) stored,
    -- The call that kept it; null: a person did. The run may be deleted.
    run_id uuid,
    call_id text,
    created_by text not null,
    created_at timestamptz not null default now()
  )`,
  `create index memory_of on memory (tenant_id, scope, key, id desc)`,
  `create index memory_words on memory using gin (words)`,
  // A call that is made again keeps nothing twice.
  `create unique index memory_of_call on memory (run_id, call_id) where run_id is not null`,
  // Whether there was any when the run was accepted: only then is it looked for.
  `alter table runs add column has_memory boolean not null default false`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`alter table runs drop column has_memory`.execute(db);
  await sql`drop table memory`.execute(db);
}
