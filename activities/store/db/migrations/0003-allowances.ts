// Allowances: pools with limits, the runs that draw from them, and the ledger of what they drew.
import { type Kysely, sql } from 'kysely';

const tables = [
  // Without checks here and in the ledger: each would be parsed anew with every statement of every model call. Who
  // changes limits looks at them first.
  `create table allowances (
    id uuid primary key,
    tenant_id uuid not null,
    name text not null,
    -- Empty: every model's calls draw from it; else those of provider/model or provider/* alone.
    model text not null default '',
    version integer not null default 1,
    -- The limits; zero is none. Without "day" in the name they hold for all time.
    run_seconds bigint not null default 0,
    concurrent_runs bigint not null default 0,
    day_runs bigint not null default 0,
    hour_calls bigint not null default 0,
    tokens bigint not null default 0,
    cost_micros bigint not null default 0,
    day_tokens bigint not null default 0,
    day_cost_micros bigint not null default 0,
    models text[] not null default '{}',
    -- What is used, and what open reservations hold.
    used_tokens bigint not null default 0,
    used_cost_micros bigint not null default 0,
    held_tokens bigint not null default 0,
    held_cost_micros bigint not null default 0,
    -- The same of one UTC day; on any later day they are nothing.
    day date not null default '-infinity',
    day_used_tokens bigint not null default 0,
    day_used_cost_micros bigint not null default 0,
    day_held_tokens bigint not null default 0,
    day_held_cost_micros bigint not null default 0,
    -- The number of the last call that was counted for hour_calls.
    calls bigint not null default 0,
    -- Which thresholds were told of, as limit/percent/period.
    told text[] not null default '{}',
    created_at timestamptz not null default now(),
    unique (tenant_id, name, model)
    -- Updated with every model call: room on the page keeps the indexes out of it.
  ) with (fillfactor = 50)`,
  // The last calls of a pool with hour_calls, numbered: the one that many before the next must be an hour old.
  `create table allowance_calls (
    allowance_id uuid not null references allowances (id),
    n bigint not null,
    tenant_id uuid not null,
    at timestamptz not null,
    primary key (allowance_id, n)
  )`,
  `create table allowance_runs (
    run_id uuid primary key references runs (id),
    tenant_id uuid not null,
    -- The names of the pools it draws from, whether or not somebody has made them yet.
    chain text[] not null,
    -- Whoever changes the places of a run holds this row first.
    state text not null check (state in ('waiting', 'running', 'ended')),
    -- What it had reserved is settled and what comes back is given back.
    closed_at timestamptz
  )`,
  `create index allowance_runs_unclosed on allowance_runs (run_id) where state = 'ended' and closed_at is null`,
  // The same by name, to be counted: how many runs of a day, how many at once.
  `create table allowance_places (
    run_id uuid not null references allowance_runs (run_id),
    name text not null,
    tenant_id uuid not null,
    day date not null,
    state text not null check (state in ('waiting', 'running', 'ended')),
    primary key (run_id, name)
  )`,
  `create index allowance_places_of_day on allowance_places (tenant_id, name, day)`,
  `create index allowance_places_taken on allowance_places (tenant_id, name, state) where state <> 'ended'`,
  // Which run waits for which pool. Not a column of allowance_runs: who reserves may hold this row and then wait for
  // the conversation, while who ends the run holds the conversation and waits for the other.
  `create table allowance_waits (
    run_id uuid primary key references runs (id),
    tenant_id uuid not null,
    allowance_id uuid not null references allowances (id),
    since timestamptz not null,
    -- What its call needs, and all the pools it is drawn from.
    tokens bigint not null,
    cost_micros bigint not null,
    pools uuid[] not null,
    -- When it was told that there is room: until it has drawn, others must not be told of the same room.
    granted_at timestamptz
  )`,
  `create index allowance_waits_of on allowance_waits (allowance_id)`,
  `create index allowance_waits_granted on allowance_waits (granted_at) where granted_at is not null`,
  // Thresholds that were reached, until an event says so: whoever reached one may not live to tell.
  `create table allowance_untold (
    allowance_id uuid not null references allowances (id),
    -- As in told.
    mark text not null,
    tenant_id uuid not null,
    run_id uuid not null,
    crossing jsonb not null,
    at timestamptz not null default now(),
    primary key (allowance_id, mark)
  )`,
  // The ledger. Rows are only ever added. No reference to runs: checking it would lock the run's row with each.
  `create table allowance_entries (
    id bigint generated always as identity primary key,
    tenant_id uuid not null,
    -- reserve, settle, refund or limit.
    kind text not null,
    at timestamptz not null,
    -- The UTC day it counts for: a call's is that of its reservation, however late it settles.
    day date not null,
    run_id uuid,
    step integer,
    attempt integer,
    model text not null default '',
    -- The pools it is about.
    allowances uuid[] not null,
    tokens bigint not null default 0,
    input_tokens bigint not null default 0,
    cached_input_tokens bigint not null default 0,
    output_tokens bigint not null default 0,
    cost_micros bigint not null default 0,
    estimated boolean not null default false,
    change jsonb,
    by text not null,
    reason text not null,
    -- False for a reservation, true for what closes it, which happens once.
    closes boolean,
    unique (run_id, step, attempt, closes)
  )`,
  // As small as it costs little: entries come in the order of their days. What came last is most asked for.
  `create index allowance_entries_of_day on allowance_entries using brin (day) with (autosummarize = on)`,
  // Those that are looked for among thousands of others.
  `create index allowance_entries_rare on allowance_entries (tenant_id, id) where kind in ('limit', 'refund')`,
];

// Runs under way were accepted before there were allowances; without a place they could not reserve anything.
const active = `runs.status in ('queued', 'running', 'waiting_workers', 'awaiting_input', 'gating')`;
const placesOfActive = [
  `insert into allowance_runs (run_id, tenant_id, state, chain)
    select id, tenant_id, case when parked then 'waiting' else 'running' end,
      array['tenant', 'conversation/' || conversation_id, 'run/' || id]
    from runs where ${active}`,
  `insert into allowance_places (run_id, name, tenant_id, day, state)
    select run_id, name, account.tenant_id, (runs.created_at at time zone 'UTC')::date, state
    from allowance_runs account join runs on runs.id = run_id cross join lateral unnest(chain) as listed (name)`,
];

const names = [
  'allowance_entries',
  'allowance_untold',
  'allowance_waits',
  'allowance_places',
  'allowance_runs',
  'allowance_calls',
  'allowances',
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const table of [...tables, ...placesOfActive]) await sql.raw(table).execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  for (const name of names) await sql.raw(`drop table ${name}`).execute(db);
}
