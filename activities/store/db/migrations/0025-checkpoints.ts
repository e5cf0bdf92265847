// What a run's project held before and after each call that may write, and the rewinds people asked for.
import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`create table rewinds (
    id uuid primary key,
    tenant_id uuid not null,
    run_id uuid not null references runs,
    -- The checkpoint whose tree comes back; 0 is the start of the run.
    target integer not null,
    status text not null default 'open' check (status in ('open', 'done', 'failed')),
    by text not null,
    request_id text not null,
    -- As the project stood when it began.
    tree_before text,
    tree_after text,
    restored integer not null default 0,
    kept jsonb not null default '{}',
    problem text,
    generation integer not null default 0,
    execution_id text,
    stuck text,
    created_at timestamptz not null default now(),
    ended_at timestamptz
  )`.execute(db);
  await sql`create index rewinds_run on rewinds (run_id)`.execute(db);
  await sql`create unique index rewinds_open on rewinds (run_id) where status = 'open'`.execute(db);
  await sql`create table checkpoints (
    run_id uuid not null references runs,
    number integer not null,
    tenant_id uuid not null,
    -- One of the two: what it is the checkpoint of.
    call_id text,
    rewind_id uuid references rewinds,
    -- Null: could not be recorded, or not yet.
    tree_before text,
    tree_after text,
    -- What a file tool changes, by real paths.
    files text[] not null default '{}',
    -- Of these, what is ignored and was in no tree of the run before.
    first_seen text[] not null default '{}',
    -- A command of the run went on behind the call.
    goes_on boolean not null default false,
    created_at timestamptz not null default now(),
    primary key (run_id, number),
    unique (run_id, call_id),
    check ((call_id is null) <> (rewind_id is null))
  )`.execute(db);
  await sql`alter table runs add column rewind_id uuid, add column undo_by text`.execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`alter table runs drop column rewind_id, drop column undo_by`.execute(db);
  await sql`drop table checkpoints`.execute(db);
  await sql`drop table rewinds`.execute(db);
}
