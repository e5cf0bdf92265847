// The second look at a path, at the moment of use. Policy has decided on the path as it was written; a link may lead
// elsewhere, and a directory holds more than its name.
import type { PolicyDecision } from '../contracts/policy.ts';
import { evaluate, type PolicyContext, type PolicyScope } from './evaluate.ts';
import { normalizePath } from './path.ts';
import type { PolicyCall } from './subject.ts';

/** `itself`: the call acts on this very path. `below`: it comes upon it in a directory that it lists or searches. */
export type PathReach = 'itself' | 'below';

/** Answers why a path must not be used, or undefined when it may. */
export type PathCheck = (path: string, reach: PathReach) => string | undefined;

/**
 * For a call that was allowed, by a rule or by a person. The paths it named are settled; every other one it turns out
 * to reach (the target of a link, a file below a searched directory) must be allowed by itself. A person's yes to a
 * search goes for what is found below, as far as the very rule that asked would ask about it: not for what another
 * rule asks about or denies. The path is relative to the project, or absolute below its root or in a project
 * beside it.
 */
export function createPathCheck(
  scopes: readonly PolicyScope[],
  call: PolicyCall,
  context: PolicyContext,
): PathCheck {
  const named = new Set(call.subject.split('\n').map((path) => keyOf(path, context)));
  const sameTexts = new Set([...named].map((path) => path?.normalize('NFC')));
  let whole: PolicyDecision | undefined;
  return (path, reach) => {
    if (named.has(keyOf(path, context))) return undefined;
    // A line end would make two paths of one.
    if (path.includes('\n')) return 'Denied by policy: the path holds a line end.';
    const decided = evaluate(scopes, { ...call, subject: path, subjectKind: 'path' }, context);
    if (decided.decision === 'allow') return undefined;
    // The same text in two normal forms looks the same to a person, but not to a rule: a deny stays a deny.
    if ((reach === 'below' || sameTexts.has(path.normalize('NFC'))) && decided.original === 'ask') {
      whole ??= evaluate(scopes, call, context);
      if (whole.original === 'ask' && isSameRule(whole, decided)) return undefined;
    }
    const { ruleText, reason } = decided;
    return `Denied by policy: this leads to ${path}, which was not allowed (${ruleText}): ${reason}.`;
  };
}

export function isSameRule(one: PolicyDecision, other: PolicyDecision): boolean {
  return one.scope === other.scope && one.profileId === other.profileId && one.ruleIndex === other.ruleIndex;
}

function keyOf(path: string, { projectRoot, beside }: PolicyContext): string | undefined {
  const normal = normalizePath(path, projectRoot, beside);
  if (normal.kind !== 'inside') return undefined;
  return normal.beside === undefined ? normal.path : `${normal.beside}/${normal.path}`;
}
