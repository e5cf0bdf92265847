import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parsePattern } from '../../../workflows/policy/command-pattern.ts';
import { call, decide, profileWith } from './decide.ts';

function allows(pattern: string, command: string): boolean {
  return (
    decide(profileWith([{ commands: [pattern], decision: 'allow' }]), call('execute', command)).decision ===
    'allow'
  );
}

const matches: [pattern: string, allowed: string[], not: string[]][] = [
  [
    'npm test',
    ['npm test', ' npm  test ', '"npm" \'test\'', 'n\\pm test', 'CI=1 npm test'],
    ['npm', 'npm testing', 'npm test x', './npm test', '/usr/bin/npm test', 'npm "$x"', 'x=1 npm test'],
  ],
  [
    'git diff *',
    ['git diff a', 'git diff "a b"', 'git diff HEAD~1'],
    [
      'git diff',
      'git diff -x',
      'git diff --',
      'git diff a b',
      'git diff *.ts',
      'git diff "$x"',
      'git diff $x',
    ],
  ],
  ['go test **', ['go test', 'go test -v ./...', 'go test $x *.go'], ['go vet', 'go $x', 'go test > x']],
  ['**', ['a', 'a b c'], ['$a', 'a | sh', 'sudo a']],
  ["grep 'a b' '*' *", ["grep 'a b' \\* c", 'grep "a b" "*" c'], ['grep a b \\* c', "grep 'a b' x c"]],
  ["echo 'it'\\''s'", ['echo "it\'s"'], ['echo its']],
  ["say ''", ['say ""'], ['say', 'say x']],
];

test.each(matches)('%s', (pattern, allowed, not) => {
  expect({
    not: allowed.filter((command) => !allows(pattern, command)),
    yet: not.filter((command) => allows(pattern, command)),
  }).toEqual({ not: [], yet: [] });
});

const refused: [pattern: string, problem: RegExp][] = [
  ['', /is empty/],
  ['  ', /is empty/],
  ['* a', /begins with \*/],
  ['a ** b', /goes on after \*\*/],
  ['a b*', /\* inside the word b\*/],
  ["a 'b", /single quote without its partner/],
  ['a; b', /one pattern for each command/],
  ['a $x', /one pattern for each command/],
  ['a "b"', /one pattern for each command/],
  ['a\\ b', /one pattern for each command/],
];

test.each(refused)('%j is no pattern', (pattern, problem) => {
  expect(parsePattern(pattern)).toEqual({ problem: expect.stringMatching(problem) });
});

test('quoted words are read back as they were, whatever they hold', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'binary' }), { minLength: 1 }), (words) => {
      const quoted = words.map((word) => `'${word.replaceAll("'", String.raw`'\''`)}'`);
      expect(parsePattern(quoted.join(' '))).toEqual(words.map((text) => ({ kind: 'word', text })));
    }),
  );
});
