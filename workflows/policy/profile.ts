// The review of a call against policy. Pure. Today it holds the one built-in profile, which allows what it is
// asked: `mount` mode cannot contain a shell, so this profile says that it trusts the agent instead of pretending.
import type { Decision, Effect } from '../contracts/call.ts';
import type { EffectiveLimits } from '../contracts/run.ts';

export interface Profile {
  id: string;
  description: string;
  limits: EffectiveLimits;
}

export interface ReviewedCall {
  tool: string;
  effect: Effect;
  subject: string;
}

export interface Review {
  decision: Decision;
  /** The rule that decided, as people may quote it. */
  rule: string;
  reason: string;
}

export const defaultProfile = 'trusted-mount-autonomous';

export const profiles: readonly Profile[] = [
  {
    id: 'trusted-mount-autonomous',
    description:
      'Allows every tool in the project directory. A shell is not contained: it can reach what its user can.',
    // Generous for a long piece of work, small enough that a forgotten run ends within an hour and 50 dollars.
    limits: { steps: 200, seconds: 3600, costMicros: 50_000_000, tokens: 50_000_000 },
  },
];

export function findProfile(id: string): Profile | undefined {
  return profiles.find((profile) => profile.id === id);
}

export function review(profile: Profile, call: ReviewedCall): Review {
  // An empty subject could match any rule by silence, so it matches none.
  if (call.subject === '') {
    return { decision: 'deny', rule: 'empty subject', reason: `${call.tool} names nothing it would act on` };
  }
  return {
    decision: 'allow',
    rule: `${profile.id}: any tool`,
    reason: `${profile.id} allows ${call.effect}`,
  };
}
