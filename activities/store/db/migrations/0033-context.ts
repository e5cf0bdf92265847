// Messages of the platform's own: a summary stands for those before it, and what a project says of itself comes with it.
// A model call keeps what its prompt was made of. Until now a conversation was sent whole.
import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table messages add column about jsonb`.execute(db);
  await sql`create index messages_that_sum_up on messages (run_id, step, position)
    where about->>'kind' = 'summary'`.execute(db);
  await sql`alter table model_calls add column prompt jsonb`.execute(db);
  await statuses(db, ['answered', 'failed', 'stopped', 'compacted']);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`update model_calls set status = 'answered' where status = 'compacted'`.execute(db);
  await statuses(db, ['answered', 'failed', 'stopped']);
  await sql`alter table model_calls drop column prompt`.execute(db);
  await sql`drop index messages_that_sum_up`.execute(db);
  // Without what it stands for, a text of these would be read as a person's.
  await sql`delete from messages where about is not null`.execute(db);
  await sql`alter table messages drop column about`.execute(db);
}

async function statuses(db: Kysely<unknown>, names: readonly string[]): Promise<void> {
  const list = sql.join(names.map((name) => sql.lit(name)));
  await sql`alter table model_calls drop constraint model_calls_status_check,
    add constraint model_calls_status_check check (status in (${list}))`.execute(db);
}
