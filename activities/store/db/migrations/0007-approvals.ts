// Approvals: what a run waits for a person to answer, and the record of who decided what.
import { type Kysely, sql } from 'kysely';
import { functionsOf } from '../functions.ts';

const functions = functionsOf('0007');

const statements = [
  `create table approvals (
    id uuid primary key,
    tenant_id uuid not null,
    run_id uuid not null references runs (id),
    -- call: may it be made. question: what the answer is. result: what the caller's own tool answered. limit: more money.
    kind text not null check (kind in ('call', 'question', 'result', 'limit')),
    -- The step it belongs to; with the call's id, or empty for a limit, its place in the run.
    step integer not null,
    call_id text not null default '',
    -- The arguments it is about, exactly: a call with others needs another.
    input_hash text not null default '',
    -- What a person is asked, and what there is to choose from.
    text text not null,
    choices jsonb not null default '[]',
    status text not null default 'open' check (status in ('open', 'approved', 'denied', 'expired', 'withdrawn')),
    decided_by text,
    decided_at timestamptz,
    note text,
    edited boolean not null default false,
    -- The attempt that acted on it: it is used up with the claim of its call.
    used_by_attempt integer,
    -- Whether the run's workflow has heard of the decision.
    delivered boolean not null default false,
    escalate_at timestamptz not null,
    escalated boolean not null default false,
    deadline_at timestamptz not null,
    created_at timestamptz not null default now()
  )`,
  `create unique index approvals_of_calls on approvals (run_id, call_id) where call_id <> ''`,
  `create index approvals_of_run on approvals (run_id, step)`,
  `create index approvals_open on approvals (tenant_id, id desc) where status = 'open'`,
  `create index approvals_of_limits on approvals (id) where status = 'open' and kind = 'limit'`,
  `create index approvals_undelivered on approvals (decided_at) where status <> 'open' and not delivered`,
  `alter table runs
    -- A person is there to answer.
    add column attended boolean not null default false,
    -- What the caller executes itself: name, description, inputSchema.
    add column external_tools jsonb not null default '[]',
    -- Since when it waits for people: the clock stands still.
    add column awaiting_since timestamptz`,
  `create table audit (
    id bigint generated always as identity primary key,
    tenant_id uuid not null,
    at timestamptz not null default now(),
    actor text not null,
    action text not null,
    run_id uuid,
    call_id text,
    rule text not null default '',
    reason text not null default '',
    detail jsonb not null default '{}'
  )`,
  `create index audit_of_run on audit (run_id, id) where run_id is not null`,
  `create trigger audit_stays before update or delete or truncate on audit
    for each statement execute function refuse_change()`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  await functions.up(db);
  for (const statement of statements) await sql.raw(statement).execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`drop table audit`.execute(db);
  await functions.down(db);
  await sql`alter table runs drop column attended, drop column external_tools, drop column awaiting_since`.execute(
    db,
  );
  await sql`drop table approvals`.execute(db);
}
