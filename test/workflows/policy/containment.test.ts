import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createBackground } from '../../../activities/tools/background.ts';
import { publicEgress } from '../../../activities/egress/egress.ts';
import { createTools } from '../../../activities/tools/index.ts';
import type { PolicyProfile, PolicyRule } from '../../../workflows/contracts/policy.ts';
import {
  allowsByDefault,
  commandTool,
  whyContained,
  withRequirement,
} from '../../../workflows/policy/containment.ts';
import { evaluate } from '../../../workflows/policy/evaluate.ts';
import { builtInProfiles } from '../../../workflows/policy/presets.ts';
import { profileWith } from './decide.ts';

const allow = { decision: 'allow' } as const;
const deny = { decision: 'deny' } as const;

test('of the built-in profiles the permissive one requires containment, and the trusted one is exempt', () => {
  const required = builtInProfiles.map((profile) => [profile.id, allowsByDefault(profile), profile.requires]);
  expect(required).toEqual([
    ['plan-readonly', undefined, undefined],
    ['headless-safe-sandbox', undefined, undefined],
    ['ask-before-changes', undefined, undefined],
    ['accept-edits', undefined, undefined],
    ['headless-permissive-sandbox', 'rules[23] (allow execute: **)', 'containment'],
    ['trusted-mount-autonomous', 'rules[6] (allow anything)', undefined],
    ['ask-everything', undefined, undefined],
  ]);
  for (const profile of builtInProfiles) expect(withRequirement(profile)).toEqual(profile);
});

test.each<[what: string, rules: PolicyRule[], more: Partial<PolicyProfile>, open: string | undefined]>([
  ['an allow rule without a list', [allow], {}, 'rules[0] (allow anything)'],
  ['one for the effect', [{ effect: 'execute', ...allow }], {}, 'rules[0] (allow execute)'],
  ['one for the tool', [{ tool: 'shell', ...allow }], {}, 'rules[0] (allow shell)'],
  ['one until a day', [{ ...allow, expiresAt: '2020-01-01T00:00:00Z' }], {}, 'rules[0] (allow anything)'],
  [
    'any command among others',
    [{ commands: ['npm test', '**'], ...allow }],
    {},
    'rules[0] (allow anything: npm test, **)',
  ],
  ['a default', [], { defaults: { execute: 'allow' } }, 'defaults.execute'],
  ['a mode', [], { mode: 'delegate' }, 'mode delegate'],
  [
    'one behind a denial that ends',
    [{ ...deny, expiresAt: '2099-01-01T00:00:00Z' }, allow],
    {},
    'rules[1] (allow anything)',
  ],
  [
    'one behind a denial of one command',
    [{ commands: ['rm **'], ...deny }, allow],
    {},
    'rules[1] (allow anything)',
  ],
  ['a list of programs, however wide', [{ commands: ['bash **', 'python3 **'], ...allow }], {}, undefined],
  [
    'reading and writing',
    [
      { effect: 'read', ...allow },
      { effect: 'write', ...allow },
    ],
    {},
    undefined,
  ],
  ['another tool', [{ tool: 'write', ...allow }], {}, undefined],
  [
    'paths and hosts',
    [
      { paths: ['**'], ...allow },
      { hosts: ['*'], ...allow },
    ],
    {},
    undefined,
  ],
  ['the word ** in quotes', [{ commands: ["'**'"], ...allow }], {}, undefined],
  ['what comes behind a denial of all commands', [{ effect: 'execute', ...deny }, allow], {}, undefined],
  ['what comes behind a question', [{ decision: 'ask' }, allow], { mode: 'delegate' }, undefined],
  ['a mode whose default is another', [], { mode: 'delegate', defaults: { execute: 'ask' } }, undefined],
  ['plan mode', [], { mode: 'plan', defaults: { execute: 'allow' } }, undefined],
])('allowed by default: %s', (_what, rules, more, open) => {
  const profile = profileWith(rules, more);
  expect(allowsByDefault(profile)).toBe(open);
  const stored = withRequirement(profile);
  expect(stored.requires).toBe(open === undefined ? undefined : 'containment');
  expect(withRequirement(stored)).toEqual(stored);
});

test('a profile may require containment by its word alone', () => {
  const profile = profileWith([], { requires: 'containment' });
  expect(whyContained(profile)).toBe('it says so');
  expect(withRequirement(profile)).toEqual(profile);
});

test('the tool that rules may name in place of the effect is the one that runs commands', () => {
  const tools = createTools({ background: createBackground(), egress: publicEgress });
  const running = tools.filter(
    ({ effect, subjectKind }) => effect === 'execute' && subjectKind === undefined,
  );
  expect(running.map(({ name }) => name)).toEqual([commandTool]);
});

const decision = fc.constantFrom('allow', 'ask', 'deny');
const rule = fc.record(
  {
    tool: fc.constantFrom('shell', 'write'),
    effect: fc.constantFrom('read', 'write', 'execute', 'network'),
    commands: fc.constantFrom(['npm test'], ['**'], ['npm **', '**'], ["'**'"]),
    paths: fc.constantFrom(['**'], ['src/**']),
    hosts: fc.constant(['*']),
    expiresAt: fc.constantFrom('2020-01-01T00:00:00Z', '2099-01-01T00:00:00Z'),
    decision,
  },
  { requiredKeys: ['decision'] },
);
const profiles = fc
  .record({
    rules: fc.array(rule, { maxLength: 5 }),
    mode: fc.constantFrom('plan', 'default', 'acceptEdits', 'delegate'),
    defaults: fc.record({ execute: decision }, { requiredKeys: [] }),
  })
  .map(({ rules, ...more }) => profileWith(rules as PolicyRule[], more as Partial<PolicyProfile>));

test('where a command that no rule names is allowed, some profile of the run requires containment', () => {
  let allowed = 0;
  fc.assert(
    fc.property(profiles, profiles, fc.boolean(), (near, far, attended) => {
      const scopes = [
        { scope: 'run' as const, profile: near, version: 1 },
        { scope: 'global' as const, profile: far, version: 1 },
      ];
      const call = { tool: 'shell', effect: 'execute' as const, subject: 'frobnicate --all' };
      const context = { projectRoot: '/srv/shop', mode: null, attended, now: new Date('2026-01-01') };
      if (evaluate(scopes, call, context).decision !== 'allow') return;
      allowed += 1;
      expect(whyContained(near) ?? whyContained(far)).toBeDefined();
    }),
    { numRuns: 2000 },
  );
  expect(allowed).toBeGreaterThan(100);
});
