// Where each conversation goes on from, and which runs answer the same message anew. Until now a conversation went on from
// the run that ended last of those that left a snapshot.
import { type Kysely, sql } from 'kysely';

const statements = [
  // Set at the end of each run that leaves a snapshot, so that the next need not look for it. A fork goes on from a run of
  // another conversation. No reference: its index would be written with every run.
  `alter table conversations add column head_run_id uuid`,
  `update conversations set head_run_id = (
    select id from runs where conversation_id = conversations.id and kind = 'main'
      and status in ('succeeded', 'interrupted', 'timed_out')
    order by ended_at desc, id desc limit 1)`,
  // The run whose message it answers anew: the first of those that do. No reference: that one may be deleted.
  `alter table runs add column alternative_of uuid`,
  `create index runs_alternatives on runs (alternative_of) where alternative_of is not null`,
  // Else whether a message was sent before is looked for in all runs of its conversation.
  `create index inputs_by_message on inputs (message_id) where kind = 'steer'`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`drop index inputs_by_message, runs_alternatives`.execute(db);
  await sql`alter table runs drop column alternative_of`.execute(db);
  await sql`alter table conversations drop column head_run_id`.execute(db);
}
