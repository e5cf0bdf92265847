// The calls of an answer as they are stored: each reviewed, with what was decided about it and why.
import type { ApprovalKind } from '../../../workflows/contracts/approval.ts';
import { otherText } from '../../../workflows/contracts/call.ts';
import type { CallDecision } from './call-decision.ts';
import { type NewAudit, toAuditRow } from '../access/audit.ts';
import { type CallRow, toolMessage } from './calls.ts';
import type { RunRow } from '../runs/runs.ts';
import { toStorable } from '../../../workflows/contracts/storable.ts';
import type { DB } from '../db/tables.ts';
import type { QueryCreator } from 'kysely';

export interface ReviewedCall {
  callId: string;
  index: number;
  providerCallId: string;
  tool: string;
  /** As the model wrote it when it cannot be parsed, else the parsed arguments. */
  input: unknown;
  inputText: string;
  inputHash: string;
  effect: string | null;
  subject: string;
  /** What runs in place of the subject, where a rule about commands or silence has allowed it. */
  runs?: string | undefined;
  repeat: string | null;
  /** What its tool says of itself: a success ends the run, or is progress whatever the effect. */
  endsRun?: boolean | undefined;
  progress?: boolean | undefined;
  decision: 'allow' | 'ask' | 'deny';
  /** What it was decided on, and by which rule of which profile: enough to decide it again without a disk. */
  decided: Partial<CallDecision>;
  rule: string;
  reason: string;
  timeoutSeconds: number;
  /** What a person is to answer before it is made, or in its place. */
  asks?: { kind: ApprovalKind; text: string; choices: string[] } | undefined;
  /** Why it will not be made at all: no such tool, arguments that do not fit, denied. */
  refusal: { status: 'failed' | 'denied'; output: string } | undefined;
}

/** What the model is told of the calls of a step's answer that are not made. */
export function refusalMessages(
  run: RunRow,
  { step, calls }: { step: number; calls: readonly ReviewedCall[] },
) {
  return calls.flatMap(({ callId, index, refusal }) =>
    refusal
      ? [toolMessage(run, { call_id: callId, step, index }, { output: refusal.output, failed: true })]
      : [],
  );
}

/** The calls of a step's answer, each with its decision in the audit: the end of the statement that stores it. */
export async function insertCalls(
  queries: QueryCreator<DB>,
  run: RunRow,
  answer: { step: number; calls: readonly ReviewedCall[] },
): Promise<CallRow[]> {
  if (answer.calls.length === 0) {
    await queries.selectNoFrom(({ val }) => val(1).as('stored')).execute();
    return [];
  }
  return queries
    .with('decided', (db) =>
      db.insertInto('audit').values(answer.calls.map((call) => toAuditRow(toDecision(run, call)))),
    )
    .insertInto('calls')
    .values(
      answer.calls.map((call) => ({
        run_id: run.id,
        call_id: call.callId,
        tenant_id: run.tenant_id,
        step: answer.step,
        index: call.index,
        provider_call_id: call.providerCallId,
        tool: call.tool,
        input: JSON.stringify(call.input),
        input_hash: call.inputHash,
        effect: call.effect,
        subject: call.subject,
        runs: call.runs ?? null,
        repeat: call.repeat,
        ends_run: call.endsRun ?? false,
        progress: call.progress ?? null,
        decision: call.decision,
        decided: JSON.stringify(call.decided),
        rule: call.rule,
        reason: call.reason,
        timeout_seconds: call.timeoutSeconds,
        status: call.refusal?.status ?? 'requested',
        output: call.refusal?.output ?? null,
        output_bytes: call.refusal ? Buffer.byteLength(call.refusal.output) : null,
        ended_at: call.refusal ? new Date() : null,
      })),
    )
    .returningAll()
    .execute();
}

// Enough to recognise the call by; the call itself is a row.
const auditedSubject = 500;

/** Who decided about a call, by which rule and why, whatever became of the call. */
function toDecision(run: RunRow, call: ReviewedCall): NewAudit {
  const { scope, profileId, profileVersion, ruleIndex, original } = call.decided;
  const runs = otherText(call.subject, call.runs);
  return {
    tenantId: run.tenant_id,
    actor: profileId === undefined ? 'Perdure' : `policy ${profileId}`,
    action: `call-${call.decision}`,
    runId: run.id,
    callId: call.callId,
    rule: call.rule,
    reason: call.reason,
    detail: {
      tool: call.tool,
      effect: call.effect,
      subject: toStorable(call.subject.slice(0, auditedSubject)),
      ...(runs !== null && { runs: toStorable(runs.slice(0, auditedSubject)) }),
      ...{ scope, profileVersion, ruleIndex, original },
    },
  };
}
