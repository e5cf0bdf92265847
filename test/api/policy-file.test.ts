import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readPolicyFile, writePolicyFile } from '../../api/policy-file.ts';
import { builtInProfiles } from '../../workflows/policy/presets.ts';

const start = `id: house
name: House
description: What we allow.
mode: default
limits: { steps: 50, seconds: 600, costMicros: 5000000 }
stall: null
`;

test('a profile is written as YAML and read back as it was', () => {
  for (const profile of builtInProfiles)
    expect(readPolicyFile(writePolicyFile(profile))).toEqual({ profile });
});

test('a file written by hand is read', () => {
  const text = `${start}
rules:
  # No secrets.
  - { paths: ['**/.env'], decision: deny, reason: it may hold secrets }
  - effect: execute
    commands:
      - git status
      - npm test **
    decision: allow
    expiresAt: 2030-01-01T00:00:00Z
    examples: { match: [npm test -- a], noMatch: [npm publish] }
`;
  expect(readPolicyFile(text)).toMatchObject({
    profile: {
      id: 'house',
      rules: [
        { decision: 'deny' },
        { commands: ['git status', 'npm test **'], expiresAt: '2030-01-01T00:00:00Z' },
      ],
    },
  });
});

const wrong: [what: string, text: string, line: number, problem: RegExp][] = [
  [
    'a key there is not',
    `${start}rules: []\nruels: []\n`,
    8,
    /^Line 8: a profile has no "ruels"; there are id, name,/,
  ],
  [
    'a key there is not in a rule',
    `${start}rules:\n  - decision: deny\n    path: [a]\n`,
    9,
    /^Line 9: rules\.0 has no "path"; there are tool, effect, paths,/,
  ],
  [
    'a key there is not further down',
    `${start}rules:\n  - decision: deny\n    paths: [a]\n    examples:\n      matches: []\n`,
    11,
    /^Line 11: rules\.0\.examples has no "matches"\.$/,
  ],
  [
    'a value that does not fit',
    `${start}rules:\n  - { decision: maybe }\n`,
    8,
    /^Line 8: rules\.0\.decision: Invalid option/,
  ],
  [
    'something missing',
    `${start}rules:\n  - decision: deny\n  - paths: [a]\n`,
    9,
    /^Line 9: rules\.1\.decision: it is missing\.$/,
  ],
  [
    'a pattern that means nothing',
    `${start}rules:\n  - commands:\n      - ls\n      - git log*\n    decision: deny\n`,
    10,
    /^Line 10: rules\[0\] .* has \* inside the word log\*/,
  ],
  [
    'an example that is wrong',
    `${start}rules:\n  - decision: allow\n    commands: [ls]\n    examples:\n      match:\n        - ls -l\n`,
    12,
    /^Line 12: rules\[0\] \(allow anything: ls\) should match its example "ls -l" and does not\.$/,
  ],
  ['a key twice', `${start}mode: plan\n`, 7, /^Line 7: this is not YAML: Map keys must be unique\.$/],
  ['no YAML', `${start}rules: [\n`, 8, /^Line 8: this is not YAML: /],
  [
    'an alias',
    `${start}rules: &none []\ngates: *none\n`,
    8,
    /^Line 8: a profile has no aliases; write it out\.$/,
  ],
  ['nothing at all', '', 1, /^Line 1: the profile: /],
  ['two documents', `${start}rules: []\n---\n${start}`, 8, /^Line 8: this is not YAML: /],
];

test.each(wrong)('%s is refused in one sentence with its line', (_what, text, line, problem) => {
  expect(readPolicyFile(text)).toMatchObject({ problem: expect.stringMatching(problem), line });
});

test('no text is too odd to be refused', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.string().map((text) => start + text),
      ),
      (text) => {
        expect(Object.keys(readPolicyFile(text)).length).toBeGreaterThan(0);
      },
    ),
  );
});
