// What is stored of the decision about a call: on what, by whom and how its arguments were read.
import type { Delegates } from '../../../workflows/contracts/delegation.ts';
import type { SubjectKind } from '../../../workflows/contracts/call.ts';
import type { PolicyDecision, PolicyMode } from '../../../workflows/contracts/policy.ts';

export interface CallDecision extends PolicyDecision {
  projectRoot: string | null;
  /** Other projects in which its run only reads; left out where there are none. */
  beside?: readonly string[];
  mode: PolicyMode | null;
  attended: boolean;
  subjectKind?: SubjectKind;
  /** What it reaches beside its subject, as `hosts` of the call. */
  hosts?: readonly string[];
  /** It asks a person, and that is all it does. */
  question?: true;
  /** It has a subagent work, or waits for some. */
  delegates?: Delegates;
  /** What was repaired in the arguments before anything was decided on them. */
  repairs?: string[];
}
