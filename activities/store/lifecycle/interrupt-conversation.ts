// One interrupt for all runs of a conversation that are at work. What waits for its turn is left alone: the next of it goes
// on behind what was interrupted, as after the interrupt of a run.
import { v7 as uuid } from 'uuid';
import { mostWakeUps } from '../../../workflows/contracts/delegation.ts';
import { Failure, found } from '../../../workflows/contracts/failures.ts';
import type { ReceiptView } from '../../../workflows/contracts/receipt.ts';
import type { RunStatus } from '../../../workflows/contracts/run.ts';
import { activeStatuses, isTerminal } from '../../../workflows/run/transitions.ts';
import type { Queries } from '../db/database.ts';
import type { Write } from '../log/events.ts';
import { holdConversation } from '../runs/conversations.ts';
import { addInput } from '../runs/inputs.ts';
import { lockRun } from '../runs/runs.ts';
import { type EndedRun, endUnstarted } from './end-run.ts';

export interface Interrupting {
  tenantId: string;
  conversationId: string;
  /** The client's id; an interrupt without one was never sent before. */
  messageId?: string | undefined;
  by: string;
}

export interface Interrupted {
  receipts: ReceiptView[];
  /** Those that no workflow had taken up: they have ended. The others are to be woken. */
  ended: EndedRun[];
}

/** The same message id again changes nothing, whatever has begun since: it is answered with what became of it. */
export async function interruptConversation(write: Write, input: Interrupting): Promise<Interrupted> {
  const { tenantId, conversationId, messageId = uuid(), by } = input;
  found(await holdConversation(write.tx, tenantId, conversationId), `conversation ${conversationId}`);
  const told = input.messageId === undefined ? [] : await toldBefore(write.tx, conversationId, messageId);
  if (told.length > 0) return { receipts: told, ended: [] };
  const receipts: ReceiptView[] = [];
  const ended: EndedRun[] = [];
  for (const { id } of await runsAtWork(write.tx, conversationId)) {
    const run = await lockRun(write, tenantId, id);
    // Under the lock of the conversation none ends but by the end of one before it.
    if (!run || isTerminal(run.status as RunStatus)) continue;
    receipts.push(await addInput(write, run, { kind: 'interrupt', messageId, text: '', by }));
    const end = await endUnstarted(write, run, 'interrupt');
    if (end) ended.push(end);
  }
  if (receipts.length === 0) {
    throw new Failure('ConversationIdle', `There is nothing to interrupt in conversation ${conversationId}.`);
  }
  await stayAsleep(write, conversationId);
  return { receipts, ended };
}

async function toldBefore(
  queries: Queries,
  conversationId: string,
  messageId: string,
): Promise<ReceiptView[]> {
  const rows = await queries
    .selectFrom('inputs')
    .innerJoin('runs', 'runs.id', 'inputs.run_id')
    .select(['run_id', 'inputs.status', 'applied_step'])
    .where('runs.conversation_id', '=', conversationId)
    .where('inputs.message_id', '=', messageId)
    .where('inputs.kind', '=', 'interrupt')
    .orderBy('run_id')
    .execute();
  return rows.map(({ run_id: runId, status, applied_step: step }) => ({
    ...{ runId, messageId, status: status as ReceiptView['status'], step },
  }));
}

/** Ids are ordered by time, so that a run comes before its subagents, as locks do. Titles are upkeep: one is left to be made. */
async function runsAtWork(queries: Queries, conversationId: string): Promise<{ id: string }[]> {
  return queries
    .selectFrom('runs')
    .select('id')
    .where('conversation_id', '=', conversationId)
    .where('kind', '!=', 'title')
    .where('parked', '=', false)
    .where('status', 'in', activeStatuses)
    .orderBy('id')
    .execute();
}

/**
 * What its subagents report now does not set it going again by itself: that it may only once a person has said something.
 * One whose message waits for its turn has.
 */
async function stayAsleep(write: Write, conversationId: string): Promise<void> {
  await write.tx
    .updateTable('conversations')
    .set({ wake_ups: mostWakeUps })
    .where('id', '=', conversationId)
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom('runs')
            .select('id')
            .where('conversation_id', '=', conversationId)
            .where('kind', '=', 'main')
            .where('status', 'in', activeStatuses)
            .where((eb) => eb.or([eb('parked', '=', true), eb('execution_id', 'is', null)])),
        ),
      ),
    )
    .execute();
}
