// Answering an approval: whether it comes in time, what runs instead, what is remembered of it. The first answer decides;
// every other is told whose it was.
import { z } from 'zod';
import {
  findApproval,
  listApprovals,
  remembersText,
  toApprovalView,
} from '../../activities/store/approvals/approval-lists.ts';
import {
  type ApprovalAnswer,
  type ApprovalRow,
  answerApproval,
  type EditedCall,
} from '../../activities/store/approvals/approvals.ts';
import { allowMore } from '../../activities/store/approvals/money-questions.ts';
import { argumentsHash } from '../../activities/store/calls/arguments-hash.ts';
import { findCall } from '../../activities/store/calls/calls.ts';
import type { Write } from '../../activities/store/log/events.ts';
import { placeOfProject, rememberAnswer } from '../../activities/store/policies/policy-scopes.ts';
import { lockRun, type RunRow } from '../../activities/store/runs/runs.ts';
import type { ApprovalView, ApproveBody, DenyBody } from '../../workflows/contracts/approval.ts';
import { Failure, found } from '../../workflows/contracts/failures.ts';
import { text } from '../../workflows/contracts/fields.ts';
import { refuseLate, toResult } from './bring-results.ts';
import { actorOf, type Caller, type Outcome, type Verb, type VerbParts } from './verb.ts';

type Approve = NonNullable<ApproveBody> & { approvalId: string };
type Deny = NonNullable<DenyBody> & { approvalId: string };
type Answer = Omit<ApprovalAnswer, 'by'>;

export const approve: Verb<Approve, ApprovalView> = (parts, write, caller, input) =>
  decide(parts, write, caller, input.approvalId, async (run, approval) => {
    const answer = await approved(parts, write, run, approval, { ...input, by: actorOf(caller).by });
    const { remember } = input;
    if (remember) await rememberIt(parts, write, caller, { run, approval, remember, edited: answer.edited });
    return answer;
  });

export const deny: Verb<Deny, ApprovalView> = (parts, write, caller, { approvalId, note }) =>
  decide(parts, write, caller, approvalId, async () => ({ status: 'denied', ...noteOf(parts, note) }));

async function decide(
  parts: VerbParts,
  write: Write,
  caller: Caller,
  approvalId: string,
  answerOf: (run: RunRow, approval: ApprovalRow) => Promise<Answer>,
): Promise<Outcome<ApprovalView>> {
  const { tenantId, by } = actorOf(caller);
  const what = `approval ${approvalId}`;
  const known = found(await findApproval(write.tx, tenantId, approvalId), what);
  const run = found(await lockRun(write, tenantId, known.run_id), `run ${known.run_id}`);
  // Asked again under the run's lock: another answer may have come while this one waited for it.
  const approval = found(await findApproval(write.tx, tenantId, approvalId), what);
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
  return { body: toApprovalView(found(row, what)), after: () => parts.runs.wake(run.id) };
}

function alreadyDecided(approval: ApprovalRow): Failure {
  const { id, decided_by: decidedBy, decided_at: at, status } = approval;
  const detail = `Approval ${id} was ${status} by ${decidedBy} at ${at?.toISOString()}.`;
  return new Failure('ApprovalDecided', detail, { outcome: status, decidedBy });
}

function noteOf(parts: VerbParts, note: string | undefined): { note?: string } {
  return note === undefined ? {} : { note: parts.redact(note) };
}

// Long enough for a piece of work, short enough that next year no old permission is a surprise.
const rememberedDays = 30;

interface Remembering {
  run: RunRow;
  approval: ApprovalRow;
  remember: NonNullable<Approve['remember']>;
  /** Changed arguments, if any: those are what is allowed. */
  edited: EditedCall | undefined;
}

async function rememberIt(
  parts: VerbParts,
  write: Write,
  caller: Caller,
  { run, approval, remember: { scope, days = rememberedDays }, edited }: Remembering,
): Promise<void> {
  const list = { tenantId: run.tenant_id, limit: 1, id: approval.id };
  const [listed] = await listApprovals(write.tx, list);
  const asked = listed && { ...listed, ...edited };
  const allows = asked ? remembersText(asked) : null;
  if (!asked?.tool || allows === null)
    throw new Failure('NotRunnable', 'This cannot be remembered; approve it without.');
  const place = scope === 'project' ? await placeOfProject(parts, run.project_path) : '';
  if (place === null)
    throw new Failure('NotRunnable', 'The run has no project; remember it for the run or everywhere.');
  const key = scope === 'run' ? run.id : place;
  const expiresAt = new Date(Date.now() + days * 86_400_000);
  const { tool, input } = asked;
  const answer = { scope, key, tool, inputHash: argumentsHash(input), allows, expiresAt };
  await rememberAnswer(write, answer, actorOf(caller));
}

const QuestionInput = z.strictObject({ answer: text });

async function approved(
  parts: VerbParts,
  write: Write,
  run: RunRow,
  approval: ApprovalRow,
  { input, note, by }: Approve & { by: string },
): Promise<Answer> {
  const answer = { status: 'approved' as const, ...noteOf(parts, note) };
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
  const given = redacted(parts, input);
  // A client that sends back the arguments it was shown has edited nothing.
  if (argumentsHash(given) === argumentsHash(call.input)) return answer;
  return { ...answer, edited: await parts.reviewEdit(write.tx, run, call, given) };
}

/** Before anything is hashed, stored or run, as with what a model writes. */
function redacted(parts: VerbParts, input: unknown): unknown {
  const hidden = parts.redact(JSON.stringify(input));
  try {
    return JSON.parse(hidden);
  } catch {
    throw new Failure('InvalidInput', 'input: a number in it is a known secret; leave it out.');
  }
}
