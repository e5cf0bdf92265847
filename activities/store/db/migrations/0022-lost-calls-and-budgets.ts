// Model calls whose attempts died are settled at what is known of them, and what they may have cost beside that is kept.
// What a run does when it meets a limit of money.
import { type Kysely, sql } from 'kysely';
import { functionsOf } from '../functions.ts';

const functions = functionsOf('0022');

const columns = [
  // Of a reservation: the part of its cost that the prompt has. Null: made before this was kept, or not known.
  ['allowance_entries', 'prompt_cost_micros', 'bigint'],
  // Of a settlement: what the call may have cost beside cost_micros, at most. It is in no pool.
  ['allowance_entries', 'possible_cost_micros', 'bigint not null default 0'],
  ['allowance_months', 'possible_cost_micros', 'bigint not null default 0'],
  // pause or fail, where the run was told so. Null: pause when attended, else fail.
  ['runs', 'over_budget', `text check (over_budget in ('pause', 'fail'))`],
] as const;

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const [table, name, type] of columns)
    await sql`alter table ${sql.table(table)} add column ${sql.ref(name)} ${sql.raw(type)}`.execute(db);
  // Runs under way were accepted when every run asked.
  await sql`update runs set over_budget = 'pause' where ended_at is null`.execute(db);
  await functions.up(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await functions.down(db);
  for (const [table, name] of columns.toReversed())
    await sql`alter table ${sql.table(table)} drop column ${sql.ref(name)}`.execute(db);
}
