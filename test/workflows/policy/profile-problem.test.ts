import { expect, test } from 'vitest';
import { PolicyProfile, type PolicyRule } from '../../../workflows/contracts/policy.ts';
import {
  builtInProfiles,
  defaultProfile,
  findProfile,
  toRunLimits,
} from '../../../workflows/policy/presets.ts';
import { profileProblem } from '../../../workflows/policy/profile-problem.ts';
import { profileWith } from './decide.ts';

test('the built-in profiles are valid, their examples hold, and their names are their own', () => {
  for (const profile of builtInProfiles) {
    expect(PolicyProfile.parse(profile)).toEqual(profile);
    expect(profileProblem(profile)).toBeUndefined();
  }
  expect(new Set(builtInProfiles.map(({ id }) => id)).size).toBe(builtInProfiles.length);
  expect(findProfile(defaultProfile)?.id).toBe(defaultProfile);
});

test('the numbers of the built-in profiles are those that were promised', () => {
  const rows = builtInProfiles.map(({ id, mode, limits, stall, gates }) => [
    ...[
      id,
      mode,
      limits.steps,
      limits.seconds,
      limits.costMicros / 1_000_000,
      stall?.steps ?? 0,
      stall?.replans ?? 0,
    ],
    Object.entries(gates ?? {})
      .flatMap(([gate, on]) => (on ? [gate] : []))
      .join(' '),
  ]);
  expect(rows).toEqual([
    ['plan-readonly', 'plan', 30, 300, 1, 0, 0, ''],
    ['headless-safe-sandbox', 'default', 50, 600, 5, 10, 2, 'tests lint rollback'],
    ['ask-before-changes', 'default', 100, 3600, 5, 0, 0, ''],
    ['accept-edits', 'default', 100, 3600, 5, 0, 0, ''],
    ['headless-permissive-sandbox', 'acceptEdits', 100, 1800, 20, 10, 2, 'tests'],
    ['trusted-mount-autonomous', 'acceptEdits', 200, 3600, 50, 10, 2, ''],
    ['ask-everything', 'default', 50, 600, 5, 0, 0, ''],
  ]);
});

test('a run always has a limit of tokens', () => {
  const limits = { steps: 1, seconds: 2, costMicros: 3 };
  expect(toRunLimits(profileWith([], { limits }))).toEqual({ ...limits, tokens: 3 });
  expect(toRunLimits(profileWith([], { limits: { ...limits, tokens: 4 } }))).toEqual({
    ...limits,
    tokens: 4,
  });
});

const wrong: [rule: PolicyRule, path: (string | number)[], problem: string][] = [
  [
    { tool: 'a', effect: 'read', decision: 'deny' },
    ['effect'],
    '(deny a) names a tool and an effect; name one of them.',
  ],
  [
    { paths: ['a'], hosts: ['b'], decision: 'deny' },
    ['hosts'],
    '(deny anything: a, b) has paths and hosts; write one rule for each.',
  ],
  [
    { effect: 'read', commands: ['ls'], decision: 'allow' },
    ['commands'],
    '(allow read: ls) can never match: read is not about commands.',
  ],
  [
    { effect: 'execute', paths: ['a'], decision: 'allow' },
    ['paths'],
    '(allow execute: a) can never match: naming a file in a command allows nothing.',
  ],
  [
    { paths: ['a', '/b'], decision: 'deny' },
    ['paths', 1],
    '(deny anything: a, /b) is wrong: /b begins with a slash; paths are relative to the project.',
  ],
  [
    { paths: ['./a'], decision: 'deny' },
    ['paths', 0],
    '(deny anything: ./a) is wrong: ./a holds an empty, . or .. part, which no path has once it is normalized.',
  ],
  [
    { commands: ['git log*'], decision: 'allow' },
    ['commands', 0],
    "(allow anything: git log*) is wrong: git log* has * inside the word log*; * stands for a whole argument, '*' for itself.",
  ],
  [
    { hosts: ['https://a.org'], decision: 'allow' },
    ['hosts', 0],
    '(allow anything: https://a.org) is wrong: https://a.org is no host; write a name such as docs.example.org, *.example.org for every name below it, or * for all.',
  ],
  [
    { commands: ['git status'], decision: 'allow', examples: { match: ['git status', 'git status -s'] } },
    ['examples', 'match', 1],
    '(allow anything: git status) should match its example "git status -s" and does not.',
  ],
  [
    { commands: ['git status **'], decision: 'allow', examples: { match: ['git status && curl x'] } },
    ['examples', 'match', 0],
    '(allow anything: git status **) should match its example "git status && curl x" and does not.',
  ],
  [
    { commands: ['curl **'], decision: 'deny', examples: { noMatch: ['ls', 'ls | curl x'] } },
    ['examples', 'noMatch', 1],
    '(deny anything: curl **) should not match its example "ls | curl x" and does.',
  ],
  [
    { tool: 'todo', decision: 'deny', examples: { match: ['x'] } },
    ['examples'],
    '(deny todo) has examples but says nothing they could match; give it paths, commands, hosts or an effect.',
  ],
];

test.each(wrong)('a wrong rule is refused in one sentence that names it: %j', (rule, path, problem) => {
  expect(profileProblem(profileWith([{ decision: 'allow' }, rule]))).toEqual({
    path: ['rules', 1, ...path],
    problem: `rules[1] ${problem}`,
  });
});

test('examples are subjects of the kind the rule is about', () => {
  const rules: PolicyRule[] = [
    {
      paths: ['**/.env'],
      decision: 'deny',
      examples: { match: ['./a/../.env', '/project/.env'], noMatch: ['.envrc', '../.env'] },
    },
    {
      effect: 'execute',
      paths: ['**/.env'],
      decision: 'deny',
      examples: { match: ['cat .env'], noMatch: ['cat a'] },
    },
    { hosts: ['*.a.org'], decision: 'allow', examples: { match: ['b.a.org'], noMatch: ['a.org'] } },
    { effect: 'network', decision: 'ask', examples: { match: ['a.org'] } },
    // What has expired is still held to its examples.
    {
      commands: ['ls'],
      decision: 'allow',
      expiresAt: '2020-01-01T00:00:00Z',
      examples: { match: ['ls; ls'] },
    },
  ];
  expect(profileProblem(profileWith(rules))).toBeUndefined();
});

test('a profile of more patterns or examples than one call can be held against is refused', () => {
  const rule = (paths: string[]): PolicyRule => ({ paths, decision: 'deny' });
  const names = (count: number) => Array.from({ length: count }, (_, index) => `a${index}`);
  const tooMany = {
    path: ['rules'],
    problem: 'rules hold more than 2000 patterns, each choice in braces counted; write fewer and wider ones.',
  };
  const ten = Array.from({ length: 10 }, () => rule(names(200)));
  expect(profileProblem(profileWith(ten))).toBeUndefined();
  expect(profileProblem(profileWith([...ten, rule(['b'])]))).toEqual(tooMany);
  const choices = Array.from({ length: 21 }, () => rule([`{${names(10).join()}}{${names(10).join()}}`]));
  expect(profileProblem(profileWith(choices))).toEqual(tooMany);
  const long = rule(Array.from({ length: 101 }, (_, index) => `${index}${'x'.repeat(500)}`));
  expect(profileProblem(profileWith([long]))).toEqual({
    path: ['rules'],
    problem:
      'rules hold more than 50000 characters of paths, each choice in braces counted; write fewer and wider ones.',
  });
  const examples = { noMatch: Array.from({ length: 3 }, (_, index) => `${index}${'x'.repeat(9_000)}`) };
  expect(profileProblem(profileWith([{ ...rule(['b']), examples }]))).toEqual({
    path: ['rules'],
    problem: 'rules hold more than 20000 characters of examples; keep those that tell most.',
  });
});
