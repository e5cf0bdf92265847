// What is wrong with a profile, before it is used: patterns that mean nothing, and rules whose own examples show that
// they do not say what was meant. Shapes are checked by the schema; this is what a schema cannot say.
import type { Effect } from '../contracts/call.ts';
import type { PolicyProfile, PolicyRule } from '../contracts/policy.ts';
import { parsePattern } from './command-pattern.ts';
import { hostPatternProblem } from './host.ts';
import { alternativesOf, compileGlob } from './path-globs.ts';
import { compileRule, type CompiledRule } from './rule-match.ts';
import { splitSubject } from './subject.ts';

export interface ProfileProblem {
  /** Where in the profile, such as rules, 3, commands, 0. */
  path: (string | number)[];
  /** One sentence that names the rule. */
  problem: string;
}

// Every part of a call is held against each: with more, one call could hold up a process for seconds.
const mostPatterns = 2000;
// The globs of a command are held against these sign by sign; two thousand of usual length.
const mostPatternSigns = 50_000;
// As many again are decided when the profile is saved. Each rule needs a few.
const mostExampleText = 20_000;

export function profileProblem(profile: PolicyProfile): ProfileProblem | undefined {
  const size = sizeProblem(profile);
  if (size !== undefined) return { path: ['rules'], problem: size };
  for (const [index, rule] of profile.rules.entries()) {
    const found = ruleProblem(rule, index);
    if (found !== undefined) return found;
  }
  return undefined;
}

function sizeProblem({ rules }: PolicyProfile): string | undefined {
  let patterns = 0;
  let signs = 0;
  let exampleText = 0;
  for (const { paths = [], commands = [], hosts = [], examples } of rules) {
    patterns += commands.length + hosts.length;
    // Counted first as they stand: braces are spread out only of as many as may be.
    const globs = patterns + paths.length <= mostPatterns ? paths.flatMap(alternativesOf) : paths;
    patterns += globs.length;
    signs += globs.reduce((sum, glob) => sum + glob.length, 0);
    if (patterns > mostPatterns) {
      return `rules hold more than ${mostPatterns} patterns, each choice in braces counted; write fewer and wider ones.`;
    }
    if (signs > mostPatternSigns) {
      return `rules hold more than ${mostPatternSigns} characters of paths, each choice in braces counted; write fewer and wider ones.`;
    }
    for (const example of [...(examples?.match ?? []), ...(examples?.noMatch ?? [])]) {
      exampleText += example.length;
    }
  }
  return exampleText > mostExampleText
    ? `rules hold more than ${mostExampleText} characters of examples; keep those that tell most.`
    : undefined;
}

export function ruleProblem(rule: PolicyRule, index: number): ProfileProblem | undefined {
  const compiled = compileRule(rule, index);
  const at = (path: (string | number)[], problem: string): ProfileProblem => ({
    path: ['rules', index, ...path],
    problem: `rules[${index}] (${compiled.text}) ${problem}.`,
  });
  if (rule.tool !== undefined && rule.effect !== undefined) {
    return at(['effect'], 'names a tool and an effect; name one of them');
  }
  const lists = (['paths', 'commands', 'readingCommands', 'hosts'] as const).filter(
    (name) => rule[name] !== undefined,
  );
  const [list, second] = lists;
  if (second !== undefined) return at([second], `has ${lists.join(' and ')}; write one rule for each`);
  if (list === 'readingCommands' && rule.decision !== 'allow')
    return at([list], 'can only allow; to ask about other commands, write a rule for them behind it');
  if (list !== undefined) {
    for (const [place, pattern] of (list === 'readingCommands' ? [] : (rule[list] ?? [])).entries()) {
      const problem = patternProblem(list, pattern, rule.decision !== 'allow');
      if (problem !== undefined) return at([list, place], `is wrong: ${pattern} ${problem}`);
    }
    const never = effectProblem(list, rule);
    if (never !== undefined) return at([list], never);
  }
  return exampleProblem(rule, compiled, at);
}

type List = 'paths' | 'commands' | 'readingCommands' | 'hosts';

function patternProblem(list: List, pattern: string, nocase: boolean): string | undefined {
  if (list === 'hosts') return hostPatternProblem(pattern);
  if (list === 'paths') return globProblem(pattern, nocase);
  const parsed = parsePattern(pattern);
  return 'problem' in parsed ? parsed.problem : undefined;
}

function globProblem(glob: string, nocase: boolean): string | undefined {
  if (glob.startsWith('/')) return 'begins with a slash; paths are relative to the project';
  if (glob !== '.' && glob.split('/').some((name) => ['', '.', '..'].includes(name))) {
    return 'holds an empty, . or .. part, which no path has once it is normalized';
  }
  return compileGlob(glob, nocase) === undefined ? 'cannot be read as a glob' : undefined;
}

const effectsOf: Record<List, readonly Effect[]> = {
  // Forbidden names are looked for in commands too.
  paths: ['read', 'write', 'execute'],
  commands: ['execute'],
  readingCommands: ['execute'],
  hosts: ['network'],
};

function effectProblem(list: List, rule: PolicyRule): string | undefined {
  if (rule.effect === undefined) return undefined;
  if (!effectsOf[list].includes(rule.effect))
    return `can never match: ${rule.effect} is not about ${list === 'readingCommands' ? 'commands' : list}`;
  return list === 'paths' && rule.effect === 'execute' && rule.decision === 'allow'
    ? 'can never match: naming a file in a command allows nothing'
    : undefined;
}

// Examples need a project to be relative to; any will do.
const exampleRoot = '/project';

function exampleProblem(
  rule: PolicyRule,
  compiled: CompiledRule,
  at: (path: (string | number)[], problem: string) => ProfileProblem,
): ProfileProblem | undefined {
  const { match = [], noMatch = [] } = rule.examples ?? {};
  const effect = exampleEffect(rule);
  if (match.length + noMatch.length === 0) return undefined;
  if (effect === undefined) {
    return at(
      ['examples'],
      'has examples but says nothing they could match; give it paths, commands, hosts or an effect',
    );
  }
  for (const [place, example] of match.entries()) {
    if (!matchesExample(rule, compiled, effect, example)) {
      return at(
        ['examples', 'match', place],
        `should match its example ${JSON.stringify(example)} and does not`,
      );
    }
  }
  for (const [place, example] of noMatch.entries()) {
    if (matchesExample(rule, compiled, effect, example)) {
      return at(
        ['examples', 'noMatch', place],
        `should not match its example ${JSON.stringify(example)} and does`,
      );
    }
  }
  return undefined;
}

function exampleEffect(rule: PolicyRule): Effect | undefined {
  if (rule.effect !== undefined) return rule.effect;
  if (rule.commands !== undefined || rule.readingCommands) return 'execute';
  if (rule.hosts !== undefined) return 'network';
  return rule.paths === undefined ? undefined : 'read';
}

/** To allow, a rule must match every part of a call; to forbid, one is enough. */
function matchesExample(rule: PolicyRule, compiled: CompiledRule, effect: Effect, example: string): boolean {
  const call = { tool: rule.tool ?? 'example', effect, subject: example };
  const parts = splitSubject(call, exampleRoot);
  if ('what' in parts) return false;
  const outer = parts.filter((part) => part.kind !== 'command' || !part.command.inner);
  return rule.decision === 'allow'
    ? outer.every((part) => compiled.match(part, call) === 'yes')
    : parts.some((part) => compiled.match(part, call) === 'yes');
}
