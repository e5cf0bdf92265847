// Decides one call: which rule of which profile, and why. Every part of the call is held against the rules in their
// written order, the first that matches decides it, and the strictest part decides the call. Never throws.
import type { Decision, Effect } from '../contracts/call.ts';
import type { PolicyDecision, PolicyMode, PolicyProfile, PolicyScopeName } from '../contracts/policy.ts';
import { type CompiledRule, rulesFor } from './rule-match.ts';
import { type Part, type PolicyCall, splitSubject } from './subject.ts';

/** One profile and how far it reaches. Given from near to far: run, project, global. */
export interface PolicyScope {
  scope: PolicyScopeName;
  /** Undefined: there is no such profile, and then nothing is allowed. */
  profile: PolicyProfile | undefined;
  version: number;
}

export interface PolicyContext {
  /** The project's directory, absolute; null when there is none, and then no absolute path lies inside. */
  projectRoot: string | null;
  /** Other projects, absolute, in which the run may only read. */
  beside?: readonly string[] | undefined;
  /** In place of the mode of the nearest profile, when not null. */
  mode: PolicyMode | null;
  /** Whether a person is there to ask. */
  attended: boolean;
  now: Date;
  /** Whether the decision names the rules behind the one that decided. */
  explain?: boolean;
}

/** What was decided, and for a command that a rule about commands (or silence) allows: the text to run in its place. */
export interface Evaluated extends PolicyDecision {
  runs?: string;
}

type Ruled = Omit<PolicyDecision, 'original' | 'part' | 'next'>;

const strictness: Record<Decision, number> = { allow: 0, ask: 1, deny: 2 };

export function evaluate(
  scopes: readonly PolicyScope[],
  call: PolicyCall,
  context: PolicyContext,
): Evaluated {
  const unknown = scopes.find(({ profile }) => profile === undefined);
  const [nearest] = scopes;
  if (nearest?.profile === undefined || unknown !== undefined) {
    const reason = unknown
      ? `the policy profile of the ${unknown.scope} does not exist`
      : 'no policy profile applies';
    return settled(
      { ...fromNothing(nearest), decision: 'deny', ruleText: 'unknown profile', reason },
      call.subject,
    );
  }
  const parts = splitSubject(call, context.projectRoot, context.beside);
  if ('what' in parts) {
    const { what, reason } = parts;
    return settled({ ...fromNothing(nearest), decision: 'deny', ruleText: what, reason }, call.subject);
  }
  const profile = nearest.profile;
  const decided = parts.map((part) => ({
    part,
    ruled: withHost(decidePart(scopes, profile, part, actOn(part, call), context), part),
  }));
  const strictest = decided.reduce((one, other) => {
    const [before, after] = [strictness[one.ruled.decision], strictness[other.ruled.decision]];
    // A part that runs nothing by itself is no reason to allow.
    return after > before || (after === before && isInner(one.part) && !isInner(other.part)) ? other : one;
  });
  const decision = withoutPeople(strictest.ruled, context);
  const runs = decision.decision === 'allow' ? textToRun(scopes, decided) : undefined;
  return {
    ...settled(decision, strictest.part.text),
    original: strictest.ruled.decision,
    ...(runs !== undefined && { runs }),
    ...(context.explain === true && {
      next: matchesBehind(scopes, strictest, actOn(strictest.part, call), context),
    }),
  };
}

/** What a command reaches in the network is decided as the network is. */
function actOn(part: Part, call: PolicyCall): PolicyCall {
  return part.kind === 'host' && part.beside ? { ...call, effect: 'network' } : call;
}

/** A model that is told which can do without it. */
function withHost(ruled: Ruled, part: Part): Ruled {
  if (part.kind !== 'host' || !part.beside) return ruled;
  return { ...ruled, reason: `${ruled.reason} (to reach ${part.text})` };
}

/** Undefined where only rules that trust every text have allowed it. */
function textToRun(
  scopes: readonly PolicyScope[],
  decided: readonly { part: Part; ruled: Ruled }[],
): string | undefined {
  for (const { part, ruled } of decided) {
    if (part.kind !== 'command' || part.runs === undefined || part.command.inner) continue;
    const { profile } = scopes.find(({ scope }) => scope === ruled.scope) ?? {};
    const rule = ruled.ruleIndex === null ? undefined : profile?.rules[ruled.ruleIndex];
    if (rule === undefined || rule.commands !== undefined || rule.readingCommands) return part.runs;
  }
  return undefined;
}

// What people and models see of a part; the whole stands in the call.
const longestPart = 500;

function settled(ruled: Ruled, part: string): PolicyDecision {
  return { ...ruled, original: ruled.decision, part: part.slice(0, longestPart).toWellFormed() };
}

function fromNothing(scope: PolicyScope | undefined): Omit<Ruled, 'decision' | 'ruleText' | 'reason'> {
  return {
    scope: scope?.scope ?? null,
    profileId: scope?.profile?.id ?? '',
    profileVersion: scope?.version ?? 0,
    ruleIndex: null,
  };
}

/** Without a person there, a question would wait for an answer that cannot come. */
function withoutPeople(ruled: Ruled, { attended }: PolicyContext): Ruled {
  if (ruled.decision !== 'ask' || attended) return ruled;
  return { ...ruled, decision: 'deny', reason: `${ruled.reason}, and nobody is there to ask` };
}

function decidePart(
  scopes: readonly PolicyScope[],
  profile: PolicyProfile,
  part: Part,
  call: PolicyCall,
  context: PolicyContext,
): Ruled {
  let doubt: string | undefined;
  for (const scope of scopes) {
    for (const rule of activeRules(scope, call, context)) {
      // Words inside of a command are looked through for what is forbidden by name; the command itself meets the rest.
      if (isInner(part) && !rule.looksInside) continue;
      const match = rule.match(part, call);
      if (match === 'no') continue;
      if (match === 'maybe') {
        doubt ??= `"${rule.text}" cannot be ruled out${because(part)}`;
        continue;
      }
      const ruled = toRuled(scope, rule, call.effect);
      if (ruled.decision !== 'allow') return rule.looksInside ? ruled : withUncertainty(ruled, part);
      if (isInner(part)) return insideOf(scope, part, doubt);
      const certain: Ruled = doubt === undefined ? ruled : { ...ruled, decision: 'ask', reason: doubt };
      return withMode(certain, profile, part, call, context);
    }
  }
  const [nearest] = scopes;
  if (isInner(part)) return insideOf(nearest, part, doubt);
  return withMode(
    byDefault(nearest, profile, doubt, part, call.effect, context),
    profile,
    part,
    call,
    context,
  );
}

function isInner(part: Part): boolean {
  return part.kind === 'command' && part.command.inner;
}

function activeRules(
  { profile }: PolicyScope,
  { effect }: PolicyCall,
  { now }: PolicyContext,
): readonly CompiledRule[] {
  if (profile === undefined) return [];
  const rules = rulesFor(profile, effect);
  const time = now.getTime();
  return rules.every((rule) => rule.isActive(time)) ? rules : rules.filter((rule) => rule.isActive(time));
}

const verbs: Record<Decision, string> = { allow: 'allows', ask: 'asks about', deny: 'denies' };
const nouns: Record<Effect, string> = {
  read: 'read',
  write: 'write',
  execute: 'execute',
  network: 'network',
};

function toRuled(scope: PolicyScope, { rule, index, text }: CompiledRule, effect: Effect): Ruled {
  const reason = rule.reason ?? `${scope.profile?.id} ${verbs[rule.decision]} ${nouns[effect]}`;
  return { ...fromNothing(scope), ruleIndex: index, ruleText: text, decision: rule.decision, reason };
}

/** A piece of a command that nothing forbids: what it runs is decided with the command around it. */
function insideOf(scope: PolicyScope | undefined, part: Part, doubt: string | undefined): Ruled {
  const nothing = { ...fromNothing(scope), ruleText: 'runs nothing' };
  // Words that are kept in a variable are used somewhere: a name that they may spell is no less forbidden there.
  const isKept = part.kind === 'command' && part.command.words.length === 0;
  return isKept && doubt !== undefined
    ? { ...nothing, decision: 'ask', reason: doubt }
    : { ...nothing, decision: 'allow', reason: 'it runs nothing by itself' };
}

function because(part: Part): string {
  const hidden = part.kind === 'command' ? part.command.hidden : undefined;
  return hidden === undefined ? '' : `: ${hidden}`;
}

/** Plan mode looks and does not touch, whatever a rule allows. */
function withMode(
  ruled: Ruled,
  profile: PolicyProfile,
  part: Part,
  call: PolicyCall,
  context: PolicyContext,
): Ruled {
  const isPlan = context.mode === 'plan' || profile.mode === 'plan';
  if (!isPlan || ruled.decision === 'deny' || call.effect === 'read' || part.kind === 'run') return ruled;
  return {
    ...ruled,
    ruleIndex: null,
    ruleText: 'plan mode',
    decision: 'deny',
    reason: 'plan mode only reads',
  };
}

export const modeDefaults: Record<PolicyMode, Record<Effect, Decision>> = {
  plan: { read: 'deny', write: 'deny', execute: 'deny', network: 'deny' },
  default: { read: 'ask', write: 'ask', execute: 'ask', network: 'ask' },
  // Where no rule matches, it accepts what its name says, and no commands.
  acceptEdits: { read: 'allow', write: 'allow', execute: 'ask', network: 'ask' },
  delegate: { read: 'allow', write: 'allow', execute: 'allow', network: 'ask' },
};

function byDefault(
  scope: PolicyScope | undefined,
  profile: PolicyProfile,
  doubt: string | undefined,
  part: Part,
  effect: Effect,
  context: PolicyContext,
): Ruled {
  const ruled = { ...fromNothing(scope), ruleText: 'no rule matches' };
  if (part.kind === 'run') return { ...ruled, decision: 'allow', reason: 'it concerns only the run itself' };
  if (effect === 'network' && !context.attended) {
    const decision = profile.headlessNetwork ?? 'deny';
    return {
      ...ruled,
      decision,
      reason: `${profile.id} ${verbs[decision]} the network when nobody is there`,
    };
  }
  const mode = context.mode ?? profile.mode;
  const decision = profile.defaults?.[effect] ?? modeDefaults[mode][effect];
  const uncertain = doubt ?? uncertainty(part);
  if (decision === 'allow' && uncertain !== undefined)
    return { ...ruled, decision: 'ask', reason: uncertain };
  const reason = `no rule of ${profile.id} matches, and then ${mode} mode ${verbs[decision]} ${nouns[effect]}`;
  return withUncertainty({ ...ruled, decision, reason }, part);
}

/** A model that is told what was in the way can write the command anew. */
function withUncertainty(ruled: Ruled, part: Part): Ruled {
  const uncertain = uncertainty(part);
  return uncertain === undefined ? ruled : { ...ruled, reason: `${ruled.reason}; ${uncertain}` };
}

function uncertainty(part: Part): string | undefined {
  return part.kind === 'command' ? (part.command.hidden ?? part.command.caution) : undefined;
}

function matchesBehind(
  scopes: readonly PolicyScope[],
  { part, ruled }: { part: Part; ruled: Ruled },
  call: PolicyCall,
  context: PolicyContext,
): NonNullable<PolicyDecision['next']> {
  const matching = scopes.flatMap((scope) =>
    activeRules(scope, call, context)
      .filter((rule) => rule.match(part, call) === 'yes')
      .map((rule) => ({ scope, rule })),
  );
  const at = matching.findIndex(
    ({ scope, rule }) => scope.scope === ruled.scope && rule.index === ruled.ruleIndex,
  );
  return matching.slice(at + 1).map(({ scope, rule }) => ({
    scope: scope.scope,
    profileId: scope.profile?.id ?? '',
    profileVersion: scope.version,
    ruleIndex: rule.index,
    ruleText: rule.text,
    decision: rule.rule.decision,
  }));
}
