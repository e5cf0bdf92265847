// Webhooks: endpoints of others that are told of a tenant's events, and what became of each event for each of them.
import { type Kysely, sql } from 'kysely';

const statements = [
  `create table webhooks (
    id uuid primary key,
    tenant_id uuid not null,
    name text not null,
    url text not null,
    -- Of which it is told; none: of all.
    types text[] not null,
    -- What its messages are signed with, which needs the value itself. No view, event or log reads it.
    secret text not null,
    -- The one before, with which they are signed too for a while.
    old_secret text,
    old_secret_until timestamptz,
    enabled boolean not null default true,
    version integer not null default 1,
    -- The number of the last event of the tenant's stream that was looked at for it.
    cursor bigint not null,
    generation integer not null default 0,
    execution_id text,
    stuck text,
    -- When something was changed that its workflow must hear of, and when that last looked.
    touched_at timestamptz not null default now(),
    looked_at timestamptz,
    created_at timestamptz not null default now(),
    created_by text not null,
    updated_at timestamptz not null default now(),
    -- The row goes when its workflow has seen this.
    deleted_at timestamptz
  )`,
  `create unique index webhooks_by_name on webhooks (tenant_id, name) where deleted_at is null`,
  `create table webhook_deliveries (
    -- What the endpoint gets as webhook-id, with each attempt.
    id uuid primary key,
    tenant_id uuid not null,
    webhook_id uuid not null references webhooks on delete cascade,
    -- The event's number in the tenant's stream, its type, and what it is about: deliveries of one subject keep their order.
    seq bigint not null,
    type text not null,
    subject text not null,
    status text not null default 'pending' check (status in ('pending', 'delivered', 'dead')),
    attempts integer not null default 0,
    -- Attempts are made for a day from then.
    since timestamptz not null default now(),
    due_at timestamptz not null default now(),
    -- Of the last attempt.
    answer_status integer,
    answer_ms integer,
    problem text,
    created_at timestamptz not null default now(),
    ended_at timestamptz,
    unique (webhook_id, seq)
  )`,
  `create index webhook_deliveries_waiting on webhook_deliveries (webhook_id, subject, seq) where status = 'pending'`,
  `create index webhook_deliveries_newest on webhook_deliveries (webhook_id, id)`,
  // A delivery that used up its day.
  `alter table dead_letters add column delivery_id uuid references webhook_deliveries on delete cascade`,
  `alter table dead_letters drop constraint dead_letters_kind_check`,
  `alter table dead_letters add constraint dead_letters_kind_check
    check (kind in ('call', 'run', 'schedule', 'task', 'webhook') and num_nonnulls(run_id, task_id, delivery_id) = 1)`,
  `create unique index dead_letters_of_deliveries on dead_letters (delivery_id)
    where resolution is null and delivery_id is not null`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

const back = [
  `delete from dead_letters where kind = 'webhook'`,
  `alter table dead_letters drop constraint dead_letters_kind_check`,
  `alter table dead_letters drop column delivery_id`,
  `alter table dead_letters add constraint dead_letters_kind_check
    check (kind in ('call', 'run', 'schedule', 'task') and (run_id is null) <> (task_id is null))`,
  `drop table webhook_deliveries`,
  `drop table webhooks`,
];

export async function down(db: Kysely<unknown>): Promise<void> {
  for (const statement of back) await sql.raw(statement).execute(db);
}
