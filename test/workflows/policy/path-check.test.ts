import { expect, test } from 'vitest';
import { createPathCheck } from '../../../workflows/policy/path-check.ts';
import { attended, call, profileWith, runScope } from './decide.ts';

const profile = profileWith([
  { paths: ['**/.env'], decision: 'deny', reason: 'it may hold secrets' },
  { paths: ['docs/**'], decision: 'ask' },
  { effect: 'read', decision: 'allow' },
]);

test('what a call named is settled, and what it turns out to reach must be allowed by itself', () => {
  const check = createPathCheck(runScope(profile), call('read', './a/../link'), attended);
  expect(
    ['link', '/project/link', 'src/a.ts', 'src/.env', 'docs/a.md', '../x'].map((path) =>
      check(path, 'itself'),
    ),
  ).toEqual([
    undefined,
    undefined,
    undefined,
    'Denied by policy: this leads to src/.env, which was not allowed (deny anything: **/.env): it may hold secrets.',
    'Denied by policy: this leads to docs/a.md, which was not allowed (ask anything: docs/**): own asks about read.',
    'Denied by policy: this leads to ../x, which was not allowed (outside the project): ../x leads outside the project directory; use a path inside it.',
  ]);
});

test('what a person approved is that path and none it leads to', () => {
  const check = createPathCheck(runScope(profile), call('read', 'docs/a.md'), attended);
  const paths = ['docs/a.md', 'docs/b.md', 'docs/a.md\ndocs/a.md'];
  expect(paths.map((path) => check(path, 'itself'))).toEqual([
    undefined,
    'Denied by policy: this leads to docs/b.md, which was not allowed (ask anything: docs/**): own asks about read.',
    'Denied by policy: the path holds a line end.',
  ]);
});

test('each path of a patch is settled, the files below a searched directory are not', () => {
  const patch = createPathCheck(runScope(profileWith([])), call('write', 'a\nb/c', 'patch'), attended);
  expect(['a', 'b/c', 'b'].map((path) => patch(path, 'itself') === undefined)).toEqual([true, true, false]);
  const search = createPathCheck(runScope(profile), call('read', '.', 'grep'), attended);
  expect(['a', 'b/.env', '.env'].map((path) => search(path, 'below') === undefined)).toEqual([
    true,
    false,
    false,
  ]);
});

test('a yes to a search goes for what the same rule asks about below it, and for nothing else', () => {
  const rules = [
    { paths: ['**/.env'], decision: 'deny' as const },
    { paths: ['notes/**'], decision: 'ask' as const },
    { effect: 'read' as const, decision: 'ask' as const },
  ];
  const search = createPathCheck(runScope(profileWith(rules)), call('read', '.', 'grep'), attended);
  const below = ['a.ts', 'src/b.ts', '.env', 'notes/diary.md'];
  expect(below.filter((path) => search(path, 'below') === undefined)).toEqual(['a.ts', 'src/b.ts']);
  // Where a link leads was shown to nobody.
  expect(below.filter((path) => search(path, 'itself') === undefined)).toEqual([]);
});

test('a name in another normal form is what was approved, and a rule about the real name still denies it', () => {
  const [composed, decomposed] = ['caf\u00e9', 'cafe\u0301'];
  const rules = [
    { paths: [`secret/${composed}`], decision: 'deny' as const },
    { paths: ['**'], decision: 'ask' as const },
  ];
  const answers = ['docs', 'secret'].map((folder) => {
    const asked = call('read', `${folder}/${decomposed}`);
    const check = createPathCheck(runScope(profileWith(rules)), asked, attended);
    return check(`${folder}/${composed}`, 'itself') === undefined;
  });
  expect(answers).toEqual([true, false]);
});
