// Reading approvals: those of a run, those of all runs, and the view people decide on.
import type { LimitName } from '../../../workflows/contracts/allowance.ts';
import type { ApprovalKind, ApprovalStatus, ApprovalView } from '../../../workflows/contracts/approval.ts';
import { otherText } from '../../../workflows/contracts/call.ts';
import { writtenOut } from '../../../workflows/contracts/hidden-characters.ts';
import type { CallDecision } from '../calls/call-decision.ts';
import type { ApprovalRow } from './approvals.ts';
import type { Queries } from '../db/database.ts';

/** What people can answer in words, oldest first: everything but a question of money. */
export async function openApprovals(
  queries: Queries,
  run: { id: string; tenant_id: string },
): Promise<ApprovalRow[]> {
  return queries
    .selectFrom('approvals')
    .selectAll()
    .where('tenant_id', '=', run.tenant_id)
    .where('run_id', '=', run.id)
    .where('status', '=', 'open')
    .where('kind', '<>', 'limit')
    .orderBy('id')
    .execute();
}

export async function findApproval(
  queries: Queries,
  tenantId: string,
  id: string,
): Promise<ApprovalRow | undefined> {
  return queries
    .selectFrom('approvals')
    .selectAll()
    .where('id', '=', id)
    .where('tenant_id', '=', tenantId)
    .executeTakeFirst();
}

export interface ApprovalList {
  tenantId: string;
  limit: number;
  /** Of the last approval of the page before. */
  before?: string;
  id?: string;
  runId?: string;
  status?: ApprovalStatus;
}

type ListedApproval = ApprovalRow & {
  tool: string | null;
  effect: string | null;
  subject: string | null;
  runs: string | null;
  input: unknown;
  rule: string | null;
  reason: string | null;
  decided: unknown;
  allowance_name: string | null;
};

/** Newest first, each with the call it is about. */
export async function listApprovals(db: Queries, list: ApprovalList): Promise<ListedApproval[]> {
  let query = db
    .selectFrom('approvals')
    .leftJoin('calls', (join) =>
      join.onRef('calls.run_id', '=', 'approvals.run_id').onRef('calls.call_id', '=', 'approvals.call_id'),
    )
    .leftJoin('allowances', 'allowances.id', 'approvals.allowance_id')
    .selectAll('approvals')
    .select([
      'allowances.name as allowance_name',
      'calls.tool',
      'calls.effect',
      'calls.subject',
      'calls.runs',
      'calls.input',
      'calls.rule',
      'calls.reason',
      'calls.decided',
    ])
    .where('approvals.tenant_id', '=', list.tenantId)
    .orderBy('approvals.id', 'desc')
    .limit(list.limit);
  if (list.before) query = query.where('approvals.id', '<', list.before);
  if (list.id) query = query.where('approvals.id', '=', list.id);
  if (list.runId) query = query.where('approvals.run_id', '=', list.runId);
  if (list.status) query = query.where('approvals.status', '=', list.status);
  return query.execute();
}

export function toApprovalView(row: ListedApproval): ApprovalView {
  const runs = otherText(row.subject ?? '', row.runs);
  return {
    id: row.id,
    runId: row.run_id,
    kind: row.kind as ApprovalKind,
    callId: row.call_id || null,
    tool: row.tool,
    effect: row.effect as ApprovalView['effect'],
    subject: row.subject === null ? null : writtenOut(row.subject),
    runs: runs === null ? null : writtenOut(runs),
    input: row.input,
    // An edit takes the place of what was repaired.
    repairs: row.edited ? [] : ((row.decided as Partial<CallDecision> | null)?.repairs ?? []).map(writtenOut),
    inputHash: row.kind === 'limit' ? `${row.allowance_id ?? 'run'}/${row.limit_name}` : row.input_hash,
    text: writtenOut(row.text),
    choices: (row.choices as string[]).map(writtenOut),
    limit:
      row.limit_name === null ? null : { name: row.limit_name as LimitName, allowance: row.allowance_name },
    rule: row.rule,
    reason: row.reason,
    status: row.status as ApprovalStatus,
    createdAt: row.created_at.toISOString(),
    escalateAt: row.escalate_at.toISOString(),
    deadlineAt: row.deadline_at.toISOString(),
    decidedBy: row.decided_by,
    decidedAt: row.decided_at?.toISOString() ?? null,
    note: row.note,
    edited: row.edited,
    remembers: remembersText(row),
  };
}

// Fits half a screen; all that is left out counts as well.
const mostShown = 500;

/** What `remember` would allow, in words. Null where something hides in the arguments: it cannot have been seen. */
export function remembersText({ kind, tool, subject, input }: ListedApproval): string | null {
  if (kind !== 'call' || tool === null || subject === null) return null;
  const json = JSON.stringify(input);
  if (writtenOut(subject) !== subject || writtenOut(json) !== json) return null;
  const [shown, rest] = [json.slice(0, mostShown).toWellFormed(), json.length - mostShown];
  const more = rest > 0 ? ` … and the other ${rest} characters as they were shown` : '';
  return `the tool ${tool} with exactly these arguments and no others: ${shown}${more}`;
}
