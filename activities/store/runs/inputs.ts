// What people send into a run while it is active: steers, settlements and the two ways to stop it. Rows first;
// the run drains them when it can, and each ends applied or refused.
import { v7 as uuid } from 'uuid';
import { streamOf } from '../../../workflows/contracts/event.ts';
import { Failure } from '../../../workflows/contracts/failures.ts';
import type { StoredPart } from '../../../workflows/contracts/message.ts';
import type { ReceiptView } from '../../../workflows/contracts/receipt.ts';
import type { RunStatus } from '../../../workflows/contracts/run.ts';
import { isTerminal } from '../../../workflows/run/transitions.ts';
import type { Db, Queries } from '../db/database.ts';
import type { Write } from '../log/events.ts';
import { stopsChannel } from '../log/notifier.ts';
import { nextPosition } from './messages.ts';
import { nameContents, setParts, toParts } from './parts.ts';
import type { LockedRun, RunRow, WaitingInput } from './runs.ts';
import { sql } from 'kysely';

export interface NewInput {
  kind: 'steer' | 'settle' | 'interrupt' | 'cancel';
  messageId: string;
  text: string;
  /** What it carries beside its words. */
  parts?: readonly StoredPart[] | undefined;
  by: string;
}

/** Stores an input of a run whose lock the caller holds (lockRun). The same message id again changes nothing; it is of one kind. */
export async function addInput(write: Write, run: LockedRun, input: NewInput): Promise<ReceiptView> {
  const known = await write.tx
    .selectFrom('inputs')
    .select(['kind', 'status', 'applied_step'])
    .where('run_id', '=', run.id)
    .where('message_id', '=', input.messageId)
    .executeTakeFirst();
  if (known && known.kind !== input.kind) {
    const problem = `was used for the ${known.kind} of run ${run.id} that was sent before: use another`;
    throw new Failure('InvalidInput', `messageId ${problem}.`, { fields: [{ path: 'messageId', problem }] });
  }
  if (known) {
    const { status, applied_step: step } = known as {
      status: ReceiptView['status'];
      applied_step: number | null;
    };
    const became = status === 'refused' ? await becameOf(write.tx, run, input.messageId) : undefined;
    return {
      runId: run.id,
      messageId: input.messageId,
      status,
      step,
      ...(became !== undefined && { became }),
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
      parts: toParts(input.parts),
    })
    .execute();
  await nameContents(write.tx, run, input.parts);
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

/** A message that came too late for its run is sent again to the conversation, under its own id: it begins a run or goes into one. */
async function becameOf(queries: Queries, run: RunRow, messageId: string): Promise<string | undefined> {
  const { rows } = await sql<{ id: string }>`
    select id from runs where conversation_id = ${run.conversation_id} and message_id = ${messageId}
    union all
    select run_id from inputs join runs on runs.id = run_id
    where conversation_id = ${run.conversation_id} and inputs.message_id = ${messageId}
      and inputs.kind = 'steer' and inputs.status <> 'refused'
    limit 1`.execute(queries);
  return rows[0]?.id;
}

/** What people sent that has not been applied or refused, and the run's subagents, as `lockRun` has them. */
export async function waitingInputs(queries: Queries, runId: string): Promise<{ kind: string }[]> {
  const { rows } = await sql<{ kind: string }>`
    select kind from inputs where run_id = ${runId} and status = 'accepted'
    union all
    select case when state = 'working' then 'child' else 'report' end from delegations
    where parent_id = ${runId} and (state = 'working' or (async and state = 'reported'))`.execute(queries);
  return rows;
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

/** Whether the model is to read it: what people said, and what a subagent has reported. */
export function isMessage({ kind }: { kind: string }): boolean {
  return isSaid({ kind }) || kind === 'report';
}

function isSaid({ kind }: { kind: string }): boolean {
  return kind === 'steer' || kind === 'settle';
}

/** Makes every steer and settlement among the waiting inputs a message of this step, in the order they came. */
export async function applyMessages(
  write: Write,
  run: RunRow,
  step: number,
  inputs: readonly WaitingInput[],
): Promise<number> {
  const waiting = inputs.filter(isSaid);
  if (waiting.length === 0) return 0;
  const ids = waiting.map((input) => input.id);
  // A retried attempt finds messages of its predecessor in this step: the new ones go behind them.
  const from = await nextPosition(write.tx, run.id, step);
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
  const applied = await write.tx
    .updateTable('inputs')
    .set({ status: 'applied', applied_step: step, applied_at: new Date() })
    .where('id', 'in', ids)
    .returning(['id', 'parts'])
    .execute();
  for (const { id, parts } of applied) {
    if (parts === null) continue;
    await setParts(
      write.tx,
      { runId: run.id, step, position: from + ids.indexOf(id) },
      parts as unknown as StoredPart[],
    );
  }
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
