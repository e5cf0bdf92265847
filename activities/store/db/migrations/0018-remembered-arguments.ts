// Remembered answers are for exactly the arguments that were shown. Those made before were rules, which allowed more:
// they end here, stay readable as rows, and the audit says so.
import { type Kysely, sql } from 'kysely';

const statements = [
  `insert into audit (tenant_id, actor, action, rule, reason, detail)
    select tenant_id, 'Perdure', 'answer-forget', '', 'it allowed more than the arguments that were shown',
      jsonb_build_object('id', id, 'scope', scope, 'key', key, 'rule', rule)
    from remembered_answers where forgotten_at is null and expires_at > now()`,
  `update remembered_answers set forgotten_at = now() where forgotten_at is null`,
  `alter table remembered_answers
    alter column rule drop not null,
    add column tool text,
    -- Of all arguments, whatever their order.
    add column input_hash text,
    -- What was shown of it, in words.
    add column allows text,
    add constraint remembered_answers_exact
      check (forgotten_at is not null or (tool is not null and input_hash is not null and allows is not null))`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`update remembered_answers set rule = '{}', forgotten_at = coalesce(forgotten_at, now())
    where rule is null`.execute(db);
  await sql`alter table remembered_answers drop constraint remembered_answers_exact, drop column tool,
    drop column input_hash, drop column allows, alter column rule set not null`.execute(db);
}
