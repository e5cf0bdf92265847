// What other rules would have decided: a call previewed, and stored calls decided again. Both need nothing
// but what was stored with the calls.
import type { Decision } from '../contracts/call.ts';
import type { BacktestResult, PolicyMode, PolicyScopeName } from '../contracts/policy.ts';
import { evaluate, type Evaluated, type PolicyContext, type PolicyScope } from './evaluate.ts';
import { recall, type RememberedCall } from './remember.ts';
import type { PolicyCall } from './subject.ts';

/** A call as it was reviewed: what was decided, and all that it was decided on. */
export interface StoredCall extends Omit<PolicyCall, 'effect'> {
  runId: string;
  callId: string;
  /** Null when there was no such tool or its arguments did not fit: nothing there to decide on. */
  effect: PolicyCall['effect'] | null;
  projectRoot: string | null;
  /** Other projects in which it could only read. */
  beside?: readonly string[] | undefined;
  mode: PolicyMode | null;
  attended: boolean;
  decision: Decision;
  /** Of its arguments. */
  inputHash: string;
}

/** What a call is held against: profiles, and the remembered answers that count for it. */
export interface Applying {
  scopes: readonly PolicyScope[];
  remembered: readonly (RememberedCall & { scope: PolicyScopeName })[];
}

/** A call with the hash of its arguments. */
export type KnownCall = PolicyCall & RememberedCall;

/** What would be decided for this call, by which rule, why, and what the next rules would say. */
export function preview(applying: Applying, call: KnownCall, context: PolicyContext): Evaluated {
  return decide(applying, call, { ...context, explain: true });
}

/** As calls are reviewed: a remembered answer counts where a person would be asked, and nowhere else. */
function decide({ scopes, remembered }: Applying, call: KnownCall, context: PolicyContext): Evaluated {
  const ruled = evaluate(scopes, call, context);
  return (ruled.original === 'ask' && recall(call, remembered)) || ruled;
}

// Enough to see what a group is about.
const mostExamples = 5;
const longestExample = 200;

export interface Backtest {
  /** Decides a stored call again, by the profiles that would apply to it. */
  add(call: StoredCall, applying: Applying): void;
  result(): BacktestResult;
}

/** Call by call: there may be more than fit into memory at once. */
export function createBacktest(now: Date): Backtest {
  const groups = new Map<string, BacktestResult['groups'][number]>();
  const counts = { calls: 0, changed: 0, skipped: 0 };

  function add({ effect, ...call }: StoredCall, applying: Applying): void {
    if (effect === null) {
      counts.skipped += 1;
      return;
    }
    counts.calls += 1;
    const { projectRoot, beside, mode, attended, tool, decision: from } = call;
    const decided = decide(applying, { ...call, effect }, { projectRoot, beside, mode, attended, now });
    if (decided.decision === from) return;
    counts.changed += 1;
    const { decision: to, ruleIndex, ruleText, scope, profileId } = decided;
    const key = JSON.stringify([tool, effect, from, to, scope, profileId, ruleIndex, ruleText]);
    const group = groups.get(key) ?? {
      ...{ tool, effect, from, to, ruleIndex, ruleText, reason: decided.reason },
      calls: 0,
      examples: [],
    };
    groups.set(key, group);
    group.calls += 1;
    if (group.examples.length < mostExamples) {
      const subject = call.subject.slice(0, longestExample).toWellFormed();
      group.examples.push({ runId: call.runId, callId: call.callId, subject });
    }
  }
  return {
    add,
    result: () => ({
      ...counts,
      groups: [...groups.values()].sort((one, other) => other.calls - one.calls),
    }),
  };
}
