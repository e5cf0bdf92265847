// "Allow always": from one approved call, the narrowest rule that allows exactly that call again, for a while.
import type { PolicyRule } from '../contracts/policy.ts';
import { quotePattern } from './command-pattern.ts';
import { compileRule } from './rule-match.ts';
import { ruleProblem } from './profile-problem.ts';
import { type Part, type PolicyCall, splitSubject } from './subject.ts';

export interface RememberContext {
  projectRoot: string | null;
  now: Date;
  expiresAt: Date;
}

export type Remembered = { rule: PolicyRule } | { problem: string };

export function remember(call: PolicyCall, { projectRoot, now, expiresAt }: RememberContext): Remembered {
  if (!(expiresAt.getTime() > now.getTime()))
    return { problem: 'A remembered answer must expire in the future.' };
  const parts = splitSubject(call, projectRoot);
  if ('what' in parts) return { problem: `This call cannot be remembered: ${parts.reason}.` };
  const outer = parts.filter((part) => part.kind !== 'command' || !part.command.inner);
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
      const { hidden, caution, words } = part.command;
      const unsure = hidden ?? caution;
      if (unsure !== undefined) return { problem: `This command cannot be remembered: ${unsure}.` };
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
