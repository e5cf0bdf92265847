// Whether a rule matches one part of a call. A rule that allows matches only what is certain; one that asks or denies
// matches what is certain too, and says `maybe` where it would have to look into what nobody understands.
import { braceExpand, Minimatch } from 'minimatch';
import type { Effect } from '../contracts/call.ts';
import type { PolicyProfile, PolicyRule } from '../contracts/policy.ts';
import type { SimpleCommand } from './command.ts';
import { unknownNames, type Word } from './command-word.ts';
import {
  allowsCommand,
  type CommandPattern,
  forbidsCommand,
  type Match,
  parsePattern,
} from './command-pattern.ts';
import { globsMeet, type NamePattern, toNamePattern } from './glob-meet.ts';
import { matchesHost } from './host.ts';
import { looseNames, normalizePath } from './path.ts';
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
    // A date nobody can read ends what is allowed and nothing else.
    isActive: (now) => (isAllow ? now < expires : !(now >= expires)),
    match(part, call) {
      if (rule.tool !== undefined && rule.tool !== call.tool) return 'no';
      if (rule.effect !== undefined && rule.effect !== call.effect) return 'no';
      // What concerns only the run itself is met by name alone.
      if (part.kind === 'run') return rule.tool !== undefined && lists.length === 0 ? 'yes' : 'no';
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

function compileLists({ paths, commands, hosts }: PolicyRule, isAllow: boolean): ((part: Part) => Match)[] {
  const lists: ((part: Part) => Match)[] = [];
  if (paths !== undefined) {
    const globs = compileGlobs(paths, !isAllow);
    lists.push((part) => matchPaths(globs, part, isAllow));
  }
  if (commands !== undefined) {
    const patterns = commands.map(parsePattern);
    lists.push((part) => matchCommands(patterns, part, isAllow));
  }
  if (hosts !== undefined) {
    lists.push((part) =>
      part.kind === 'host' && hosts.some((pattern) => matchesHost(pattern, part.host)) ? 'yes' : 'no',
    );
  }
  return lists;
}

interface Globs {
  match(path: string): Match;
  /** Whether a glob of the shell's may name what one of these names. */
  meets(glob: string): boolean;
}

/** Globs that forbid take no notice of case: on some disks `.ENV` is `.env`. */
function compileGlobs(globs: readonly string[], nocase: boolean): Globs {
  // A directory belongs to what spans it: zero directories are some, too.
  const all = globs.flatMap((glob) => (glob.endsWith('/**') ? [glob, glob.slice(0, -3)] : [glob]));
  const matchers = all.map((glob) => compileGlob(glob, nocase));
  let patterns: (NamePattern | undefined)[] | undefined;
  return {
    match(path) {
      if (path === '.') return globs.some((glob) => glob === '**' || glob === '.') ? 'yes' : 'no';
      return matchers.some((matcher) => matcher?.match(path))
        ? 'yes'
        : matchers.includes(undefined)
          ? 'maybe'
          : 'no';
    },
    meets(glob) {
      // By wildcards alone nothing is spelled.
      if (/^[*?/]*$/.test(glob)) return false;
      patterns ??= all.flatMap(alternativesOf).map(toNamePattern);
      const shell = toNamePattern(glob);
      return patterns.some((each) => globsMeet(shell, each));
    },
  };
}

// Alternatives multiply; nobody writes more by hand.
const mostAlternatives = 200;

/** What the braces of a glob stand for. */
export function alternativesOf(glob: string): string[] {
  return braceExpand(glob, { braceExpandMax: mostAlternatives });
}

/** Undefined when it is no glob. */
export function compileGlob(glob: string, nocase: boolean): Minimatch | undefined {
  try {
    return new Minimatch(glob, {
      dot: true,
      nocase,
      nocomment: true,
      nonegate: true,
      // The same answer on every system; paths arrive with slashes.
      platform: 'linux',
      braceExpandMax: mostAlternatives,
    });
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return undefined;
  }
}

function matchPaths(globs: Globs, part: Part, isAllow: boolean): Match {
  if (part.kind === 'path') return certain(globs.match(part.path), isAllow);
  // Naming a file in a command allows nothing: what a program does with it is not known.
  if (part.kind !== 'command' || isAllow) return 'no';
  return matchNamedFiles(globs, part.command, part.root);
}

/** Any word that could name a forbidden file is enough: an argument, a part of one, the target of a redirection. */
function matchNamedFiles(globs: Globs, command: SimpleCommand, root: string | null): Match {
  const words = [...command.words, ...command.files];
  const pieces = words.flatMap(({ raw }) => piecesOf(raw));
  if (pieces.some((piece) => globs.match(comparable(piece, root)) === 'yes')) return 'yes';
  if (command.hidden !== undefined) return 'maybe';
  return words.some((word) => mayName(word, globs, root)) ? 'maybe' : 'no';
}

/** Whether the shell may make a forbidden name of it. */
function mayName({ glob }: Word, globs: Globs, root: string | null): boolean {
  if (glob === undefined || glob === unknownNames) return glob === unknownNames;
  return piecesOf(glob).some((piece) => globs.meets(comparable(piece, root)));
}

function piecesOf(word: string): string[] {
  // Options and addresses carry names behind these characters, and short options directly behind their letter.
  const pieces = [word, ...word.split(/[=:@,{}]/), ...(/^-[^-]/.test(word) ? [word.slice(2)] : [])];
  return pieces.filter((piece) => piece !== '');
}

function comparable(piece: string, root: string | null): string {
  const normal = normalizePath(piece, root);
  return normal.kind === 'inside' ? normal.path : looseNames(piece);
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

function certain(match: Match, isAllow: boolean): Match {
  return isAllow && match === 'maybe' ? 'no' : match;
}
