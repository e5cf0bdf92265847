// Calls: each from its request over its claim to its one result. The store never lets a claimed call without a result
// act again; the attempt that finds one decides (probe, unknown, or a re-run where that is safe).
import { type RawBuilder, type Selectable, sql } from 'kysely';
import {
  type CallStatus,
  type CallView,
  type NetworkContact,
  otherText,
} from '../../../workflows/contracts/call.ts';
import type { NewEvent } from '../../../workflows/contracts/event.ts';
import { type AttemptRef, beginAttempt, endAttempt, ending, type NewAttempt } from '../runs/attempts.ts';
import { addAudit } from '../access/audit.ts';
import type { Db, Queries } from '../db/database.ts';
import { toldOf, useApproval } from './approval-use.ts';
import { Superseded, type Write } from '../log/events.ts';
import { type LockedRun, requireRun, type RunRow, streamFor } from '../runs/runs.ts';
import { rewoundIn } from '../runs/rewinds.ts';
import { stopAmong } from '../runs/inputs.ts';
import { progressOf } from '../runs/stall.ts';
import type { CallDecision } from './call-decision.ts';
import { toStorable } from '../../../workflows/contracts/storable.ts';
import type { Calls } from '../db/tables.ts';

export type CallRow = Selectable<Calls>;

export interface CallResult {
  status: Extract<CallStatus, 'succeeded' | 'failed' | 'denied' | 'stopped' | 'unknown'>;
  /** What the model reads; already cut to size. */
  output: string;
  /** Size of the whole output in bytes, when it was cut. */
  bytes?: number;
  contentKey?: string;
  failed: boolean;
}

export type Claim =
  /** There is a result already: return it. */
  | { kind: 'recorded'; call: CallRow }
  /** The run was stopped before this call acted. */
  | { kind: 'stopped' }
  /** Act. `predecessor`: earlier attempts claimed it and left no result; `lost` of them died. */
  | {
      kind: 'claimed';
      run: LockedRun;
      call: CallRow;
      ref: AttemptRef;
      predecessor: { intent: unknown; lost: number } | undefined;
    };

/** Opens the attempt and claims the call in one transaction. */
export async function claimCall(
  write: Write,
  input: { tenantId: string; callId: string; attempt: NewAttempt },
): Promise<Claim> {
  const { run, call } = await lockCall(write, input.tenantId, input.attempt.runId, input.callId);
  if (call.status !== 'requested' && call.status !== 'running') return { kind: 'recorded', call };
  if (call.status === 'requested' && stopAmong(run.waiting) !== 'none') return { kind: 'stopped' };
  // No main run begins, nor is one rewound, while another of its conversation is; a subagent may outlive its main run.
  if (run.rewind_id !== null || (run.kind === 'subagent' && (await rewoundIn(write.tx, run.conversation_id))))
    throw new Error("The run's project is being rewound; the call is made when that is done.");
  const startedAt = call.started_at ?? new Date();
  const claiming = (attempts: number) =>
    sql`update calls set status = 'running', claimed_attempt = newest.attempt, attempts = ${attempts},
      started_at = ${startedAt} from newest where run_id = ${run.id} and call_id = ${call.call_id}`;
  // What is asked about is claimed once its approval is used.
  const asks = call.decision === 'ask';
  const { ref, earlier, lost } = await beginAttempt(
    write,
    run,
    input.attempt,
    asks ? undefined : claiming(call.attempts + 1),
  );
  if (asks && !(await useApproval(write, call, ref.attempt))) {
    await endAttempt(write, run, ref, 'denied');
    const event = await closeCall(write, run, call, {
      status: 'denied',
      output: 'Not made: nobody has allowed exactly these arguments.',
      failed: true,
    });
    write.append({ ...streamFor(run), events: [event] });
    return { kind: 'recorded', call: { ...call, status: 'denied' } };
  }
  if (asks)
    await sql`with newest as (select ${ref.attempt}::integer as attempt) ${claiming(earlier + 1)}`.execute(
      write.tx,
    );
  const claimed = {
    ...call,
    status: 'running',
    claimed_attempt: ref.attempt,
    attempts: earlier + 1,
    started_at: startedAt,
  };
  write.append({
    ...streamFor(run),
    events: [{ type: 'call-start', payload: { callId: call.call_id, tool: call.tool } }],
    fence: ref,
  });
  const predecessor = earlier > 0 ? { intent: call.intent, lost } : undefined;
  return { kind: 'claimed', run, call: claimed, ref, predecessor };
}

/** Notes with the claim what the tool is about to do; before it does it. Throws Superseded: then it must not. */
export async function noteIntent(db: Db, call: CallRow, intent: Record<string, string>): Promise<void> {
  const noted = await db
    .updateTable('calls')
    .set({ intent: JSON.stringify(intent) })
    .where('run_id', '=', call.run_id)
    .where('call_id', '=', call.call_id)
    .where('claimed_attempt', '=', call.claimed_attempt)
    .where('status', '=', 'running')
    .executeTakeFirst();
  if (noted.numUpdatedRows !== 1n) throw new Superseded(`call ${call.call_id} is no longer this attempt's`);
}

/** Keeps what its command has reached so far. Another attempt's are left as they are. */
export async function keepNetwork(db: Db, call: CallRow, contacts: readonly NetworkContact[]): Promise<void> {
  await db
    .updateTable('calls')
    .set({ network: JSON.stringify(contacts) })
    .where('tenant_id', '=', call.tenant_id)
    .where('run_id', '=', call.run_id)
    .where('call_id', '=', call.call_id)
    .where('claimed_attempt', '=', call.claimed_attempt)
    .execute();
}

/** Stores the one result. Throws Superseded when another attempt has taken over. */
export async function recordCall(
  write: Write,
  input: {
    tenantId: string;
    attempt: AttemptRef;
    call: Pick<CallRow, 'call_id'>;
    result: CallResult;
  },
): Promise<void> {
  const { attempt, result } = input;
  const { run, call } = await lockCall(write, input.tenantId, attempt.runId, input.call.call_id);
  // The answer to an earlier COMMIT of this very attempt may have been lost.
  if (call.claimed_attempt === attempt.attempt && call.status === result.status) return;
  const event = await closeCall(write, run, call, result, ending(write, run, attempt, result.status));
  write.append({ ...streamFor(run), events: [event] });
  if (result.status !== 'denied') return;
  await addAudit(write, [
    {
      tenantId: run.tenant_id,
      actor: `policy ${run.policy}`,
      action: 'call-deny',
      runId: run.id,
      callId: call.call_id,
      rule: 'the real path, looked at when it was used',
      reason: toStorable(result.output.slice(0, 500)),
    },
  ]);
}

/** What of a call its end needs to know. */
type ClosedCall = Pick<
  CallRow,
  | 'tenant_id'
  | 'run_id'
  | 'call_id'
  | 'step'
  | 'index'
  | 'tool'
  | 'effect'
  | 'progress'
  | 'input'
  | 'input_hash'
  | 'decision'
  | 'decided'
>;

/**
 * Closes a call whose run's lock the caller holds, with its tool message; the caller appends the event. `ended`: what
 * ends the attempt that made it.
 */
export async function closeCall(
  write: Write,
  run: RunRow,
  call: ClosedCall,
  given: CallResult,
  ended?: RawBuilder<Record<string, unknown>>,
): Promise<NewEvent> {
  const result = { ...given, output: toStorable(given.output) };
  const bytes = result.bytes ?? Buffer.byteLength(result.output);
  const progress = progressOf(run, call, result);
  // Several calls may close in one transaction.
  Object.assign(run, progress);
  const told = { ...result, output: toStorable(await toldOf(write, call, result.output)) };
  const counted = progress
    ? write.tx.with('counted', (db) => db.updateTable('runs').set(progress).where('id', '=', run.id))
    : write.tx;
  await (ended ? counted.with('ended', () => ended) : counted)
    .with('told', (db) => db.insertInto('messages').values(toolMessage(run, call, told)))
    .updateTable('calls')
    .set({
      status: result.status,
      output: result.output,
      output_bytes: bytes,
      content_key: result.contentKey ?? null,
      ended_at: new Date(),
    })
    .where('run_id', '=', run.id)
    .where('call_id', '=', call.call_id)
    .execute();
  return {
    type: 'call-end',
    payload: {
      callId: call.call_id,
      tool: call.tool,
      status: result.status,
      output: result.output.slice(0, 2000),
      bytes,
      content: result.contentKey ?? null,
    },
  };
}

export function toolMessage(
  run: { id: string; tenant_id: string },
  call: { call_id: string; step: number; index: number },
  result: { output: string; failed: boolean },
) {
  return {
    run_id: run.id,
    tenant_id: run.tenant_id,
    step: call.step,
    phase: 2,
    position: call.index,
    role: 'tool',
    text: result.output,
    call_id: call.call_id,
    failed: result.failed,
  };
}

/** The call, read once its run's lock is there. */
export async function lockCall(
  { tx }: Write,
  tenantId: string,
  runId: string,
  callId: string,
): Promise<{ run: LockedRun; call: CallRow }> {
  const { rows } = await sql<LockedRun & { call: CallRow | null }>`
    select (locked.run).*, locked.waiting, locked.fences, locked.call from lock_call(${tenantId}, ${runId}, ${callId}) locked`.execute(
    tx,
  );
  const { call, ...run } = requireRun(rows[0], runId);
  if (!call) throw new Error(`Run ${runId} has no call ${callId}.`);
  // As JSON has them, times are texts.
  const time = (value: Date | null): Date | null => value && new Date(value);
  const [started_at, ended_at] = [time(call.started_at), time(call.ended_at)];
  return { run, call: { ...call, created_at: new Date(call.created_at), started_at, ended_at } };
}

export async function findCall(
  queries: Queries,
  tenantId: string,
  runId: string,
  callId: string,
): Promise<CallRow | undefined> {
  return selectCall(queries, tenantId, runId, callId).executeTakeFirst();
}

function selectCall(queries: Queries, tenantId: string, runId: string, callId: string) {
  return queries
    .selectFrom('calls')
    .selectAll()
    .where('run_id', '=', runId)
    .where('call_id', '=', callId)
    .where('tenant_id', '=', tenantId);
}

export interface CallList {
  tenantId: string;
  runId: string;
  limit: number;
  /** The step and index of the last call of the page before. */
  after?: { step: number; index: number };
}

export async function listCalls(db: Db, list: CallList): Promise<CallRow[]> {
  const { after } = list;
  let query = db
    .selectFrom('calls')
    .selectAll()
    .where('run_id', '=', list.runId)
    .where('tenant_id', '=', list.tenantId)
    .orderBy('step')
    .orderBy('index')
    .limit(list.limit);
  if (after) {
    query = query.where((eb) =>
      eb.or([
        eb('step', '>', after.step),
        eb.and([eb('step', '=', after.step), eb('index', '>', after.index)]),
      ]),
    );
  }
  return query.execute();
}

export function toCallView(row: CallRow): CallView {
  return {
    runId: row.run_id,
    callId: row.call_id,
    step: row.step,
    tool: row.tool,
    input: row.input,
    repairs: (row.decided as Partial<CallDecision>).repairs ?? [],
    effect: row.effect as CallView['effect'],
    subject: row.subject,
    runs: otherText(row.subject, row.runs),
    repeat: row.repeat as CallView['repeat'],
    decision: row.decision as CallView['decision'],
    rule: row.rule,
    reason: row.reason,
    status: row.status as CallView['status'],
    output: row.output,
    outputBytes: row.output_bytes,
    content: row.content_key,
    network: (row.network ?? []) as CallView['network'],
    attempts: row.attempts,
    settled: row.settled as CallView['settled'],
    settledBy: row.settled_by,
    startedAt: row.started_at?.toISOString() ?? null,
    endedAt: row.ended_at?.toISOString() ?? null,
  };
}
