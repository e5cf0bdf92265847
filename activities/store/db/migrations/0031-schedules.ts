// Schedules and their ledger: each due time of a schedule once, with what became of it.
import { type Kysely, sql } from 'kysely';

const statements = [
  `create table schedules (
    id uuid primary key,
    tenant_id uuid not null,
    name text not null,
    -- As it was asked for, whole: a manifest is compared with it.
    definition jsonb not null,
    -- What counts: a person may switch off what a manifest defines.
    enabled boolean not null,
    from_manifest boolean not null,
    version integer not null default 1,
    -- Due times up to here are in the ledger.
    settled_until timestamptz not null,
    -- The first one that is not; null while it is off.
    next_due_at timestamptz,
    -- The version that Temporal was told of last.
    told_version integer not null default 0,
    created_at timestamptz not null default now(),
    created_by text not null,
    updated_at timestamptz not null default now(),
    -- Its row stays: the ledger names it.
    deleted_at timestamptz
  )`,
  `create unique index schedules_by_name on schedules (tenant_id, name) where deleted_at is null`,
  `create index schedules_due on schedules (next_due_at) where next_due_at is not null`,
  `create index schedules_untold on schedules (id) where told_version <> version`,
  `create table occurrences (
    -- The schedule and the due time, as its workflow is called; by hand: the schedule and an id.
    id text primary key,
    tenant_id uuid not null,
    schedule_id uuid not null references schedules,
    due_at timestamptz not null,
    by_hand boolean not null default false,
    -- waiting, running, and how it ended: ran, late, skipped, merged, refused, failed, dead.
    outcome text not null,
    reason text,
    -- It began later than it was due.
    late boolean not null default false,
    attempts integer not null default 0,
    -- The run of its latest attempt.
    run_id uuid references runs on delete set null,
    -- Not before this comes the next attempt.
    again_at timestamptz,
    -- Whose workflow this is.
    generation integer not null default 0,
    execution_id text,
    stuck text,
    created_at timestamptz not null default now(),
    started_at timestamptz,
    ended_at timestamptz
  )`,
  `create unique index occurrences_once on occurrences (schedule_id, due_at) where not by_hand`,
  `create index occurrences_of on occurrences (schedule_id, due_at desc, id desc)`,
  `create index occurrences_open on occurrences (schedule_id) where ended_at is null`,
  `create index occurrences_of_run on occurrences (run_id) where run_id is not null`,
  // An occurrence that used up its attempts: of its last run.
  `alter table dead_letters drop constraint dead_letters_kind_check`,
  `alter table dead_letters add constraint dead_letters_kind_check check (kind in ('call', 'run', 'schedule'))`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`delete from dead_letters where kind = 'schedule'`.execute(db);
  await sql`alter table dead_letters drop constraint dead_letters_kind_check`.execute(db);
  await sql`alter table dead_letters add constraint dead_letters_kind_check check (kind in ('call', 'run'))`.execute(
    db,
  );
  for (const table of ['occurrences', 'schedules']) await sql`drop table ${sql.table(table)}`.execute(db);
}
