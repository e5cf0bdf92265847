// What an answer to an approval means: whether it comes in time, what runs instead, what is remembered of it.
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import {
  findApproval,
  listApprovals,
  rememberedDays,
  rememberedRule,
  toApprovalView,
} from '../../activities/store/approvals/approval-lists.ts';
import {
  type ApprovalAnswer,
  type ApprovalRow,
  answerApproval,
  type EditedCall,
} from '../../activities/store/approvals/approvals.ts';
import { allowMore } from '../../activities/store/approvals/money-questions.ts';
import { type CallResult, findCall } from '../../activities/store/calls/calls.ts';
import { cutOutput } from '../../activities/store/calls/cut-output.ts';
import type { Write } from '../../activities/store/log/events.ts';
import { rememberAnswer } from '../../activities/store/policies/policy-scopes.ts';
import { lockRun, type RunRow } from '../../activities/store/runs/runs.ts';
import type { ApproveBody, DenyBody } from '../../workflows/contracts/approval.ts';
import { Failure } from '../../workflows/contracts/failures.ts';
import { text } from '../../workflows/contracts/fields.ts';
import type { Parts } from '../parts.ts';
import type { Outcome } from '../plugins/idempotency.ts';
import { policyPlaceOf } from './accepting.ts';

const QuestionInput = z.strictObject({ answer: text });

type Answer = Omit<ApprovalAnswer, 'by'>;

export function approve(
  parts: Parts,
  write: Write,
  request: FastifyRequest,
  body: ApproveBody,
): Promise<Outcome> {
  return decide(parts, write, request, async (run, approval) => {
    const answer = await approved(parts, write, run, approval, { body, by: request.caller.by });
    if (body?.remember) {
      const { remember } = body;
      await rememberIt(parts, write, request, { run, approval, remember, edited: answer.edited });
    }
    return answer;
  });
}

export function deny(parts: Parts, write: Write, request: FastifyRequest, body: DenyBody): Promise<Outcome> {
  return decide(parts, write, request, async () => ({ status: 'denied', ...noteOf(parts, body) }));
}

export async function lockedRun(write: Write, request: FastifyRequest, runId: string): Promise<RunRow> {
  const run = await lockRun(write, request.caller.tenantId, runId);
  if (!run) throw new Failure('NotFound', `There is no run ${runId}.`);
  return run;
}

/** Whoever answers after the deadline comes too late, whether or not anybody has looked at the clock before. */
export function refuseLate(approval: ApprovalRow): void {
  if (approval.deadline_at > new Date()) return;
  throw new Failure('ApprovalDecided', `Nobody answered until ${approval.deadline_at.toISOString()}.`, {
    outcome: 'expired',
    decidedBy: 'the deadline',
  });
}

/** What a person or a caller's own tool said, as the result of the call. */
export async function toResult(
  parts: Parts,
  write: Write,
  tenantId: string,
  { said, failed }: { said: string; failed: boolean },
): Promise<CallResult> {
  const cut = await cutOutput(parts.redact(said), (mediaType, bytes) =>
    parts.keepContent(write.tx, tenantId, mediaType, bytes),
  );
  return { status: failed ? 'failed' : 'succeeded', ...cut, failed };
}

async function decide(
  parts: Parts,
  write: Write,
  request: FastifyRequest,
  answerOf: (run: RunRow, approval: ApprovalRow) => Promise<Answer>,
): Promise<Outcome> {
  const { tenantId, by } = request.caller;
  const { id: approvalId } = request.params as { id: string };
  const known = await findApproval(write.tx, tenantId, approvalId);
  if (!known) throw new Failure('NotFound', `There is no approval ${approvalId}.`);
  const run = await lockedRun(write, request, known.run_id);
  // Asked again under the run's lock: somebody may have answered while we waited for it.
  const approval = (await findApproval(write.tx, tenantId, approvalId)) ?? known;
  if (approval.status !== 'open') throw alreadyDecided(approval);
  refuseLate(approval);
  if (approval.kind === 'result') {
    throw new Failure(
      'NotRunnable',
      `Call ${approval.call_id} waits for the result of your own tool: POST /runs/${run.id}/results.`,
    );
  }
  await answerApproval(write, run, approvalId, { ...(await answerOf(run, approval)), by });
  const [row] = await listApprovals(write.tx, { tenantId, limit: 1, id: approvalId });
  return {
    status: 200,
    body: row && toApprovalView(row),
    after: () => parts.runs.wake(run.id),
  };
}

function alreadyDecided(approval: ApprovalRow): Failure {
  const { decided_by: decidedBy, decided_at: at, status } = approval;
  return new Failure('ApprovalDecided', `It was ${status} by ${decidedBy} at ${at?.toISOString()}.`, {
    outcome: status,
    decidedBy,
  });
}

function noteOf(parts: Parts, body: { note?: string | undefined } | null | undefined): { note?: string } {
  return body?.note === undefined ? {} : { note: parts.redact(body.note) };
}

interface Remembering {
  run: RunRow;
  approval: ApprovalRow;
  remember: NonNullable<NonNullable<ApproveBody>['remember']>;
  /** Other arguments that were given: those are what is allowed. */
  edited: EditedCall | undefined;
}

async function rememberIt(
  parts: Parts,
  write: Write,
  request: FastifyRequest,
  { run, approval, remember: { scope, days = rememberedDays }, edited }: Remembering,
): Promise<void> {
  const { tenantId, by } = request.caller;
  const [listed] = await listApprovals(write.tx, { tenantId, limit: 1, id: approval.id });
  const asked = listed && { ...listed, subject: edited?.subject ?? listed.subject };
  const rule = asked && approval.kind === 'call' ? rememberedRule(asked, days) : null;
  if (!rule) throw new Failure('NotRunnable', 'This cannot be remembered as a rule; approve it without.');
  const place = scope === 'project' ? await policyPlaceOf(parts, run.project_path) : '';
  if (place === null)
    throw new Failure('NotRunnable', 'The run has no project; remember it for the run or everywhere.');
  const key = scope === 'run' ? run.id : place;
  const expiresAt = new Date(rule.expiresAt ?? 0);
  await rememberAnswer(write, { scope, key, rule, expiresAt }, { tenantId, by });
}

async function approved(
  parts: Parts,
  write: Write,
  run: RunRow,
  approval: ApprovalRow,
  { body, by }: { body: ApproveBody; by: string },
): Promise<Answer> {
  const answer = { status: 'approved' as const, ...noteOf(parts, body) };
  const input = body?.input;
  if (approval.kind === 'question') {
    const said = QuestionInput.safeParse(input);
    if (!said.success) {
      throw new Failure('InvalidInput', 'A question is answered with {"input": {"answer": "…"}}.');
    }
    const result = await toResult(parts, write, run.tenant_id, { said: said.data.answer, failed: false });
    return { ...answer, result };
  }
  if (approval.kind === 'limit') {
    await allowMore(write, run, approval, { input, by, note: answer.note });
    return answer;
  }
  if (input === undefined) return answer;
  const call = await findCall(write.tx, run.tenant_id, run.id, approval.call_id);
  if (!call) throw new Failure('InvalidInput', 'This approval is about no call: it takes no input.');
  return { ...answer, edited: await parts.reviewEdit(write.tx, run, call, redacted(parts, input)) };
}

/** Before anything is hashed, stored or run, as with what a model writes. */
function redacted(parts: Parts, input: unknown): unknown {
  const hidden = parts.redact(JSON.stringify(input));
  try {
    return JSON.parse(hidden);
  } catch {
    throw new Failure('InvalidInput', 'input: a number in it is a known secret; leave it out.');
  }
}
