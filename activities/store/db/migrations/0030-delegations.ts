// Subagents: a row for each run that another run has asked for, and what has become of its report.
import { type Kysely, sql } from 'kysely';
import { functionsOf } from '../functions.ts';

const functions = functionsOf('0030');

const statements = [
  `create table delegations (
    child_id uuid primary key references runs (id) on delete cascade,
    tenant_id uuid not null,
    conversation_id uuid not null,
    -- The call that asked for it. No reference: a run is deleted without its subagents.
    parent_id uuid not null,
    call_id text not null,
    -- From the main run down to the parent.
    ancestors uuid[] not null,
    root_id uuid not null,
    name text not null,
    -- Its name behind those of its ancestors: the subagent that the same name goes on with.
    path text not null,
    -- Its parent does not wait for it: the report comes as a message. Else it is the result of the call.
    async boolean not null,
    -- working: it has not ended. reported: it has, and its parent is to be told. delivered: the parent was told.
    -- late: the parent had ended before it could be told.
    state text not null default 'working' check (state in ('working', 'reported', 'delivered', 'late')),
    created_at timestamptz not null default now(),
    reported_at timestamptz,
    unique (parent_id, call_id)
  )`,
  `create index delegations_of_root on delegations (root_id)`,
  `create index delegations_open on delegations (parent_id) where state in ('working', 'reported')`,
  // A subagent has one run at a time.
  `create unique index delegations_working on delegations (conversation_id, path) where state = 'working'`,
  `create index delegations_of_path on delegations (conversation_id, path)`,
  // How many runs it has asked for: most ask for none, and are spared a look.
  `alter table runs add column children integer not null default 0`,
  // Of a subagent's question: the main run's stream tells of it.
  `alter table approvals add column surfaced boolean not null default false`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
  await functions.up(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await functions.down(db);
  await sql`alter table approvals drop column surfaced`.execute(db);
  await sql`alter table runs drop column children`.execute(db);
  await sql`drop table delegations`.execute(db);
}
