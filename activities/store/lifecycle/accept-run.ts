// Accepting work: the rows that make a run durable before Temporal is asked for anything.
import { v7 as uuid } from 'uuid';
import type { ConversationSettings } from '../../../workflows/contracts/conversation.ts';
import { Failure } from '../../../workflows/contracts/failures.ts';
import { openApprovals } from '../approvals/approval-lists.ts';
import { answerApproval } from '../approvals/approvals.ts';
import type { Write } from '../log/events.ts';
import { type Branch, holdParent } from './branch.ts';
import { type LockedConversation, lockForMessage, moveHead } from './conversation.ts';
import { tellAgain } from '../delegation/mailbox.ts';
import { findByMessage } from './find-by-message.ts';
import { toWarnings } from '../allowances/crossings.ts';
import { type EndedRun, endUnstarted } from './end-run.ts';
import { holdProject } from './project-writers.ts';
import { addInput } from '../runs/inputs.ts';
import { findPlace, type HeldPools, type Place, placing, waitsFor } from '../allowances/run-places.ts';
import { rewoundIn } from '../runs/rewinds.ts';
import { activeRunOf, latestRunOf, type LockedRun, lockRun, type RunRow } from '../runs/runs.ts';
import { type Configuration, type NewMessage, writeRun } from './write-run.ts';

export interface Acceptance {
  /**
   * Asked only when the message becomes a run, under the lock of its conversation, with the run that was accepted
   * into that last and what the conversation says itself.
   */
  configure(latest: RunRow | undefined, settings: ConversationSettings | undefined): Promise<Configuration>;
  /** The pools of its chain, locked: they come before the conversation. */
  held: HeldPools;
  /** Throws where there is no room for new work; what was accepted before stays accepted. */
  mayBegin(): void;
  /** Where it goes on from, when its message says so. */
  branch?: Branch;
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
  const conversation = input.conversationId
    ? await lockForMessage(write, tenantId, input.conversationId, input)
    : { id: uuid(), head: null };
  const conversationId = conversation.id;
  // Asked again under the conversation's lock: the same message may have been accepted while we waited for it.
  const accepted = input.conversationId && (await findByMessage(write.tx, input));
  if (accepted) return { run: accepted, became: 'known' };
  // A conversation that was made just now has no runs.
  const busy = input.conversationId && (await activeRunOf(write.tx, tenantId, conversationId));
  // The conversation's lock, held here, keeps it from ending; its own lock keeps its row as it is.
  const active = busy && (await lockRun(write, tenantId, busy.id));
  if (!active) return insertRun(write, input, how, { conversation, parked: false });
  // And once more under the run's lock, the only one that a steer takes.
  const said = await findByMessage(write.tx, input);
  if (said) return { run: said, became: 'known' };
  switch (input.whenBusy) {
    case 'reject':
      // What goes on from elsewhere is no answer.
      if (active.status === 'awaiting_input' && !how.branch)
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
        parts: input.parts,
        by: input.by,
      });
      return { run: active, became: 'steered' };
    case 'interrupt':
      return interruptFor(write, active, input, () =>
        insertRun(write, input, how, { conversation, parked: true }),
      );
    case 'queue':
      return insertRun(write, input, how, { conversation, parked: true });
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
    parts: input.parts,
    by: input.by,
  });
  return run;
}

async function insertRun(
  write: Write,
  input: NewMessage,
  { configure, held, branch }: Acceptance,
  { conversation, parked }: { conversation: LockedConversation; parked: boolean },
): Promise<Accepted> {
  const conversationId = conversation.id;
  const { tenantId } = input;
  if (branch) await holdParent(write, tenantId, branch);
  const latest = input.conversationId && (await latestRunOf(write.tx, tenantId, conversationId));
  const config = await configure(latest || undefined, conversation.settings);
  refuseOwnerUnheld(config, held);
  const { projectPath, executor, workTree, mayWrite } = config;
  if (projectPath !== null && workTree === 'in-place' && mayWrite)
    await holdProject(write, { tenantId, conversationId, projectPath, executor });
  const found = await findPlace(write.tx, held, { tenantId, parked });
  if (found.kind === 'refused') throw refusalOf(found);
  const rewound =
    projectPath !== null && input.conversationId && !parked && (await rewoundIn(write.tx, conversationId));
  const place: Exclude<Place, { kind: 'refused' }> = rewound
    ? { ...found, kind: 'waits', full: undefined }
    : found;
  const id = uuid();
  // That of a parked one is settled when its turn comes, unless its message says.
  const parentId = branch ? branch.parentId : parked ? null : conversation.head;
  if (branch?.parentId && !branch.alternativeOf && input.conversationId && !parked)
    await moveHead(write, conversationId, branch.parentId);
  const seconds = Math.min(config.limits.seconds, held.seconds ?? Infinity);
  const run = await writeRun(
    write,
    input,
    { ...config, limits: { ...config.limits, seconds } },
    {
      ...{ id, conversationId, parentId, alternativeOf: branch?.alternativeOf, parked, kind: 'main' },
      places: placing(held, place, { id, tenantId, conversationId }),
      // What a person sees of a queued run that nothing happens to.
      reasonText: place.kind === 'waits' ? waitsFor(place.full, rewound || undefined) : null,
      events: toWarnings(place.crossed),
    },
  );
  if (branch?.toldAs !== undefined) await tellAgain(write, branch.toldAs, run);
  return { run, became: parked ? 'parked' : place.kind === 'waits' ? 'waiting' : 'started' };
}

/** The pools were locked before the conversation: those of another owner may be the ones to draw from by now. */
export function refuseOwnerUnheld({ owner }: Pick<Configuration, 'owner'>, { others }: HeldPools): void {
  if (owner !== null && !others.includes(`owner/${owner}`)) throw new OwnerChanged();
}

export function refusalOf({
  pool,
  limit,
  allowed,
  used,
  endsAt,
}: Extract<Place, { kind: 'refused' }>): Failure {
  const detail = `The allowance ${pool} has room for ${allowed} runs a day, and all of them are used until ${endsAt}.`;
  return new Failure('AllowanceExceeded', detail, { pool, limit, allowed, used, endsAt });
}
