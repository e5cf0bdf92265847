// What is stored of the decision about a call: on what, by whom and how its arguments were read.
import type { SubjectKind } from '../../../workflows/contracts/call.ts';
import type { PolicyDecision, PolicyMode } from '../../../workflows/contracts/policy.ts';

export interface CallDecision extends PolicyDecision {
  projectRoot: string | null;
  mode: PolicyMode | null;
  attended: boolean;
  subjectKind?: SubjectKind;
  /** It asks a person, and that is all it does. */
  question?: true;
  /** What was repaired in the arguments before anything was decided on them. */
  repairs?: string[];
}
