// A run may need the machine of one executor: its calls act there, and all that touches its project happens there.
import { type Kysely, sql } from 'kysely';

const statements = [
  // The data folder of a worker by a key of its own, however it is moved: two on one machine let each other's work be.
  `alter table executors add column folder text not null default ''`,
  `alter table runs
    -- Its name. Null: the machine of the server.
    add column executor text,
    -- What that machine said at the run's begin: {folder, skills}.
    add column on_executor jsonb,
    -- While nothing is heard of it and the run waits: its last sign of life, and when the run is given up.
    add column executor_silent_at timestamptz,
    add column executor_until timestamptz`,
  `create index runs_on_executors on runs (executor) where executor is not null and ended_at is null`,
  // As of its run: where it is carried out.
  `alter table rewinds add column executor text`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

const back = [
  `alter table rewinds drop column executor`,
  `alter table runs drop column executor, drop column on_executor, drop column executor_silent_at,
    drop column executor_until`,
  `alter table executors drop column folder`,
];

export async function down(db: Kysely<unknown>): Promise<void> {
  for (const statement of back) await sql.raw(statement).execute(db);
}
