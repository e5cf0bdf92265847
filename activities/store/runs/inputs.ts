// What people send into a run while it is active: steers, settlements and the two ways to stop it. Rows first;
// the run drains them when it can, and each ends applied or refused.
import { v7 as uuid } from 'uuid';
import { streamOf } from '../../../workflows/contracts/event.ts';
import { Failure } from '../../../workflows/contracts/failures.ts';
import type { ReceiptView, RunStatus } from '../../../workflows/contracts/run.ts';
import { isTerminal } from '../../../workflows/run/transitions.ts';
import type { Db, Queries } from '../db/database.ts';
import type { Write } from '../log/events.ts';
import { stopsChannel } from '../log/notifier.ts';
import type { LockedRun, RunRow, WaitingInput } from './runs.ts';
import { type Selectable, sql } from 'kysely';
import type { Inputs } from '../db/tables.ts';

export type InputRow = Selectable<Inputs>;

export interface NewInput {
  kind: 'steer' | 'settle' | 'interrupt' | 'cancel';
  messageId: string;
  text: string;
  by: string;
}

/** Stores an input of a run whose lock the caller holds (lockRun). The same message id again changes nothing. */
export async function addInput(write: Write, run: LockedRun, input: NewInput): Promise<ReceiptView> {
  const known = await write.tx
    .selectFrom('inputs')
    .select(['status', 'applied_step'])
    .where('run_id', '=', run.id)
    .where('message_id', '=', input.messageId)
    .executeTakeFirst();
  if (known) {
    return {
      runId: run.id,
      messageId: input.messageId,
      status: known.status as ReceiptView['status'],
      step: known.applied_step,
    };
  }
  if (isTerminal(run.status as RunStatus)) {
    throw new Failure(
      'RunNotActive',
      `Run ${run.id} has ended as ${run.status}; send a new message instead.`,
      {
        lastRunId: run.id,
      },
    );
  }
  const id = uuid();
  await write.tx
    .insertInto('inputs')
    .values({
      id,
      tenant_id: run.tenant_id,
      run_id: run.id,
      kind: input.kind,
      message_id: input.messageId,
      text: input.text,
      by: input.by,
    })
    .execute();
  const { kind, messageId: message_id, text } = input;
  run.waiting.push({ id, kind, message_id, text });
  if (input.kind !== 'settle') {
    const payload = { messageId: input.messageId, by: input.by };
    write.append({
      tenantId: run.tenant_id,
      stream: streamOf('run', run.id),
      conversationId: run.conversation_id,
      events: [
        input.kind === 'steer'
          ? { type: 'steer-request', payload: { ...payload, text: input.text.slice(0, 2000) } }
          : { type: `${input.kind}-request`, payload },
      ],
    });
  }
  // Inside the transaction, unlike the event notices: stops are rare and the worker must hear of each at once.
  if (input.kind === 'interrupt' || input.kind === 'cancel') {
    await sql`select pg_notify(${stopsChannel}, ${run.id})`.execute(write.tx);
  }
  return { runId: run.id, messageId: input.messageId, status: 'accepted', step: null };
}

/** Everything people sent that has not been applied or refused, in the order it came. */
export async function waitingInputs(queries: Queries, runId: string): Promise<InputRow[]> {
  return queries
    .selectFrom('inputs')
    .selectAll()
    .where('run_id', '=', runId)
    .where('status', '=', 'accepted')
    .orderBy('id')
    .execute();
}

export type Stop = 'none' | 'interrupt' | 'cancel';

/** The strongest stop that was asked for: a cancel wins over an interrupt. */
export function stopAmong(waiting: readonly { kind: string }[]): Stop {
  if (waiting.some(({ kind }) => kind === 'cancel')) return 'cancel';
  return waiting.some(({ kind }) => kind === 'interrupt') ? 'interrupt' : 'none';
}

/** Which of these runs were asked to stop. */
export async function stoppedAmong(db: Db, runIds: string[]): Promise<string[]> {
  if (runIds.length === 0) return [];
  const rows = await db
    .selectFrom('inputs')
    .select('run_id')
    .distinct()
    .where('run_id', 'in', runIds)
    .where('kind', 'in', ['interrupt', 'cancel'])
    .where('status', '=', 'accepted')
    .execute();
  return rows.map((row) => row.run_id);
}

/** Whether the model is to read it, and not the run to stop. */
export function isMessage({ kind }: { kind: string }): boolean {
  return kind === 'steer' || kind === 'settle';
}

/** Makes every steer and settlement among the waiting inputs a message of this step, in the order they came. */
export async function applyMessages(
  write: Write,
  run: RunRow,
  step: number,
  inputs: readonly WaitingInput[],
): Promise<number> {
  const waiting = inputs.filter(isMessage);
  if (waiting.length === 0) return 0;
  const ids = waiting.map((input) => input.id);
  // A retried attempt finds messages of its predecessor in this step: the new ones go behind them.
  const last = await write.tx
    .selectFrom('messages')
    .select((eb) => eb.fn.max('position').as('position'))
    .where('run_id', '=', run.id)
    .where('step', '=', step)
    .where('phase', '=', 0)
    .executeTakeFirst();
  const from = (last?.position ?? -1) + 1;
  await write.tx
    .insertInto('messages')
    .values(
      waiting.map((input, index) => ({
        run_id: run.id,
        tenant_id: run.tenant_id,
        step,
        phase: 0,
        position: from + index,
        role: 'user',
        internal: input.kind === 'settle',
        text: input.text,
      })),
    )
    .execute();
  await write.tx
    .updateTable('inputs')
    .set({ status: 'applied', applied_step: step, applied_at: new Date() })
    .where('id', 'in', ids)
    .execute();
  const steers = waiting.filter((input) => input.kind === 'steer');
  if (steers.length > 0) {
    write.append({
      tenantId: run.tenant_id,
      stream: streamOf('run', run.id),
      conversationId: run.conversation_id,
      events: steers.map((input) => ({
        type: 'steer-response' as const,
        payload: { messageId: input.message_id, outcome: 'applied' as const, step, reason: null },
      })),
    });
  }
  return waiting.length;
}
