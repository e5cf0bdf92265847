// What the streams of tenants have yet to be told: written with what it tells of, taken away with the telling.
import { type Kysely, sql } from 'kysely';
import { functionsOf } from '../functions.ts';

const functions = functionsOf('0040');

const statements = [
  `create table outbox (
    tenant_id uuid not null,
    -- Given out under the lock of what is told of: in its order. Those of others come as they please.
    id bigint generated always as identity,
    source text not null,
    -- Null: it is told in the tenant's stream alone.
    source_seq bigint,
    at timestamptz not null default clock_timestamp(),
    type text not null,
    version smallint not null default 1,
    attempt integer not null default 0,
    payload jsonb not null,
    primary key (tenant_id, id)
    -- Each row is soon gone; left to the usual share of a large table, the dead ones would be read with each look.
  ) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500)`,
  `alter table events add column source text, add column source_seq bigint`,
  // Told once, whatever feeds; and found when what is told of is deleted.
  `create unique index events_told on events (source, source_seq) where source is not null`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
  await functions.up(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await functions.down(db);
  await sql`drop index events_told`.execute(db);
  await sql`alter table events drop column source, drop column source_seq`.execute(db);
  await sql`drop table outbox`.execute(db);
}
