// The conversation of a message: locked and told of it, or made with its first run.
import { type Insertable, type RawBuilder, sql } from 'kysely';
import type { ConversationSettings } from '../../../workflows/contracts/conversation.ts';
import type { WakeUp } from '../../../workflows/contracts/delegation.ts';
import { found } from '../../../workflows/contracts/failures.ts';
import type { Conversations } from '../db/tables.ts';
import type { RunStatus } from '../../../workflows/contracts/run.ts';
import { snapshotStatuses } from '../../../workflows/run/transitions.ts';
import type { Write } from '../log/events.ts';
import type { RunRow } from '../runs/runs.ts';
import { hasNoPlace } from '../runs/turns.ts';

export interface LockedConversation {
  id: string;
  /** Left out of one that is made with its first run. */
  settings?: ConversationSettings;
  /** The run that its next one goes on from. */
  head: string | null;
}

/** A message brings an archived one back; one of a person lets it go on by itself again as often as it may. */
export async function lockForMessage(
  write: Write,
  tenantId: string,
  id: string,
  { wakeUp, woken }: { wakeUp?: WakeUp; woken?: true },
): Promise<LockedConversation> {
  const locked = await write.tx
    .updateTable('conversations')
    .set((eb) => ({
      last_activity_at: new Date(),
      archived_at: null,
      wake_ups: woken ? eb('wake_ups', '+', 1) : 0,
      ...(wakeUp && { wake_up: wakeUp }),
    }))
    .where('id', '=', id)
    .where('tenant_id', '=', tenantId)
    .returning(['settings', 'head_run_id'])
    .executeTakeFirst();
  const { settings, head_run_id: head } = found(locked, `conversation ${id}`);
  return { id, settings: settings as ConversationSettings, head };
}

/** A run's own conversation, which is made with it. */
export function newConversation(opening: {
  id: string;
  tenantId: string;
  prompt: string;
  metadata: Record<string, string>;
  parentId: string | null;
  wakeUp?: WakeUp;
}): Insertable<Conversations> {
  return {
    id: opening.id,
    tenant_id: opening.tenantId,
    // Long enough to recognise in a list.
    title: [...opening.prompt.replaceAll(/\s+/g, ' ').trim()].slice(0, 50).join(''),
    metadata: JSON.stringify(opening.metadata),
    wake_up: opening.wakeUp ?? null,
    // In milliseconds, as in cursors: the database's own clock has digits a cursor would lose.
    last_activity_at: new Date(),
    // A fork goes on from there, also when its first run fails.
    ...(opening.parentId !== null && { head_run_id: opening.parentId }),
  };
}

/**
 * Whether the next of the conversation goes on from a main run that ends so. One that ends before its turn leaves nothing:
 * what it would have gone on from was not settled. Nor does one that had nothing before it and was not begun: nothing tells
 * them apart afterwards.
 */
export function leavesHead(run: RunRow, end: RunStatus): boolean {
  return !run.parked && !hasNoPlace(run) && snapshotStatuses.includes(end);
}

/** What a run that ends leaves to the next: part of the statement that ends it. Its conversation's lock is held. */
export function leavingHead(run: RunRow, end: RunStatus): RawBuilder<Record<string, unknown>> {
  const { id, conversation_id: conversationId, kind } = run;
  const leaves = kind === 'main' && leavesHead(run, end);
  return sql`(update conversations set head_run_id = ${id} where id = ${conversationId} and ${leaves} returning id)`;
}

/** The conversation goes on from an earlier run of it. The caller holds its lock. */
export async function moveHead(write: Write, conversationId: string, runId: string): Promise<void> {
  await write.tx
    .updateTable('conversations')
    .set({ head_run_id: runId })
    .where('id', '=', conversationId)
    .execute();
}
