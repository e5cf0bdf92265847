// Whether a rule matches one part of a call. A rule that allows matches only what is certain; one that asks or denies
// matches what is certain too, and says `maybe` where it meets what cannot be understood.
import type { Effect } from '../contracts/call.ts';
import type { PolicyProfile, PolicyRule } from '../contracts/policy.ts';
import type { SimpleCommand } from './command.ts';
import { namedIn } from './command-names.ts';
import { unknownNames } from './command-word.ts';
import {
  allowsCommand,
  type CommandPattern,
  forbidsCommand,
  type Match,
  parsePattern,
} from './command-pattern.ts';
import { matchesHost } from './host.ts';
import { compileGlobs, type Globs } from './path-globs.ts';
import { onlyReads } from './reading-check.ts';
import { ruleText } from './rule-text.ts';
import type { Part, PolicyCall } from './subject.ts';

export interface CompiledRule {
  rule: PolicyRule;
  index: number;
  text: string;
  /** Whether it names paths, commands or hosts; else it matches by tool and effect alone. */
  looksInside: boolean;
  isActive(now: number): boolean;
  match(part: Part, call: PolicyCall): Match;
}

// Rules are data that does not change: a profile's are prepared once.
const compiled = new WeakMap<PolicyProfile, Record<Effect, readonly CompiledRule[]>>();

/** The rules that can match a call with this effect, in their order. */
export function rulesFor(profile: PolicyProfile, effect: Effect): readonly CompiledRule[] {
  const known = compiled.get(profile);
  if (known !== undefined) return known[effect];
  const rules = profile.rules.map(compileRule);
  const having = (wanted: Effect) => rules.filter(({ rule }) => (rule.effect ?? wanted) === wanted);
  const prepared = {
    read: having('read'),
    write: having('write'),
    execute: having('execute'),
    network: having('network'),
  };
  compiled.set(profile, prepared);
  return prepared[effect];
}

export function compileRule(rule: PolicyRule, index: number): CompiledRule {
  const isAllow = rule.decision === 'allow';
  const expires = rule.expiresAt === undefined ? Number.POSITIVE_INFINITY : Date.parse(rule.expiresAt);
  const lists = compileLists(rule, isAllow);
  return {
    rule,
    index,
    text: ruleText(rule),
    looksInside: lists.length > 0,
    // A date that cannot be read ends a rule that allows, and no other.
    isActive: (now) => (isAllow ? now < expires : !(now >= expires)),
    match(part, call) {
      if (rule.tool !== undefined && rule.tool !== call.tool) return 'no';
      if (rule.effect !== undefined && rule.effect !== call.effect) return 'no';
      // What concerns only the run itself is met by name alone.
      if (part.kind === 'run') return rule.tool !== undefined && lists.length === 0 ? 'yes' : 'no';
      // To trust a tool with its commands is not yet to let them out.
      if (
        isAllow &&
        part.kind === 'host' &&
        part.beside &&
        rule.tool !== undefined &&
        rule.hosts === undefined
      )
        return 'no';
      let all: Match = 'yes';
      for (const matchList of lists) {
        const match = matchList(part);
        if (match === 'no') return 'no';
        if (match === 'maybe') all = 'maybe';
      }
      return all;
    },
  };
}

function compileLists(
  { paths, commands, readingCommands, hosts }: PolicyRule,
  isAllow: boolean,
): ((part: Part) => Match)[] {
  const lists: ((part: Part) => Match)[] = [];
  if (paths !== undefined) {
    const globs = compileGlobs(paths, !isAllow);
    lists.push((part) => matchPaths(globs, part, isAllow));
  }
  if (commands !== undefined) {
    const patterns = commands.map(parsePattern);
    lists.push((part) => matchCommands(patterns, part, isAllow));
  }
  if (readingCommands) {
    lists.push((part) => (part.kind === 'command' && onlyReads(part.command, part) ? 'yes' : 'no'));
  }
  if (hosts !== undefined) {
    lists.push((part) =>
      part.kind === 'host' && hosts.some((pattern) => matchesHost(pattern, part.host)) ? 'yes' : 'no',
    );
  }
  return lists;
}

function matchPaths(globs: Globs, part: Part, isAllow: boolean): Match {
  if (part.kind === 'path') return certain(globs.match(part.path), isAllow);
  // Naming a file in a command allows nothing: what a program does with it is not known.
  if (part.kind !== 'command' || isAllow) return 'no';
  return matchNamedFiles(globs, part.command, part.root);
}

/** Any word that could name a forbidden file is enough: an argument, a part of one, the target of a redirection. */
function matchNamedFiles(globs: Globs, command: SimpleCommand, root: string | null): Match {
  // Those words are the ones of the command around it.
  if (command.tail === true) return 'no';
  const { names, patterns } = namedIn(command, root);
  if (names.some((name) => globs.match(name) === 'yes')) return 'yes';
  if (command.hidden !== undefined) return 'maybe';
  return patterns.some((glob) => glob === unknownNames || globs.meets(glob)) ? 'maybe' : 'no';
}

function certain(match: Match, isAllow: boolean): Match {
  return isAllow && match === 'maybe' ? 'no' : match;
}

function matchCommands(
  patterns: (CommandPattern | { problem: string })[],
  part: Part,
  isAllow: boolean,
): Match {
  if (part.kind !== 'command') return 'no';
  const found = patterns.map((pattern): Match => {
    if ('problem' in pattern) return isAllow ? 'no' : 'maybe';
    if (isAllow) return allowsCommand(pattern, part.command, part.root) ? 'yes' : 'no';
    return forbidsCommand(pattern, part.command);
  });
  return found.includes('yes') ? 'yes' : found.includes('maybe') ? 'maybe' : 'no';
}
