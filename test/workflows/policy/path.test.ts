import { posix } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { normalizePath } from '../../../workflows/policy/path.ts';

const inside = (path: string) => ({ kind: 'inside', path });
const outside = { kind: 'outside' };
const unusable = (problem: string) => ({ kind: 'unusable', problem });

const cases: [path: string, normal: object][] = [
  ['src/a.ts', inside('src/a.ts')],
  ['./src//lib/../a.ts/', inside('src/a.ts')],
  ['.', inside('.')],
  ['./', inside('.')],
  ['src/..', inside('.')],
  ['...', inside('...')],
  ['..a/b', inside('..a/b')],
  [' ', inside(' ')],
  ['SRC/Ä.ts', inside('SRC/Ä.ts')],
  ['/project', inside('.')],
  ['/project//src/./a', inside('src/a')],
  ['//project/a', inside('a')],
  ['/x/../project/a', inside('a')],
  ['..', outside],
  ['../project/a', outside],
  ['a/../../a', outside],
  ['/', outside],
  ['/etc/passwd', outside],
  ['/projects/a', outside],
  ['/project/../etc', outside],
  ['', unusable('the path is empty')],
  ['a\0', unusable('the path holds a NUL character')],
  ['a\\..\\b', unusable('the path holds a backslash')],
];

test.each(cases)('%j is normalized', (path, normal) => {
  expect(normalizePath(path, '/project')).toEqual(normal);
});

test('the root is normalized too, all lies inside of /, and without a project no absolute path lies inside', () => {
  const read = (path: string, root: string | null) => normalizePath(path, root);
  expect([read('/a/b/c', '//a/./x/../b/'), read('/a/b', '/'), read('/a', null), read('a', null)]).toEqual([
    inside('c'),
    inside('a/b'),
    outside,
    inside('a'),
  ]);
});

const pieces = fc.array(fc.constantFrom('/', '.', '..', '//', 'a', 'b c', 'project', '.env', '*', '\n', '~'));
const anyPath = fc.oneof(
  pieces.map((names) => names.join('/')),
  pieces.map((names) => names.join('')),
  fc.string(),
);

test('normalizing what is normalized changes nothing', () => {
  fc.assert(
    fc.property(anyPath, (path) => {
      const once = normalizePath(path, '/project');
      if (once.kind !== 'inside') return;
      expect(normalizePath(once.path, '/project')).toEqual(once);
      expect(normalizePath(`/project/${once.path}`, '/project')).toEqual(once);
    }),
  );
});

test('a path lies inside exactly when resolving it from the root stays there, and means the same file', () => {
  fc.assert(
    fc.property(anyPath, (path) => {
      fc.pre(path !== '' && !/[\0\\]/.test(path));
      const absolute = posix.resolve('/project', path);
      const expected = absolute === '/project' || absolute.startsWith('/project/');
      const normal = normalizePath(path, '/project');
      // Leaving and coming back by name is refused all the same.
      if (normal.kind === 'inside')
        expect(posix.join('/project', normal.path)).toBe(absolute.replace(/\/$/, ''));
      else expect(expected && !path.includes('..')).toBe(false);
    }),
  );
});
