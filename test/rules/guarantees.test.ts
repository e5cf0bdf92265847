import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import ts from 'typescript';
import { expect, test } from 'vitest';
import { faults } from '../tiers.ts';
import { root } from './product-files.ts';

const testFolder = path.join(root, 'test');

interface Guarantee {
  fails: string;
  /** Test files, from the folder of tests. */
  quick: string[];
  long: string[];
}

function readGuarantees(text: string): Guarantee[] {
  const rows = text.split('\n').filter((line) => line.startsWith('| '));
  return rows.slice(1).map((row) => {
    const [, fails = '', , quick = '', long = ''] = row.split('|').map((cell) => cell.trim());
    return { fails, quick: testFiles(quick), long: testFiles(long) };
  });
}

function testFiles(cell: string): string[] {
  return [...cell.matchAll(/`([^`]+\.test\.ts)`/g)].map(([, name = '']) => name);
}

/** Whether tests of a file run in plain `npm test`, and whether `--faults` adds some or makes them larger. */
function look(text: string): { isQuick: boolean; grows: boolean } {
  const source = ts.createSourceFile('a.test.ts', text, ts.ScriptTarget.Latest);
  const found = { quick: 0, long: 0 };
  const visit = (node: ts.Node): void => {
    if (!ts.isCallExpression(node)) return ts.forEachChild(node, visit);
    const name = calledName(node.expression);
    if ((name === 'test' || name === 'describe') && node.arguments.some(isLong)) {
      found.long += 1;
      return;
    }
    if (name === 'test') found.quick += 1;
    for (const argument of node.arguments) visit(argument);
  };
  visit(source);
  // The tests of some files are defined in other files.
  const isQuick = found.quick > 0 || found.long === 0;
  return { isQuick, grows: found.long > 0 || /\bwith(Faults|Kernel)\b/.test(text) };
}

/** `test` of `test(…)`, `test.each(…)(…)` and the like. */
function calledName(callee: ts.Expression): string | undefined {
  if (ts.isIdentifier(callee)) return callee.text;
  const isChain = ts.isCallExpression(callee) || ts.isPropertyAccessExpression(callee);
  return isChain ? calledName(callee.expression) : undefined;
}

function isLong(argument: ts.Expression): boolean {
  if (!ts.isObjectLiteralExpression(argument)) return false;
  return argument.properties.some(
    (property) =>
      ts.isPropertyAssignment(property) &&
      ts.isIdentifier(property.name) &&
      property.name.text === 'tags' &&
      ts.isArrayLiteralExpression(property.initializer) &&
      property.initializer.elements.some((each) => ts.isStringLiteral(each) && each.text === faults.name),
  );
}

function problemsOf(guarantee: Guarantee, read: (name: string) => string | undefined): string[] {
  const { fails, quick, long } = guarantee;
  const problems: string[] = [];
  if (quick.length === 0) problems.push(`"${fails}": no test in plain npm test shows it`);
  for (const name of new Set([...quick, ...long])) {
    const text = read(name);
    if (text === undefined) {
      problems.push(`"${fails}": there is no test/${name}`);
      continue;
    }
    const seen = look(text);
    if (quick.includes(name) && !seen.isQuick)
      problems.push(`"${fails}": no test of test/${name} runs without --faults`);
    if (long.includes(name) && !seen.grows)
      problems.push(`"${fails}": --faults adds nothing to test/${name}`);
  }
  return problems;
}

test('each guarantee is shown in plain npm test, and what stands under --faults is there', () => {
  const guarantees = readGuarantees(readFileSync(path.join(testFolder, 'guarantees.md'), 'utf8'));
  expect(guarantees.length).toBeGreaterThan(40);
  const read = (name: string): string | undefined => {
    const file = path.join(testFolder, name);
    return existsSync(file) ? readFileSync(file, 'utf8') : undefined;
  };
  expect(guarantees.flatMap((guarantee) => problemsOf(guarantee, read))).toEqual([]);
});

test('a guarantee that no quick test shows is noticed', () => {
  const files: Record<string, string> = {
    'quick.test.ts': "test.each(rows)('works', () => {});",
    'long.test.ts': "test('works', { tags: ['faults'] }, () => {});",
    'in-a-group.test.ts': "describe('a', { tags: ['faults'] }, () => test('works', () => {}));",
  };
  const table = [
    '| What fails | What happens | In `npm test` | With `--faults` | Not covered |',
    '|---|---|---|---|---|',
    '| right | it works | `quick.test.ts` | `long.test.ts`, `in-a-group.test.ts` | |',
    '| only long | it works | | `long.test.ts` | |',
    '| said to be quick | it works | `in-a-group.test.ts` | `quick.test.ts` | |',
    '| gone | it works | `gone.test.ts` | | |',
  ];
  const guarantees = readGuarantees(table.join('\n'));
  expect(guarantees.flatMap((guarantee) => problemsOf(guarantee, (name) => files[name]))).toEqual([
    '"only long": no test in plain npm test shows it',
    '"said to be quick": no test of test/in-a-group.test.ts runs without --faults',
    '"said to be quick": --faults adds nothing to test/quick.test.ts',
    '"gone": there is no test/gone.test.ts',
  ]);
});
