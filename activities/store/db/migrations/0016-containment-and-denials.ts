// Whether a run's request accepted a sandbox that contains nothing, and which of its calls were denied in the end. Runs
// that had ended before have no count.
import { type Kysely, sql } from 'kysely';

const columns = {
  accept_no_containment: 'boolean not null default false',
  denied_calls: 'jsonb',
};

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const [name, type] of Object.entries(columns))
    await sql`alter table runs add column ${sql.ref(name)} ${sql.raw(type)}`.execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  for (const name of Object.keys(columns))
    await sql`alter table runs drop column ${sql.ref(name)}`.execute(db);
}
