// The files of this repository that people wrote, for the rules that look at every one of them.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { globSync } from 'tinyglobby';

export const root = path.join(import.meta.dirname, '../..');

export interface SourceFile {
  /** From the root, with forward slashes. */
  name: string;
  text: string;
}

/** What is fetched, generated, recorded from elsewhere, or a sample with a life of its own. */
const notOurs = [
  '**/node_modules/**',
  '.git/**',
  '**/.perdure/**',
  'coverage/**',
  '**/*.log',
  'package-lock.json',
  'activities/store/db/tables.ts',
  'test/fixtures/**',
  'test/histories/**',
  'api/cli/demo/project/**',
];

export function productFiles(patterns: string[] = ['**']): SourceFile[] {
  const names = globSync(patterns, { cwd: root, dot: true, ignore: notOurs }).sort();
  return names.map((name) => ({ name, text: readFileSync(path.join(root, name), 'utf8') }));
}

export const codeFiles = ['{workflows,activities,api,worker,test}/**/*.{ts,mjs,js}'];
