// What a step has come to, as the workflow sees it.
import type { CallModelResult, PlannedCall } from '../../workflows/contracts/activities.ts';
import type { RunStatus } from '../../workflows/contracts/run.ts';
import { isTerminal } from '../../workflows/run/transitions.ts';
import type { CallRow } from '../store/calls/calls.ts';
import type { RunRow } from '../store/runs/runs.ts';

/** A step whose answer is stored. */
export interface StoredStep {
  run: RunRow;
  calls: CallRow[];
}

export function toStepResult({ run, calls }: StoredStep): CallModelResult {
  const status = run.status as RunStatus;
  if (calls.length === 0) return { kind: 'answer', ...(isTerminal(status) ? { ended: status } : {}) };
  const open = calls.filter((call) => call.status === 'requested' || call.status === 'running');
  const finish = calls.some((call) => call.ends_run && call.decision === 'allow' && call.status !== 'failed');
  return { kind: 'calls', finish, calls: open.map(toPlannedCall) };
}

export function toPlannedCall(call: CallRow): PlannedCall {
  return {
    callId: call.call_id,
    tool: call.tool,
    // What Temporal's UI can show of a summary.
    summary: `${call.tool} ${call.runs ?? call.subject}`.slice(0, 100),
    decision: call.decision as PlannedCall['decision'],
    rule: call.rule.slice(0, 100),
    timeoutSeconds: call.timeout_seconds,
  };
}
