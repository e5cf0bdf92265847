// The second look at a command, at the moment of use. Policy has decided on the names as they were written; a link may
// lead elsewhere, and then the command is decided again with the real names beside them. What the command itself links
// or moves before it uses it is not seen: that is for the sandbox to contain.
import { evaluate, type PolicyContext, type PolicyScope } from './evaluate.ts';
import { writtenNames } from './command-names.ts';
import { isSameRule } from './path-check.ts';
import { rulesFor } from './rule-match.ts';
import { type PolicyCall, splitSubject } from './subject.ts';

export interface CommandCheck {
  /** Words of the command that may be names. */
  names: readonly string[];
  /** Those that are programs. */
  programs: readonly string[];
  /** Folders it goes to, as far as they are written. */
  folders: readonly string[];
  /** Why it must not run now that its names are known to lead there, or undefined when it may. */
  problem(leadsTo: ReadonlyMap<string, readonly string[]>): string | undefined;
}

/** For a call that was allowed, by a rule or by a person: the real names must change nothing about that. */
export function createCommandCheck(
  scopes: readonly PolicyScope[],
  call: PolicyCall,
  context: PolicyContext,
): CommandCheck {
  // Rules that trust every text, and those that ask about each, look at no names.
  const looks = scopes.some(({ profile }) =>
    profile === undefined ? false : rulesFor(profile, call.effect).some(({ looksInside }) => looksInside),
  );
  const parts = looks ? splitSubject(call, context.projectRoot, context.beside) : [];
  const commands =
    'what' in parts ? [] : parts.flatMap((part) => (part.kind === 'command' ? [part.command] : []));
  const unique = (names: string[]): string[] => [...new Set(names)];
  const mayRun = (leadsTo: ReadonlyMap<string, readonly string[]>): string | undefined => {
    const decided = evaluate(scopes, { ...call, leadsTo }, context);
    if (decided.decision === 'allow') return undefined;
    const before = evaluate(scopes, call, context);
    if (before.original === decided.original && isSameRule(before, decided)) return undefined;
    return `(${decided.ruleText}): ${decided.reason}`;
  };
  return {
    names: unique(commands.filter(({ tail }) => tail !== true).flatMap(writtenNames)),
    programs: unique(commands.flatMap(({ words: [program] }) => program?.text ?? [])),
    folders: unique(
      commands.flatMap(({ words: [program, ...args] }) =>
        /^(?:cd|pushd)$/.test(program?.text ?? '') ? args.flatMap(({ text }) => text ?? []) : [],
      ),
    ),
    problem(leadsTo) {
      if (leadsTo.size === 0 || mayRun(leadsTo) === undefined) return undefined;
      const each = [...leadsTo].flatMap(([name, reals]) => reals.map((real) => ({ name, real })));
      for (const { name, real } of each) {
        const reason = mayRun(new Map([[name, [real]]]));
        if (reason !== undefined)
          return `Denied by policy: ${name} leads to ${real}, which was not allowed ${reason}.`;
      }
      return 'Denied by policy: names in the command lead to what was not allowed.';
    },
  };
}
