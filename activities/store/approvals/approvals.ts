// Approvals: what a run waits for a person to answer. One row each, answered once, under the run's lock: by a person,
// by the deadline, or by the end of the run. What a decision means for its call is done with it.
import { type Selectable, sql } from 'kysely';
import { v7 as uuid } from 'uuid';
import type { LimitName } from '../../../workflows/contracts/allowance.ts';
import type { ApprovalKind, ApprovalStatus } from '../../../workflows/contracts/approval.ts';
import type { NewEvent } from '../../../workflows/contracts/event.ts';
import type { RunStatus } from '../../../workflows/contracts/run.ts';
import { addAudit, type NewAudit } from '../access/audit.ts';
import { type CallResult, type CallRow, closeCall, findCall } from '../calls/calls.ts';
import type { Queries } from '../db/database.ts';
import type { Write } from '../log/events.ts';
import { type RunRow, streamFor } from '../runs/runs.ts';
import type { Approvals } from '../db/tables.ts';

export type ApprovalRow = Selectable<Approvals>;

export interface NewApproval {
  kind: ApprovalKind;
  step: number;
  /** Absent for what is about the run and no call. */
  callId?: string;
  inputHash?: string;
  /** Of a question about money: the allowance that has too little, none for the run's own, and which limit of it. */
  about?: { allowanceId: string | null; limit: LimitName };
  text: string;
  choices?: string[];
  escalateAt: Date;
  deadlineAt: Date;
}

/** Asks, and has the run wait. The caller holds the run's lock and appends the events. */
export async function requestApprovals(
  write: Write,
  run: RunRow,
  asked: readonly NewApproval[],
): Promise<NewEvent[]> {
  if (asked.length === 0) return [];
  const rows = await write.tx
    .insertInto('approvals')
    .values(
      asked.map((approval) => ({
        id: uuid(),
        tenant_id: run.tenant_id,
        run_id: run.id,
        kind: approval.kind,
        step: approval.step,
        call_id: approval.callId ?? '',
        input_hash: approval.inputHash ?? '',
        allowance_id: approval.about?.allowanceId ?? null,
        limit_name: approval.about?.limit ?? null,
        text: approval.text,
        choices: JSON.stringify(approval.choices ?? []),
        escalate_at: approval.escalateAt,
        deadline_at: approval.deadlineAt,
      })),
    )
    .returningAll()
    .execute();
  await write.tx
    .updateTable('runs')
    .set({ status: 'awaiting_input', awaiting_since: new Date() })
    .where('id', '=', run.id)
    .where('awaiting_since', 'is', null)
    .execute();
  await addAudit(
    write,
    rows.map((row) => ({
      tenantId: run.tenant_id,
      actor: 'the agent',
      action: `approval-request/${row.kind}`,
      runId: run.id,
      callId: row.call_id || null,
      reason: row.text.slice(0, 500),
    })),
  );
  return rows.map((row) => ({
    type: 'approval-request',
    payload: {
      approvalId: row.id,
      kind: row.kind as ApprovalKind,
      callId: row.call_id || null,
      text: row.text.slice(0, 4000),
      choices: row.choices as string[],
      deadlineAt: row.deadline_at.toISOString(),
    },
  }));
}

export interface EditedCall {
  input: unknown;
  inputHash: string;
  subject: string;
  runs?: string | undefined;
  timeoutSeconds: number;
}

export interface ApprovalAnswer {
  status: Exclude<ApprovalStatus, 'open'>;
  by: string;
  note?: string;
  /** Of a call: what runs in place of what was asked for, already reviewed. */
  edited?: EditedCall;
  /** Of a question or of a caller's own tool: what the call answers. */
  result?: CallResult;
}

const words: Record<'denied' | 'expired' | 'withdrawn', (by: string) => string> = {
  denied: (by) => `Denied by ${by}`,
  expired: () => 'Denied: nobody answered in time',
  withdrawn: (by) => `Not made: ${by}`,
};

/**
 * Answers an open approval of a run whose lock the caller holds, and does what the answer means: a denied call has its
 * result, an edited one its new arguments, and the run goes on once nothing is open. Undefined when it had its answer.
 */
export async function answerApproval(
  write: Write,
  run: RunRow,
  approvalId: string,
  answer: ApprovalAnswer,
): Promise<ApprovalRow | undefined> {
  const approval = await write.tx
    .updateTable('approvals')
    .set({
      status: answer.status,
      decided_by: answer.by,
      decided_at: new Date(),
      note: answer.note ?? null,
      edited: answer.edited !== undefined,
      ...(answer.edited ? { input_hash: answer.edited.inputHash } : {}),
    })
    .where('id', '=', approvalId)
    .where('tenant_id', '=', run.tenant_id)
    .where('run_id', '=', run.id)
    .where('status', '=', 'open')
    .returningAll()
    .executeTakeFirst();
  if (!approval) return undefined;
  const events: NewEvent[] = [responseOf(approval)];
  const call = approval.call_id && (await findCall(write.tx, run.tenant_id, run.id, approval.call_id));
  if (call) events.push(...(await applyTo(write, run, call, answer)));
  await resume(write, run);
  write.append({ ...streamFor(run), events });
  await addAudit(write, [
    {
      ...auditOf(approval),
      rule: call ? call.rule : '',
      detail: answer.edited ? { input: answer.edited.input, inputHash: answer.edited.inputHash } : {},
    },
  ]);
  return approval;
}

function auditOf(approval: ApprovalRow): NewAudit {
  return {
    tenantId: approval.tenant_id,
    actor: approval.decided_by ?? '',
    action: `approval-${approval.status}/${approval.kind}`,
    runId: approval.run_id,
    callId: approval.call_id || null,
    reason: approval.note ?? '',
  };
}

export function responseOf(approval: ApprovalRow): NewEvent {
  return {
    type: 'approval-response',
    payload: {
      approvalId: approval.id,
      callId: approval.call_id || null,
      outcome: approval.status as Exclude<ApprovalStatus, 'open'>,
      by: approval.decided_by ?? '',
      note: approval.note,
      edited: approval.edited,
    },
  };
}

async function applyTo(
  write: Write,
  run: RunRow,
  call: CallRow,
  answer: ApprovalAnswer,
): Promise<NewEvent[]> {
  // What was asked for has its result already: the run is ending.
  if (call.status !== 'requested') return [];
  if (answer.result) return [await closeCall(write, run, call, answer.result)];
  if (answer.status !== 'approved') {
    const said = words[answer.status](answer.by);
    const output = answer.note === undefined ? `${said}.` : `${said}: ${answer.note}`;
    return [await closeCall(write, run, call, { status: 'denied', output, failed: true })];
  }
  const { edited } = answer;
  if (!edited) return [];
  await write.tx
    .updateTable('calls')
    .set({
      input: JSON.stringify(edited.input),
      input_hash: edited.inputHash,
      subject: edited.subject,
      runs: edited.runs ?? null,
      timeout_seconds: edited.timeoutSeconds,
    })
    .where('run_id', '=', run.id)
    .where('call_id', '=', call.call_id)
    .execute();
  return [];
}

/**
 * Once nothing is open the run goes on, or waits for subagents that a call was parked for meanwhile. Its deadline is as
 * far away as it was when it began to wait.
 */
async function resume(write: Write, run: RunRow): Promise<void> {
  const resumed = await write.tx
    .updateTable('runs')
    .set({
      status: sql<RunStatus>`case when exists (select from calls where run_id = runs.id and step = runs.steps
        and status = 'running' and decided ? 'delegates') then 'waiting_workers' else 'running' end`,
      deadline_at: sql<Date>`deadline_at + (clock_timestamp() - awaiting_since)`,
      awaiting_since: null,
    })
    .where('id', '=', run.id)
    .where('status', '=', 'awaiting_input')
    .where((eb) =>
      eb.not(
        eb.exists(
          eb.selectFrom('approvals').select('id').where('run_id', '=', run.id).where('status', '=', 'open'),
        ),
      ),
    )
    .returning('status')
    .executeTakeFirst();
  if (resumed) run.status = resumed.status;
}

/** The run has ended: no answer is needed any more. The caller holds its lock and appends the events. */
export async function withdrawApprovals(write: Write, run: RunRow, by: string): Promise<NewEvent[]> {
  const rows = await write.tx
    .updateTable('approvals')
    .set({ status: 'withdrawn', decided_by: by, decided_at: new Date() })
    .where('tenant_id', '=', run.tenant_id)
    .where('run_id', '=', run.id)
    .where('status', '=', 'open')
    .returningAll()
    .execute();
  await addAudit(write, rows.map(auditOf));
  return rows.map(responseOf);
}

export interface Attended {
  answered: { waits: string; allowed: boolean }[];
  open: number;
  dueMs: number | undefined;
}

/**
 * What has become of what a step asked, with every deadline that has passed kept and every escalation that is due
 * told of. The caller holds the run's lock.
 */
export async function attendApprovals(write: Write, run: RunRow, now = new Date()): Promise<Attended> {
  const rows = await approvalsOfStep(write.tx, run);
  const late = rows.filter((row) => row.status === 'open' && row.deadline_at <= now);
  for (const { id } of late) await answerApproval(write, run, id, { status: 'expired', by: 'the deadline' });
  const due = rows.filter(
    (row) => row.status === 'open' && !row.escalated && row.escalate_at <= now && !late.includes(row),
  );
  if (due.length > 0) {
    await write.tx
      .updateTable('approvals')
      .set({ escalated: true })
      .where(
        'id',
        'in',
        due.map(({ id }) => id),
      )
      .execute();
    write.append({
      ...streamFor(run),
      events: due.map((row) => ({
        type: 'approval-escalation',
        payload: {
          approvalId: row.id,
          callId: row.call_id || null,
          deadlineAt: row.deadline_at.toISOString(),
        },
      })),
    });
  }
  await write.tx
    .updateTable('approvals')
    .set({ delivered: true })
    .where('tenant_id', '=', run.tenant_id)
    .where('run_id', '=', run.id)
    .where('status', '<>', 'open')
    .where('delivered', '=', false)
    .execute();
  return attended(late.length > 0 || due.length > 0 ? await approvalsOfStep(write.tx, run) : rows, now);
}

/** Of the step that is under way, and of the one before it when that is not answered yet. */
async function approvalsOfStep(queries: Queries, run: RunRow): Promise<ApprovalRow[]> {
  return queries
    .selectFrom('approvals')
    .selectAll()
    .where('tenant_id', '=', run.tenant_id)
    .where('run_id', '=', run.id)
    .where('step', '>=', run.steps)
    .orderBy('id')
    .execute();
}

function attended(rows: readonly ApprovalRow[], now: Date): Attended {
  const open = rows.filter(({ status }) => status === 'open');
  const dues = open.map((row) => Number(row.escalated ? row.deadline_at : row.escalate_at) - Number(now));
  return {
    answered: rows
      .filter(({ status }) => status !== 'open')
      .map((row) => ({
        waits: row.call_id || `limit/${row.id}`,
        // A call that has its result needs no making.
        allowed: row.status === 'approved' && (row.kind === 'call' || row.kind === 'limit'),
      })),
    open: open.length,
    // A second late at most, and never a look for each millisecond before it.
    dueMs: dues.length === 0 ? undefined : Math.max(1000, Math.min(...dues)),
  };
}
