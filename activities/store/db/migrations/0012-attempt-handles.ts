// What an attempt has started, as the sandbox that runs it names it: a handle in JSON that any worker can kill it by.
import { type Kysely, sql } from 'kysely';

const toHandles = [
  `alter table attempts add column handle jsonb`,
  `update attempts set handle = jsonb_build_object(
    'kind', 'mount',
    'host', coalesce((select host from executors where executors.id = attempts.executor_id), ''),
    'call', run_id || '/' || substr(unit, length('call/') + 1),
    'pgid', process_group,
    'startedTicks', coalesce(process_started, ''))
    where process_group is not null`,
  `alter table attempts drop column process_group, drop column process_started`,
];

const toGroups = [
  `alter table attempts add column process_group integer, add column process_started text`,
  `update attempts set process_group = (handle ->> 'pgid')::integer, process_started = handle ->> 'startedTicks'
    where handle ->> 'kind' = 'mount'`,
  `alter table attempts drop column handle`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of toHandles) await sql.raw(statement).execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  for (const statement of toGroups) await sql.raw(statement).execute(db);
}
