// An attempt at an address that a webhook has no more decides nothing; and deliveries go without a look at every letter.
import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  // One more with each new address, and each time the webhook is switched on.
  await sql`alter table webhook_deliveries add column round integer not null default 0`.execute(db);
  await sql`create index dead_letters_by_delivery on dead_letters (delivery_id) where delivery_id is not null`.execute(
    db,
  );
  await sql`create index dead_letters_by_task on dead_letters (task_id) where task_id is not null`.execute(
    db,
  );
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`drop index dead_letters_by_task`.execute(db);
  await sql`drop index dead_letters_by_delivery`.execute(db);
  await sql`alter table webhook_deliveries drop column round`.execute(db);
}
