// Accepting work: the rows that make a run durable before Temporal is asked for anything.
import { type Insertable, sql } from 'kysely';
import { v7 as uuid } from 'uuid';
import type { Sources } from '../../../workflows/contracts/configuration.ts';
import type { ExternalTool } from '../../../workflows/contracts/external-tool.ts';
import { Failure, found } from '../../../workflows/contracts/failures.ts';
import {
  type EffectiveLimits,
  type ExecMode,
  type OverBudget,
  type Priority,
  priorities,
  type RunLimits,
  type WhenBusy,
} from '../../../workflows/contracts/run.ts';
import { type NewEvent, streamOf } from '../../../workflows/contracts/event.ts';
import { addAudit } from '../access/audit.ts';
import { openApprovals } from '../approvals/approval-lists.ts';
import { answerApproval } from '../approvals/approvals.ts';
import type { ScopeRef } from '../policies/policies.ts';
import type { Write } from '../log/events.ts';
import { findByMessage } from './find-by-message.ts';
import { toWarnings } from '../allowances/crossings.ts';
import { type EndedRun, endUnstarted } from './end-run.ts';
import { addInput } from '../runs/inputs.ts';
import { findPlace, type HeldPools, type Place, placing, waitsFor } from '../allowances/run-places.ts';
import { activeRunOf, latestRunOf, type LockedRun, lockRun, parentFor, type RunRow } from '../runs/runs.ts';
import type { StallLimits } from '../runs/stall.ts';
import type { Conversations } from '../db/tables.ts';

/** A message, before it is known whether it becomes a run. */
export interface NewMessage {
  tenantId: string;
  prompt: string;
  conversationId?: string;
  /** The client's id of this message; ours when it gave none. */
  messageId?: string;
  whenBusy: WhenBusy;
  requestId: string;
  by: string;
}

/** All that a run goes by, settled when it is accepted. */
export interface Configuration {
  model: string;
  policy: string;
  /** The profiles in the versions of now: the run keeps them. */
  policyScopes: ScopeRef[];
  priority: Priority;
  projectPath: string | null;
  limits: EffectiveLimits;
  /** The limits that are not the policy's own: they stand for the runs that follow. */
  saidLimits: RunLimits;
  stall: StallLimits | null;
  metadata: Record<string, string>;
  attended: boolean;
  /** Null: pause when attended, else fail. */
  overBudget: OverBudget | null;
  execMode: ExecMode;
  externalTools: ExternalTool[];
  /** Whatever its policies require, a sandbox that does not contain is accepted. */
  acceptNoContainment: boolean;
  /** It draws from the pool of this owner too. */
  owner: string | null;
  sources: Sources;
}

export interface Acceptance {
  /**
   * Asked only when the message becomes a run, under the lock of its conversation, with the run that was accepted
   * into that last.
   */
  configure(latest: RunRow | undefined): Promise<Configuration>;
  /** The pools of its chain, locked: they come before the conversation. */
  held: HeldPools;
  /** Throws where there is no room for new work; what was accepted before stays accepted. */
  mayBegin(): void;
}

/** The run before was given another owner after the pools had been locked. Another try locks those of the new one. */
export class OwnerChanged extends Failure {
  constructor() {
    super('VersionStale', 'The owner of this conversation changed just now; send the message again.');
  }
}

export interface Accepted {
  run: RunRow;
  /**
   * `started`: its workflow is to be started. `waiting`: for a place, one of which may have become free meanwhile.
   * `parked`: for its turn. `steered`: the message went into an active run.
   */
  became: 'started' | 'waiting' | 'parked' | 'steered' | 'known';
  /** A run that was told to stop so that this one can go on. */
  interrupted?: RunRow;
  /** Such a run that no workflow had taken up: it has ended, and this one may go on. */
  ended?: EndedRun;
}

export async function acceptRun(write: Write, input: NewMessage, how: Acceptance): Promise<Accepted> {
  const { tenantId } = input;
  const known = await findByMessage(write.tx, input);
  if (known) return { run: known, became: 'known' };
  how.mayBegin();
  const conversationId = input.conversationId ? await lockConversation(write, input) : uuid();
  // Asked again under the conversation's lock: the same message may have been accepted while we waited for it.
  const accepted = await findByMessage(write.tx, input);
  if (accepted) return { run: accepted, became: 'known' };
  // A conversation that was made just now has no runs.
  const busy = input.conversationId && (await activeRunOf(write.tx, tenantId, conversationId));
  // The conversation's lock, held here, keeps it from ending; its own lock keeps its row as it is.
  const active = busy && (await lockRun(write, tenantId, busy.id));
  if (!active) return insertRun(write, input, how, { conversationId, parked: false });
  // And once more under the run's lock, the only one that a steer takes.
  const said = await findByMessage(write.tx, input);
  if (said) return { run: said, became: 'known' };
  switch (input.whenBusy) {
    case 'reject':
      if (active.status === 'awaiting_input')
        return { run: await sayInstead(write, active, input), became: 'steered' };
      throw new Failure(
        'ConversationBusy',
        `Run ${active.id} is active; steer it, wait for it, or send with whenBusy.`,
        {
          activeRunId: active.id,
        },
      );
    case 'steer':
      await addInput(write, active, {
        kind: 'steer',
        messageId: input.messageId ?? uuid(),
        text: input.prompt,
        by: input.by,
      });
      return { run: active, became: 'steered' };
    case 'interrupt':
      return interruptFor(write, active, input, () =>
        insertRun(write, input, how, { conversationId, parked: true }),
      );
    case 'queue':
      return insertRun(write, input, how, { conversationId, parked: true });
  }
}

/** Inserts the new run behind the one that is told to stop, which ends at once where no workflow has taken it up. */
async function interruptFor(
  write: Write,
  run: LockedRun,
  input: NewMessage,
  insert: () => Promise<Accepted>,
): Promise<Accepted> {
  await addInput(write, run, {
    kind: 'interrupt',
    messageId: `interrupt-for-${input.messageId ?? uuid()}`,
    text: '',
    by: input.by,
  });
  const accepted = await insert();
  const ended = await endUnstarted(write, run, 'interrupt');
  return ended ? { ...accepted, ended } : { ...accepted, interrupted: run };
}

/**
 * A message sent while the run waits for an answer stands for that answer: what is asked is denied, and the same run
 * goes on with the message. A question about money stays: words do not answer it.
 */
async function sayInstead(write: Write, run: LockedRun, input: NewMessage): Promise<RunRow> {
  for (const { id } of await openApprovals(write.tx, run)) {
    await answerApproval(write, run, id, {
      status: 'denied',
      by: input.by,
      note: 'They said something else.',
    });
  }
  await addInput(write, run, {
    kind: 'steer',
    messageId: input.messageId ?? uuid(),
    text: input.prompt,
    by: input.by,
  });
  return run;
}

async function lockConversation(write: Write, input: NewMessage): Promise<string> {
  const locked = await write.tx
    .updateTable('conversations')
    .set({ last_activity_at: new Date() })
    .where('id', '=', input.conversationId ?? null)
    .where('tenant_id', '=', input.tenantId)
    .returning('id')
    .executeTakeFirst();
  return found(locked, `conversation ${input.conversationId}`).id;
}

/** A run's own conversation, which is made with it. */
function toConversation(
  id: string,
  input: NewMessage,
  { metadata }: Configuration,
): Insertable<Conversations> {
  return {
    id,
    tenant_id: input.tenantId,
    // Long enough to recognise in a list.
    title: [...input.prompt.replaceAll(/\s+/g, ' ').trim()].slice(0, 50).join(''),
    metadata: JSON.stringify(metadata),
    // In milliseconds, as in cursors: the database's own clock has digits a cursor would lose.
    last_activity_at: new Date(),
  };
}

async function insertRun(
  write: Write,
  input: NewMessage,
  { configure, held }: Acceptance,
  { conversationId, parked }: { conversationId: string; parked: boolean },
): Promise<Accepted> {
  const latest = input.conversationId && (await latestRunOf(write.tx, input.tenantId, conversationId));
  const config = await configure(latest || undefined);
  if (config.owner !== null && !held.others.includes(`owner/${config.owner}`)) throw new OwnerChanged();
  const place = await findPlace(write.tx, held, { tenantId: input.tenantId, parked });
  if (place.kind === 'refused') throw refusal(place);
  const id = uuid();
  const parentId =
    parked || !input.conversationId ? null : await parentFor(write.tx, input.tenantId, conversationId);
  const seconds = Math.min(config.limits.seconds, held.seconds ?? Infinity);
  const rows = placing(held, place, { id, tenantId: input.tenantId, conversationId });
  const opening =
    input.conversationId === undefined
      ? write.tx.with('opened', (db) =>
          db.insertInto('conversations').values(toConversation(conversationId, input, config)),
        )
      : write.tx;
  const { placed, ...run } = await opening
    .with('account', () => rows.account)
    .with('places', () => rows.places)
    .with('said', (db) =>
      db.insertInto('messages').values({
        run_id: id,
        tenant_id: input.tenantId,
        step: 0,
        phase: 0,
        position: 0,
        role: 'user',
        text: input.prompt,
      }),
    )
    .insertInto('runs')
    .values({
      id,
      tenant_id: input.tenantId,
      conversation_id: conversationId,
      parent_id: parentId,
      parked,
      message_id: input.messageId ?? id,
      opens: input.conversationId === undefined,
      prompt: input.prompt,
      model: config.model,
      policy: config.policy,
      priority: priorities.indexOf(config.priority),
      project_path: config.projectPath,
      limits: JSON.stringify({ ...config.limits, seconds } satisfies RunLimits),
      metadata: JSON.stringify(config.metadata),
      request_id: input.requestId,
      accepted_by: input.by,
      policy_scopes: JSON.stringify(config.policyScopes),
      stall: config.stall && JSON.stringify(config.stall),
      attended: config.attended,
      over_budget: config.overBudget,
      exec_mode: config.execMode,
      accept_no_containment: config.acceptNoContainment,
      external_tools: JSON.stringify(config.externalTools),
      owner: config.owner,
      said_limits: JSON.stringify(config.saidLimits),
      sources: JSON.stringify(config.sources),
      // What a person sees of a queued run that nothing happens to.
      reason_text: place.kind === 'waits' ? waitsFor(place.full) : null,
    })
    .returningAll()
    .returning(sql<boolean>`exists (select from account)`.as('placed'))
    .executeTakeFirstOrThrow();
  if (!placed)
    throw new Failure('NotRunnable', 'The tenant has no allowance; make one to let it run anything.');
  if (config.acceptNoContainment) await noteUncontained(write, input, run);
  write.append({
    tenantId: input.tenantId,
    stream: streamOf('run', id),
    conversationId,
    events: [queued(run, input, config), ...toWarnings(place.crossed)],
  });
  return { run, became: parked ? 'parked' : place.kind === 'waits' ? 'waiting' : 'started' };
}

async function noteUncontained(write: Write, { tenantId, by }: NewMessage, run: RunRow): Promise<void> {
  const entry = { tenantId, actor: by, runId: run.id, rule: run.policy };
  await addAudit(write, [{ ...entry, action: 'accept-no-containment', reason: 'the request said so' }]);
}

function queued(
  run: RunRow,
  { by }: NewMessage,
  { policy, priority, sources, execMode, acceptNoContainment }: Configuration,
): NewEvent {
  return {
    type: 'run-queued',
    payload: {
      conversationId: run.conversation_id,
      parentId: run.parent_id,
      // The message itself is a row; an event is for people who watch.
      prompt: run.prompt.slice(0, 2000),
      messageId: run.message_id,
      model: run.model,
      policy,
      priority,
      parked: run.parked,
      project: run.project_path === null ? null : { path: run.project_path },
      limits: run.limits as RunLimits,
      sources,
      execMode,
      ...(acceptNoContainment && { acceptNoContainment }),
      by,
    },
  };
}

function refusal({ pool, limit, allowed, used, endsAt }: Extract<Place, { kind: 'refused' }>): Failure {
  const detail = `The allowance ${pool} has room for ${allowed} runs a day, and all of them are used until ${endsAt}.`;
  return new Failure('AllowanceExceeded', detail, { pool, limit, allowed, used, endsAt });
}
