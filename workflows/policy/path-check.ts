// The second look at a path, at the moment of use. Policy has decided on the path as it was written; a link may lead
// elsewhere, and a directory holds more than its name.
import { evaluate, type PolicyContext, type PolicyScope } from './evaluate.ts';
import { normalizePath } from './path.ts';
import type { PolicyCall } from './subject.ts';

/** Answers why a path must not be used, or undefined when it may. */
export type PathCheck = (realPath: string) => string | undefined;

/**
 * For a call that was allowed, by a rule or by a person. The paths it named are settled; every other one it turns out
 * to reach (the target of a link, a file below a directory it searches) must be allowed by itself. `realPath` is
 * relative to the project, or absolute below its root.
 */
export function createPathCheck(
  scopes: readonly PolicyScope[],
  call: PolicyCall,
  context: PolicyContext,
): PathCheck {
  const named = new Set(call.subject.split('\n').map((path) => keyOf(path, context.projectRoot)));
  return (realPath) => {
    if (named.has(keyOf(realPath, context.projectRoot))) return undefined;
    const real: PolicyCall = { ...call, subject: realPath, subjectKind: 'path' };
    // A line end would make two paths of one.
    if (realPath.includes('\n')) return 'Denied by policy: the path holds a line end.';
    const { decision, ruleText, reason } = evaluate(scopes, real, context);
    return decision === 'allow'
      ? undefined
      : `Denied by policy: this leads to ${realPath}, which was not allowed (${ruleText}): ${reason}.`;
  };
}

function keyOf(path: string, root: string | null): string | undefined {
  const normal = normalizePath(path, root);
  return normal.kind === 'inside' ? normal.path : undefined;
}
