// The tables of the spine: who may ask, what was asked, what happened, what acts, and what gave up.
import { type Kysely, sql } from 'kysely';

const tables = [
  `create table tokens (
    id uuid primary key,
    tenant_id uuid not null,
    name text not null,
    hash bytea not null unique,
    created_at timestamptz not null default now(),
    revoked_at timestamptz
  )`,
  `create table conversations (
    id uuid primary key,
    tenant_id uuid not null,
    title text not null,
    metadata jsonb not null default '{}',
    -- The last number given out to an event of any of its runs.
    seq bigint not null default 0,
    created_at timestamptz not null default now(),
    last_activity_at timestamptz not null default now()
  )`,
  `create index conversations_by_activity on conversations (tenant_id, last_activity_at desc, id desc)`,
  `create table runs (
    id uuid primary key,
    tenant_id uuid not null,
    conversation_id uuid not null references conversations (id),
    parent_id uuid references runs (id),
    kind text not null default 'main' check (kind in ('main', 'subagent')),
    status text not null default 'queued' check (status in ('queued', 'running', 'waiting_workers',
      'awaiting_input', 'gating', 'succeeded', 'failed', 'timed_out', 'interrupted', 'cancelled')),
    parked boolean not null default false,
    stuck text,
    reason text,
    reason_text text,
    message_id text not null,
    -- It opened its conversation: its message id is then unique in the tenant, there being no other key to it.
    opens boolean not null,
    prompt text not null,
    model text not null,
    policy text not null,
    priority smallint not null,
    project_path text,
    -- Hashes of the project's tree in the host-owned git directory, at the start and at the end.
    start_tree text,
    end_tree text,
    limits jsonb not null,
    metadata jsonb not null default '{}',
    request_id text not null,
    accepted_by text not null,
    -- The first execution id of the one workflow chain that may act for this run.
    execution_id text,
    -- Raised each time another execution takes the run over: attempts of different generations never mix.
    generation integer not null default 0,
    steps integer not null default 0,
    input_tokens bigint not null default 0,
    cached_input_tokens bigint not null default 0,
    output_tokens bigint not null default 0,
    cost_micros bigint not null default 0,
    final_message text,
    created_at timestamptz not null default now(),
    started_at timestamptz,
    deadline_at timestamptz,
    ended_at timestamptz,
    unique (conversation_id, message_id)
  )`,
  `create unique index runs_opening on runs (tenant_id, message_id) where opens`,
  `create unique index runs_one_active on runs (conversation_id)
    where kind = 'main' and not parked
      and status in ('queued', 'running', 'waiting_workers', 'awaiting_input', 'gating')`,
  `create index runs_active on runs (status, created_at)
    where status in ('queued', 'running', 'waiting_workers', 'awaiting_input', 'gating')`,
  `create index runs_by_age on runs (tenant_id, id desc)`,
  `create index runs_of_conversation on runs (conversation_id, id desc)`,
  `create table messages (
    run_id uuid not null references runs (id),
    tenant_id uuid not null,
    step integer not null,
    -- 0 input (prompt, steers, settlements), 1 the model's answer, 2 tool results: the order inside a step.
    phase smallint not null check (phase in (0, 1, 2)),
    position integer not null,
    role text not null check (role in ('user', 'assistant', 'tool')),
    internal boolean not null default false,
    text text not null,
    calls jsonb,
    call_id text,
    failed boolean not null default false,
    created_at timestamptz not null default now(),
    primary key (run_id, step, phase, position)
  )`,
  `create table inputs (
    id uuid primary key,
    tenant_id uuid not null,
    run_id uuid not null references runs (id),
    kind text not null check (kind in ('steer', 'settle', 'interrupt', 'cancel')),
    message_id text not null,
    text text not null default '',
    status text not null default 'accepted' check (status in ('accepted', 'applied', 'refused')),
    applied_step integer,
    by text not null,
    created_at timestamptz not null default now(),
    applied_at timestamptz,
    unique (run_id, message_id)
  )`,
  `create index inputs_open on inputs (run_id, id) where status = 'accepted'`,
  `create table calls (
    run_id uuid not null references runs (id),
    call_id text not null,
    tenant_id uuid not null,
    step integer not null,
    index integer not null,
    provider_call_id text not null,
    tool text not null,
    input jsonb not null,
    input_hash text not null,
    effect text,
    subject text not null,
    repeat text,
    decision text not null,
    rule text not null,
    reason text not null,
    timeout_seconds integer not null default 0,
    status text not null check (status in ('requested', 'running', 'succeeded', 'failed', 'denied', 'stopped', 'unknown')),
    -- The claim: which attempt may act, and what it noted before acting.
    claimed_attempt integer,
    intent jsonb,
    attempts integer not null default 0,
    output text,
    output_bytes bigint,
    content_key text,
    settled text check (settled in ('done', 'not_done')),
    settled_by text,
    created_at timestamptz not null default now(),
    started_at timestamptz,
    ended_at timestamptz,
    primary key (run_id, call_id)
  )`,
  // One row per attempt of a unit of work; the latest of a unit is its fence.
  `create table attempts (
    run_id uuid not null references runs (id),
    unit text not null,
    tenant_id uuid not null,
    attempt integer not null,
    executor_id uuid not null,
    task_token bytea not null,
    process_group integer,
    process_started text,
    started_at timestamptz not null default now(),
    ended_at timestamptz,
    outcome text,
    primary key (run_id, unit, attempt)
  )`,
  `create index attempts_open on attempts (executor_id) where ended_at is null`,
  `create table model_calls (
    run_id uuid not null references runs (id),
    step integer not null,
    attempt integer not null,
    tenant_id uuid not null,
    model text not null,
    status text not null check (status in ('answered', 'failed', 'stopped')),
    input_tokens bigint not null,
    cached_input_tokens bigint not null,
    output_tokens bigint not null,
    cost_micros bigint not null,
    priced boolean not null,
    -- True when the provider did not say what it used.
    estimated boolean not null,
    created_at timestamptz not null default now(),
    primary key (run_id, step, attempt)
  )`,
  `create table stream_heads (
    stream text primary key,
    tenant_id uuid not null,
    seq bigint not null default 0,
    -- Nothing follows the terminal event.
    ended boolean not null default false,
    -- Unit of work → the attempt that may write for it; a unit leaves when its result is stored.
    fences jsonb not null default '{}'
  )`,
  `create table events (
    stream text not null,
    seq bigint not null,
    tenant_id uuid not null,
    conversation_id uuid,
    conversation_seq bigint,
    at timestamptz not null default clock_timestamp(),
    type text not null,
    version smallint not null default 1,
    attempt integer not null default 0,
    -- On the first event of an appended batch: the same batch appended again changes nothing.
    dedupe_key text,
    payload jsonb not null,
    primary key (stream, seq)
  )`,
  `create unique index events_dedupe on events (stream, dedupe_key) where dedupe_key is not null`,
  `create unique index events_of_conversation on events (conversation_id, conversation_seq)
    where conversation_id is not null`,
  `create table contents (
    key text not null,
    tenant_id uuid not null,
    media_type text not null,
    size bigint not null,
    -- Null: the bytes are in a file, they are over 1 MiB.
    body bytea,
    created_at timestamptz not null default now(),
    primary key (tenant_id, key)
  )`,
  `create table executors (
    id uuid primary key,
    tenant_id uuid not null,
    host text not null,
    pid integer not null,
    process_started text not null,
    queues text[] not null,
    capacity jsonb not null,
    started_at timestamptz not null default now(),
    heartbeat_at timestamptz not null default now(),
    ended_at timestamptz
  )`,
  `create index executors_live on executors (host) where ended_at is null`,
  `create table dead_letters (
    id uuid primary key,
    tenant_id uuid not null,
    kind text not null check (kind in ('call', 'run')),
    run_id uuid not null references runs (id),
    call_id text,
    reason text not null,
    attempts integer not null,
    created_at timestamptz not null default now(),
    resolution text check (resolution in ('retried', 'dropped')),
    resolved_at timestamptz,
    resolved_by text
  )`,
  `create unique index dead_letters_open on dead_letters (run_id, kind, coalesce(call_id, ''))
    where resolution is null`,
  `create table idempotency_keys (
    tenant_id uuid not null,
    method text not null,
    path text not null,
    key text not null,
    body_hash text not null,
    status smallint not null,
    headers jsonb not null,
    body text not null,
    created_at timestamptz not null default now(),
    primary key (tenant_id, method, path, key)
  )`,
  `create index idempotency_keys_by_age on idempotency_keys (created_at)`,
];

const names = [
  'idempotency_keys',
  'dead_letters',
  'executors',
  'contents',
  'events',
  'stream_heads',
  'model_calls',
  'attempts',
  'calls',
  'inputs',
  'messages',
  'runs',
  'conversations',
  'tokens',
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const table of tables) await sql.raw(table).execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  for (const name of names) await sql.raw(`drop table ${name}`).execute(db);
}
