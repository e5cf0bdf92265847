// The mailbox of a conversation: reports of subagents whose main run has ended wait for a continuation, that people or the
// conversation itself call for. And runs beside the chain: side questions and titles.
import { type Kysely, sql } from 'kysely';

const changes = [
  `alter table delegations drop constraint delegations_state_check`,
  // posted: its main run had ended, and it waits in the mailbox of the conversation.
  `alter table delegations add constraint delegations_state_check
    check (state in ('working', 'reported', 'posted', 'delivered', 'late'))`,
  // The run that was told last; with 'posted', one that came to nothing.
  `alter table delegations add column delivered_to uuid`,
  // The conversation was woken without it.
  `alter table delegations add column missed boolean not null default false`,
  `update delegations set delivered_to = parent_id where state = 'delivered'`,
  `create index delegations_pending on delegations (conversation_id) where state in ('reported', 'posted')`,
  `create index delegations_delivered on delegations (delivered_to) where delivered_to is not null`,
  // Null: a main run stays until its subagents have reported.
  `alter table conversations add column wake_up text check (wake_up in ('manual', 'auto'))`,
  `alter table conversations add column wake_up_seconds integer`,
  // When a conversation that waits for subagents is woken without them.
  `alter table conversations add column wake_at timestamptz`,
  // How often it was woken since a person said something.
  `alter table conversations add column wake_ups integer not null default 0`,
  // When it was tried and refused.
  `alter table conversations add column wake_refused_at timestamptz`,
  // By a person: none is made.
  `alter table conversations add column title_given boolean not null default false`,
  `create index conversations_to_wake on conversations (wake_at) where wake_at is not null`,
  `alter table runs drop constraint runs_kind_check`,
  `alter table runs add constraint runs_kind_check check (kind in ('main', 'subagent', 'aside', 'title'))`,
];

const back = [
  `alter table runs drop constraint runs_kind_check`,
  `update runs set kind = 'subagent' where kind in ('aside', 'title')`,
  `alter table runs add constraint runs_kind_check check (kind in ('main', 'subagent'))`,
  `drop index conversations_to_wake`,
  `alter table conversations drop column title_given, drop column wake_refused_at, drop column wake_ups, drop column wake_at,
    drop column wake_up_seconds, drop column wake_up`,
  `drop index delegations_delivered`,
  `drop index delegations_pending`,
  `alter table delegations drop constraint delegations_state_check`,
  `update delegations set state = 'late' where state = 'posted'`,
  `alter table delegations add constraint delegations_state_check
    check (state in ('working', 'reported', 'delivered', 'late'))`,
  `alter table delegations drop column missed, drop column delivered_to`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of changes) await sql.raw(statement).execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  for (const statement of back) await sql.raw(statement).execute(db);
}
