// What is kept how long: up to where streams are folded, the ledger's sums by month, and the prunings that were asked
// for. The indexes are those that a deletion needs.
import { type Kysely, sql } from 'kysely';

const statements = [
  // Events up to this number may have been folded away; what is above it has no gaps.
  `alter table stream_heads add column floor bigint not null default 0`,
  `alter table conversation_heads add column floor bigint not null default 0`,
  `alter table runs add column folded_at timestamptz`,
  `create index runs_unfolded on runs (ended_at) where ended_at is not null and folded_at is null`,
  // Who descends from a run; also what the check of the reference looks for.
  `create index runs_of_parent on runs (parent_id) where parent_id is not null`,
  `create index dead_letters_of_run on dead_letters (run_id)`,
  `create index calls_of_content on calls (content_key) where content_key is not null`,
  `create index contents_by_age on contents (created_at)`,
  // Whole months of the ledger. No run and no conversation: those are what would make it as long as the ledger.
  `create table allowance_months (
    tenant_id uuid not null,
    month date not null,
    model text not null,
    -- Empty: runs without a project, or whose run was deleted before it was summed.
    project text not null,
    -- The pools it was drawn from, so that their counters stay the sums of the ledger.
    allowances uuid[] not null,
    calls bigint not null,
    tokens bigint not null,
    input_tokens bigint not null,
    cached_input_tokens bigint not null,
    output_tokens bigint not null,
    cost_micros bigint not null,
    estimated_cost_micros bigint not null,
    refunded_tokens bigint not null,
    primary key (tenant_id, month, model, project, allowances)
  )`,
  `create table prunings (
    id uuid primary key,
    tenant_id uuid not null,
    by text not null,
    -- The night it is of; null: a person asked for it.
    night date,
    -- By rule: what is older than this goes. A rule that is not here removes nothing.
    cutoffs jsonb not null,
    -- How many rules are done, and by rule how much went.
    done integer not null default 0,
    removed jsonb not null default '{}',
    created_at timestamptz not null default now(),
    finished_at timestamptz,
    unique (tenant_id, night)
  )`,
  `create index prunings_open on prunings (id) where finished_at is null`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`drop table prunings`.execute(db);
  // Back as entries of the first of their month, which is all that is known of them.
  await sql`insert into allowance_entries (tenant_id, kind, at, day, model, allowances, tokens, input_tokens,
      cached_input_tokens, output_tokens, cost_micros, estimated, by, reason)
    select tenant_id, 'settle', month, month, model, allowances, tokens, input_tokens, cached_input_tokens,
      output_tokens, cost_micros, estimated_cost_micros > 0, 'retention', 'The sum of a month.'
    from allowance_months`.execute(db);
  await sql`drop table allowance_months`.execute(db);
  for (const index of [
    'contents_by_age',
    'calls_of_content',
    'dead_letters_of_run',
    'runs_of_parent',
    'runs_unfolded',
  ])
    await sql`drop index ${sql.ref(index)}`.execute(db);
  await sql`alter table runs drop column folded_at`.execute(db);
  for (const table of ['conversation_heads', 'stream_heads'])
    await sql`alter table ${sql.table(table)} drop column floor`.execute(db);
}
