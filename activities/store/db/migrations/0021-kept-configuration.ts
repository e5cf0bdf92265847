// A run keeps its owner, the limits that were said of it, and where each of its settings came from: the next run of its
// conversation goes by them.
import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table runs add column owner text, add column said_limits jsonb,
    add column sources jsonb`.execute(db);
  // Until now the owner was only in the chain of pools that the run draws from.
  await sql`update runs set owner = substr(name, length('owner/') + 1)
    from allowance_runs account cross join unnest(account.chain) as listed (name)
    where account.run_id = runs.id and starts_with(name, 'owner/')`.execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`alter table runs drop column owner, drop column said_limits, drop column sources`.execute(db);
}
