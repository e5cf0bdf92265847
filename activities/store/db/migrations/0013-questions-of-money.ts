// What a question about money is about, in columns: the allowance that has too little, and which limit of it.
import { type Kysely, sql } from 'kysely';

const forth = [
  `alter table approvals
    -- None: it is the run's own limit that is used up.
    add column allowance_id uuid references allowances (id),
    add column limit_name text`,
  `update approvals set limit_name = split_part(input_hash, '/', 2), input_hash = '',
    allowance_id = nullif(split_part(input_hash, '/', 1), 'run')::uuid
  where kind = 'limit'`,
  `alter table approvals add constraint approvals_name_their_limit check ((kind = 'limit') = (limit_name is not null))`,
  `drop index approvals_of_limits`,
  `create index approvals_of_allowances on approvals (id) where status = 'open' and allowance_id is not null`,
  // Who waits for an allowance is found by what it asks.
  `drop index allowance_waits_of`,
];

const back = [
  `create index allowance_waits_of on allowance_waits (allowance_id)`,
  `drop index approvals_of_allowances`,
  `create index approvals_of_limits on approvals (id) where status = 'open' and kind = 'limit'`,
  `update approvals set input_hash = coalesce(allowance_id::text, 'run') || '/' || limit_name where kind = 'limit'`,
  `alter table approvals drop constraint approvals_name_their_limit, drop column allowance_id, drop column limit_name`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of forth) await sql.raw(statement).execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  for (const statement of back) await sql.raw(statement).execute(db);
}
