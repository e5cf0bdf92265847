// "Allow always": from one approved call, the narrowest rule that allows exactly that call again, for a while; and the
// calls that such a rule then answers.
import type { PolicyProfile, PolicyRule, PolicyScopeName } from '../contracts/policy.ts';
import { quotePattern } from './command-pattern.ts';
import { evaluate, type Evaluated, type PolicyContext } from './evaluate.ts';
import { compileRule } from './rule-match.ts';
import { ruleProblem } from './profile-problem.ts';
import { type Part, type PolicyCall, splitSubject, type SubjectProblem } from './subject.ts';

export interface RememberContext {
  projectRoot: string | null;
  now: Date;
  expiresAt: Date;
}

export type Remembered = { rule: PolicyRule } | { problem: string };

export function remember(call: PolicyCall, { projectRoot, now, expiresAt }: RememberContext): Remembered {
  if (!(expiresAt.getTime() > now.getTime()))
    return { problem: 'A remembered answer must expire in the future.' };
  const outer = outerParts(call, projectRoot);
  if ('what' in outer) return { problem: `This call cannot be remembered: ${outer.reason}.` };
  const beside = besideProblem(call, outer);
  if (beside !== undefined) return { problem: `This command cannot be remembered: ${beside}.` };
  const list = toList(outer);
  if ('problem' in list) return list;
  const rule: PolicyRule = {
    tool: call.tool,
    ...list,
    decision: 'allow',
    reason: 'a person allowed exactly this before',
    expiresAt: expiresAt.toISOString(),
  };
  // What was meant and what was written must agree, whatever the names are made of.
  const compiled = compileRule(rule, 0);
  const isSame = outer.every((part) => compiled.match(part, call) === 'yes');
  const problem = ruleProblem(rule, 0);
  if (!isSame || problem !== undefined) return { problem: 'This call cannot be written as a rule.' };
  return { rule };
}

/** Why there is more to a call than the words that a rule can name. */
function besideProblem({ subject }: PolicyCall, [part, ...others]: readonly Part[]): string | undefined {
  if (part?.kind !== 'command') return undefined;
  const { command } = part;
  if (others.length > 0) return 'a rule would allow each command of a chain without the others';
  const problem = command.hidden ?? command.caution ?? command.beside;
  if (problem !== undefined) return problem;
  return command.text === subject.trim() ? undefined : 'it is more than one plain command';
}

/** What a person has allowed before, exactly, and wanted to be remembered. */
export function recall(
  call: PolicyCall,
  remembered: readonly { scope: PolicyScopeName; rule: PolicyRule }[],
  context: PolicyContext,
): Evaluated | undefined {
  const outer = remembered.length === 0 ? undefined : outerParts(call, context.projectRoot);
  // What could not be remembered is not what was remembered, whatever its words say.
  if (outer === undefined || 'what' in outer || besideProblem(call, outer) !== undefined) return undefined;
  for (const { scope, rule } of remembered) {
    const profile = { ...nothingElse, rules: [rule] };
    const decided = evaluate([{ scope, profile, version: 0 }], call, context);
    if (decided.decision === 'allow' && decided.ruleIndex === 0) return decided;
  }
  return undefined;
}

const nothingElse: PolicyProfile = {
  id: 'remembered',
  name: 'Remembered answers',
  description: 'What people have allowed before.',
  mode: 'default',
  rules: [],
  limits: { steps: 1, seconds: 1, costMicros: 1 },
  stall: null,
};

function outerParts(call: PolicyCall, projectRoot: string | null): Part[] | SubjectProblem {
  const parts = splitSubject(call, projectRoot);
  if ('what' in parts) return parts;
  return parts.filter((part) => part.kind !== 'command' || !part.command.inner);
}

type List =
  | Pick<PolicyRule, 'paths'>
  | Pick<PolicyRule, 'commands'>
  | Pick<PolicyRule, 'hosts'>
  | { problem: string };

function toList(parts: readonly Part[]): List {
  const paths: string[] = [];
  const commands: string[] = [];
  const hosts: string[] = [];
  for (const part of parts) {
    if (part.kind === 'path') paths.push(escapeGlob(part.path));
    else if (part.kind === 'host') hosts.push(part.host);
    else if (part.kind === 'run')
      return { problem: 'A call that concerns the run itself has nothing to be narrow about.' };
    else {
      const { words } = part.command;
      const texts = words.flatMap(({ text }) => text ?? []);
      if (texts.length < words.length) {
        return {
          problem: `This command cannot be remembered: part of ${part.text.slice(0, 200)} is known only when it runs.`,
        };
      }
      commands.push(quotePattern(texts));
    }
  }
  if (paths.length > 0) return { paths: [...new Set(paths)] };
  return commands.length > 0 ? { commands: [...new Set(commands)] } : { hosts };
}

/** Every character that means something in a glob, made to mean itself. Backslashes are in no path that gets here. */
function escapeGlob(path: string): string {
  return path.replace(/[?*()[\]{}!+@#,|]/g, String.raw`\$&`);
}
