import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { root } from './product-files.ts';

/** Lints one file as if it lay at this place of the repository; returns the names of the rules it breaks. */
function lint(name: string, text: string): string[] {
  const folder = mkdtempSync(path.join(tmpdir(), 'perdure-lint-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  for (const file of ['node_modules', 'tsconfig.json', '.oxlintrc.json']) {
    symlinkSync(path.join(root, file), path.join(folder, file));
  }
  mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
  writeFileSync(path.join(folder, name), text);
  const oxlint = path.join(root, 'node_modules/oxlint/bin/oxlint');
  const { stdout } = spawnSync(process.execPath, [oxlint, '--type-aware', '-f', 'unix', name], {
    cwd: folder,
    encoding: 'utf8',
  });
  return [...new Set([...stdout.matchAll(/\[Error\/([^\]]+)\]/g)].map((match) => match[1] ?? ''))].sort();
}

const lines = (count: number) => Array.from({ length: count }, (_, at) => `  console.log(${at});\n`).join('');

test('a promise nobody waits for is an error', () => {
  const text = 'async function save(): Promise<void> {}\nexport function act(): void {\n  save();\n}\n';
  expect(lint('api/sample.ts', text)).toEqual(['typescript(no-floating-promises)']);
});

test('the environment is read in two files only', () => {
  const text = 'export const home = process.env.HOME;\n';
  expect(lint('api/sample.ts', text)).toEqual(['node(no-process-env)']);
  expect([...lint('worker/config/config.ts', text), ...lint('api/cli/main.ts', text)]).toEqual([]);
});

test('a file has at most 300 lines and a function at most 80, comments and blanks apart', () => {
  expect(lint('api/sample.ts', `export function long(): void {\n${lines(79)}}\n`)).toEqual([
    'eslint(max-lines-per-function)',
  ]);
  expect(lint('api/sample.ts', `export function long(): void {\n${lines(78)}\n  // Reason.\n}\n`)).toEqual(
    [],
  );
  expect(lint('api/sample.ts', `${lines(301)}export {};\n`)).toEqual(['eslint(max-lines)']);
});

test('abbreviated names are errors', () => {
  expect(lint('api/sample.ts', 'export const answer = (req: string) => req;\n')).toEqual([
    'eslint(id-denylist)',
  ]);
});

test('a switch over a union names every case', () => {
  const text =
    "export function size(of: 'small' | 'large'): number {\n  switch (of) {\n    case 'small':\n      return 1;\n  }\n  return 2;\n}\n";
  expect(lint('api/sample.ts', text)).toEqual(['typescript(switch-exhaustiveness-check)']);
});
