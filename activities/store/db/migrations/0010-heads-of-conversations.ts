// The numbers of conversations get rows of their own, which an append locks last and alone: the row of a conversation
// is locked only to accept, promote and end its runs.
import { type Kysely, sql } from 'kysely';
import { functionsOf } from '../functions.ts';

const functions = functionsOf('0010');

const statements = [
  `create table conversation_heads (
    conversation_id uuid primary key references conversations (id),
    tenant_id uuid not null,
    -- The last number given out to an event of any of its runs.
    seq bigint not null
    -- Updated with every append: room on the page keeps the index out of it.
  ) with (fillfactor = 50)`,
  `insert into conversation_heads (conversation_id, tenant_id, seq)
    select id, tenant_id, seq from conversations where seq > 0`,
  `alter table conversations drop column seq`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
  await functions.up(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await functions.down(db);
  await sql`alter table conversations add column seq bigint not null default 0`.execute(db);
  await sql`update conversations set seq = head.seq from conversation_heads head where conversation_id = id`.execute(
    db,
  );
  await sql`drop table conversation_heads`.execute(db);
}
