// "Allow always": what a person allowed is allowed again, for a while, where the very same arguments are asked about.
import type { PolicyScopeName } from '../contracts/policy.ts';
import type { Evaluated } from './evaluate.ts';
import { cutRule } from './rule-text.ts';

/** A call as it is remembered: its tool, and the hash of all its arguments. */
export interface RememberedCall {
  tool: string;
  inputHash: string;
}

/** Decides by the nearest remembered answer. The profiles have asked about the call: what they deny stays denied. */
export function recall(
  call: RememberedCall & { subject: string },
  remembered: readonly (RememberedCall & { scope: PolicyScopeName })[],
): Evaluated | undefined {
  const found = remembered.find(({ tool, inputHash }) => tool === call.tool && inputHash === call.inputHash);
  if (found === undefined) return undefined;
  return {
    ...{ scope: found.scope, profileId: 'remembered', profileVersion: 0, ruleIndex: 0 },
    ...{ decision: 'allow', original: 'allow', part: call.subject.slice(0, 500).toWellFormed() },
    ruleText: cutRule(`allow exactly ${call.tool}: ${call.subject}`),
    reason: 'a person allowed exactly this before',
  };
}
