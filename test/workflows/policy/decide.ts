// What the tests of policy decide with: a project at /project, a person who is there unless said otherwise, and short
// ways to write a profile and a call.
import type { Effect } from '../../../workflows/contracts/call.ts';
import type { PolicyProfile, PolicyRule } from '../../../workflows/contracts/policy.ts';
import {
  type Evaluated,
  evaluate,
  type PolicyContext,
  type PolicyScope,
} from '../../../workflows/policy/evaluate.ts';
import { builtInVersion, findProfile } from '../../../workflows/policy/presets.ts';
import type { PolicyCall } from '../../../workflows/policy/subject.ts';

export const attended: PolicyContext = {
  projectRoot: '/project',
  mode: null,
  attended: true,
  now: new Date('2026-03-01T12:00:00Z'),
};

export function profileWith(rules: PolicyRule[], rest: Partial<PolicyProfile> = {}): PolicyProfile {
  return {
    id: 'own',
    name: 'Own',
    description: 'A profile of a test.',
    mode: 'default',
    rules,
    limits: { steps: 10, seconds: 60, costMicros: 1_000_000 },
    stall: null,
    ...rest,
  };
}

export function runScope(profile: PolicyProfile | undefined): PolicyScope[] {
  return [{ scope: 'run', profile, version: builtInVersion }];
}

export function call(effect: Effect, subject: string, tool?: string): PolicyCall {
  const usual = { read: 'read', write: 'write', execute: 'shell', network: 'fetch' }[effect];
  return { tool: tool ?? usual, effect, subject };
}

export function decide(
  profile: PolicyProfile | string,
  wanted: PolicyCall,
  context: Partial<PolicyContext> = {},
): Evaluated {
  const found = typeof profile === 'string' ? findProfile(profile) : profile;
  return evaluate(runScope(found), wanted, { ...attended, ...context });
}
