// Tasks: units of work that a dispatcher hands to executors, the claims under which those hold them, and what an
// executor offers.
import { type Kysely, sql } from 'kysely';

const statements = [
  `create table dispatchers (
    -- The tenant's: it has one. Who changes a task or what an executor holds locks this row before any other.
    id uuid primary key,
    tenant_id uuid not null,
    generation integer not null default 0,
    execution_id text,
    stuck text,
    created_at timestamptz not null default now(),
    -- When it last looked at everything.
    looked_at timestamptz
  )`,
  `create table tasks (
    id uuid primary key,
    tenant_id uuid not null,
    title text not null,
    prompt text not null,
    -- 0 is critical, 3 low, as of runs.
    priority smallint not null,
    labels text[] not null,
    files text[] not null,
    acceptance text[] not null,
    depends_on uuid[] not null,
    -- The body of a run without its prompt.
    run jsonb not null,
    status text not null check (status in
      ('blocked', 'pending', 'in_progress', 'completed', 'failed', 'cancelled', 'skipped')),
    progress smallint not null default 0,
    note text,
    -- How many attempts it has, and how many have failed.
    retries smallint not null,
    attempts smallint not null default 0,
    last_attempt_at timestamptz,
    -- Why it waits, or why it ended as it did.
    reason text,
    -- Not before this comes the next attempt.
    again_at timestamptz,
    -- How often it was claimed: the number of the claim that counts.
    claim integer not null default 0,
    executor_id uuid,
    claimed_at timestamptz,
    -- The run of its latest claim.
    run_id uuid references runs on delete set null,
    version integer not null default 1,
    -- The dead letter for which it is tried again.
    retries_letter uuid,
    created_at timestamptz not null default now(),
    created_by text not null,
    updated_at timestamptz not null default now(),
    ended_at timestamptz
  )`,
  `create index tasks_waiting on tasks (tenant_id, priority, created_at, id) where status = 'pending'`,
  `create index tasks_held on tasks (executor_id) where status = 'in_progress'`,
  `create index tasks_of_run on tasks (run_id) where run_id is not null`,
  `create index tasks_blocked on tasks using gin (depends_on) where status = 'blocked'`,
  `create index tasks_newest on tasks (tenant_id, id)`,
  `create index tasks_of_letter on tasks (retries_letter) where retries_letter is not null`,
  `create table task_claims (
    task_id uuid not null references tasks on delete cascade,
    claim integer not null,
    tenant_id uuid not null,
    executor_id uuid not null,
    -- As it was called: its row goes when it is long gone.
    executor text not null,
    run_id uuid references runs on delete set null,
    claimed_at timestamptz not null,
    ended_at timestamptz,
    outcome text check (outcome in ('completed', 'failed', 'cancelled', 'lost', 'released')),
    reason text,
    -- What came for it after it had ended, and was refused.
    late text,
    late_at timestamptz,
    primary key (task_id, claim)
  )`,
  `create index task_claims_of_run on task_claims (run_id) where run_id is not null`,
  `alter table executors
    -- Our own process, or an agent of somebody else that pulls tasks.
    add column kind text not null default 'worker' check (kind in ('worker', 'agent')),
    add column name text not null default '',
    add column capabilities text[] not null default '{}',
    add column sandboxes text[] not null default '{}',
    add column code_version text not null default '',
    -- How many tasks it takes at once.
    add column places integer not null default 1,
    add column draining boolean not null default false,
    -- Silent for longer, it is offline.
    add column ttl_seconds integer not null default 15`,
  `create unique index executors_agents on executors (tenant_id, name) where kind = 'agent' and ended_at is null`,
  // A task that used up its attempts, which may never have had a run.
  `alter table dead_letters alter column run_id drop not null`,
  `alter table dead_letters add column task_id uuid references tasks on delete cascade`,
  `alter table dead_letters drop constraint dead_letters_kind_check`,
  `alter table dead_letters add constraint dead_letters_kind_check
    check (kind in ('call', 'run', 'schedule', 'task') and (run_id is null) <> (task_id is null))`,
  `create unique index dead_letters_of_tasks on dead_letters (task_id) where resolution is null and task_id is not null`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

const back = [
  `delete from dead_letters where kind = 'task'`,
  `alter table dead_letters drop constraint dead_letters_kind_check`,
  `alter table dead_letters drop column task_id`,
  `alter table dead_letters alter column run_id set not null`,
  `alter table dead_letters add constraint dead_letters_kind_check check (kind in ('call', 'run', 'schedule'))`,
  `delete from executors where kind = 'agent'`,
  `drop index executors_agents`,
  `alter table executors drop column kind, drop column name, drop column capabilities, drop column sandboxes,
    drop column code_version, drop column places, drop column draining, drop column ttl_seconds`,
  `drop table task_claims`,
  `drop table tasks`,
  `drop table dispatchers`,
];

export async function down(db: Kysely<unknown>): Promise<void> {
  for (const statement of back) await sql.raw(statement).execute(db);
}
