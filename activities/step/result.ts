// What a step has come to, as the workflow sees it.
import type { CallModelResult, Doubt, PlannedCall } from '../../workflows/contracts/activities.ts';
import type { CallOrder } from '../../workflows/contracts/call.ts';
import type { CallRow } from '../store/calls/calls.ts';
import type { CallDecision } from '../store/calls/call-decision.ts';
import { endsRun } from '../store/lifecycle/answers.ts';
import type { Rest } from '../store/lifecycle/unfinished.ts';
import type { RunRow } from '../store/runs/runs.ts';
import { runResultOf } from './run-result.ts';

/** A step whose answer is stored. */
export interface StoredStep {
  run: RunRow;
  calls: CallRow[];
  /** Whether its answer was not whole, and the next step asks for the rest. */
  rest: Rest;
}

export function toStepResult({ run, calls, rest }: StoredStep): CallModelResult {
  if (rest.asked && rest.givenUp) return { kind: 'limit', reason: rest.givenUp };
  if (calls.length === 0 && !rest.asked) {
    const result = runResultOf(run);
    return { kind: 'answer', ...(result && { ended: result.status, result }) };
  }
  const open = calls.filter((call) => call.status === 'requested' || call.status === 'running');
  return { kind: 'calls', finish: endsRun({ calls, rest }), calls: open.map((call) => toPlannedCall(call)) };
}

/** `doubt`: of a call of the same answer, which an execution before this one has made. */
export function toPlannedCall(call: CallRow, doubt?: Doubt & { index: number }): PlannedCall {
  const order = orderOf(call);
  const after = order === 'write' && doubt && doubt.index < call.index ? doubt : undefined;
  return {
    callId: call.call_id,
    tool: call.tool,
    // What Temporal's UI can show of a summary.
    summary: `${call.tool} ${call.runs ?? call.subject}`.slice(0, 100),
    decision: call.decision as PlannedCall['decision'],
    rule: call.rule.slice(0, 100),
    timeoutSeconds: call.timeout_seconds,
    order,
    ...(after && { after: { callId: after.callId, status: after.status } }),
  };
}

function orderOf({ effect, decided }: Pick<CallRow, 'effect' | 'decided'>): CallOrder {
  // A caller's own tool has no effect that we know of, and a question has none at all. Subagents that are
  // waited for work side by side.
  const { question, delegates } = decided as Partial<CallDecision>;
  if (effect === null || question || delegates === 'inline') return 'beside';
  // Begun in its turn: what comes after it may wait for it or look at it.
  if (delegates === 'async') return 'write';
  // What is fetched is only read. A command in the background counts until it has started.
  return effect === 'read' || effect === 'network' ? 'read' : 'write';
}
