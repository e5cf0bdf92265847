import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { root } from '../product-files.ts';
import { openOverlay } from './overlay.ts';
import { type Recipe, recipes } from './recipes.ts';

/** What each row of the README's table names: `<name>` stands for a name, a folder for a file somewhere below it. */
function namedFiles(): Map<string, string[]> {
  const readme = readFileSync(path.join(root, 'README.md'), 'utf8');
  const part = /\n## How to add\n([^]*?)\n## /.exec(readme)?.[1] ?? '';
  const rows = part.split('\n').filter((line) => line.startsWith('| '));
  return new Map(
    rows.slice(1).map((row) => {
      const [, what = '', touch = ''] = row.split('|').map((cell) => cell.trim());
      return [what, [...touch.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name)];
    }),
  );
}

function fits(file: string, named: string): boolean {
  if (named.endsWith('/')) return file.startsWith(named);
  const [start = '', end] = named.split(/<\w+>/);
  if (end === undefined) return file === named;
  const between = file.slice(start.length, file.length - end.length);
  return file.startsWith(start) && file.endsWith(end) && between !== '' && !between.includes('/');
}

/** The edits of all recipes but the ones left out: one program of the compiler shows many recipes at once. */
function problemsWithout(leftOut: ReadonlyMap<Recipe, string>): string[] {
  const files = new Map<string, string>();
  for (const recipe of recipes) {
    for (const [name, edit] of Object.entries(recipe.edits)) {
      if (leftOut.get(recipe) === name) continue;
      const text =
        files.get(name) ?? (typeof edit === 'string' ? '' : readFileSync(path.join(root, name), 'utf8'));
      files.set(name, typeof edit === 'string' ? edit : edit(text));
    }
  }
  const overlay = openOverlay(files);
  const looked = leftOut.size === 0 ? recipes : [...leftOut.keys()];
  const compiled = looked
    .flatMap(({ edits, alsoCompiles = [] }) => [...Object.keys(edits), ...alsoCompiles])
    .filter((name) => name.endsWith('.ts') && overlay.read(name) !== undefined);
  return [
    ...overlay.typeProblems([...new Set(compiled)]),
    ...recipes.flatMap(({ missing }) => missing?.(overlay.read) ?? []),
  ];
}

test('the README names for each thing to add the files that adding one touches, and no others', () => {
  const named = namedFiles();
  expect([...named.keys()]).toEqual(recipes.map(({ row }) => row));
  const touched = recipes.map(({ row, edits }) => {
    const names = named.get(row) ?? [];
    const files = Object.keys(edits);
    return {
      row,
      notNamed: files.filter((file) => !names.some((name) => fits(file, name))),
      notTouched: names.filter((name) => !files.some((file) => fits(file, name))),
    };
  });
  expect(touched).toEqual(recipes.map(({ row }) => ({ row, notNamed: [], notTouched: [] })));
});

// The whole is compiled five times.
const long = { tags: ['faults'] };

test('with those files everything compiles and nothing is missing', long, () => {
  expect(problemsWithout(new Map())).toEqual([]);
});

test.each([0, 1, 2, 3])('without file %i of each, what is missing is named', long, (at) => {
  const leftOut = new Map(
    recipes.flatMap((recipe) => {
      const file = Object.keys(recipe.edits)[at];
      return file === undefined ? [] : [[recipe, file] as const];
    }),
  );
  const problems = problemsWithout(leftOut);
  const silent = [...leftOut].filter(([{ sample }]) => !problems.some((problem) => sample.test(problem)));
  expect(silent.map(([{ row }, file]) => `${row} without ${file}`)).toEqual([]);
  const isKnown = (problem: string): boolean =>
    [...leftOut.keys()].some(
      ({ sample, edits }) =>
        sample.test(problem) || Object.keys(edits).some((file) => problem.startsWith(file)),
    );
  expect(problems.filter((problem) => !isKnown(problem))).toEqual([]);
});
