import { readdirSync } from 'node:fs';
import path from 'node:path';
import ts from 'typescript';
import { expect, test } from 'vitest';
import { codeFiles, productFiles, root, type SourceFile } from './product-files.ts';

const topLevel = {
  folders: ['activities', 'api', 'test', 'worker', 'workflows'],
  files: ['README.md', 'docker-compose.yml', 'package.json', 'tsconfig.json'],
  // A tool demands each of these names and looks nowhere else.
  forTools: [
    '.ci',
    '.dockerignore',
    '.env.example',
    '.gitattributes',
    '.github',
    '.gitignore',
    '.npmrc',
    '.oxlintrc.json',
    'Dockerfile',
    'LICENSE',
    'biome.json',
    'package-lock.json',
    'vitest.config.ts',
  ],
  notKept: ['.git', '.perdure', '.env', 'node_modules', 'coverage'],
};

const drawers = /^(utils?|helpers?|common|shared|misc|managers?|services?|handlers?|base|impl|data|infos?)$/;
const lists = [
  'workflows',
  'activities',
  'activities/tools',
  'activities/llm',
  'activities/sandbox',
  'activities/release',
  'api/gateways',
];

function nameProblems(name: string): string[] {
  const problems: string[] = [];
  const segments = name.split('/');
  const stem = (segments.at(-1) ?? '').split('.')[0] ?? '';
  if (!/^[a-z0-9]+(-[a-z0-9]+)*$/.test(stem) && !['README', 'Dockerfile'].includes(stem))
    problems.push(`${name}: write it in kebab-case`);
  for (const word of [...segments.slice(0, -1), stem].map((segment) => segment.split('-').at(-1) ?? '')) {
    if (drawers.test(word))
      problems.push(`${name}: "${word}" is a drawer; name the file for the one thing it does`);
  }
  const folder = path.posix.dirname(name).replace(/^test\//, '');
  if (stem === 'index' && name.endsWith('.ts') && !lists.includes(folder)) {
    problems.push(`${name}: only the lists have an index.ts; import the file itself`);
  }
  return problems;
}

function isOneLineCallback(node: ts.Node, source: ts.SourceFile): boolean {
  if (!ts.isArrowFunction(node)) return false;
  const [first, last] = [node.getStart(source), node.end].map(
    (at) => source.getLineAndCharacterOfPosition(at).line,
  );
  return first === last;
}

/** Names of one letter, which only a callback that fits on its line may have. */
function oneLetterNames({ name, text }: SourceFile): string[] {
  const source = ts.createSourceFile(name, text, ts.ScriptTarget.Latest, true);
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    const declares = ts.isVariableDeclaration(node) || ts.isParameter(node) || ts.isBindingElement(node);
    if (declares && ts.isIdentifier(node.name) && /^[A-Za-z]$/.test(node.name.text)) {
      const owner = ts.findAncestor(node, ts.isFunctionLike);
      if (!owner || !isOneLineCallback(owner, source)) {
        const { line } = source.getLineAndCharacterOfPosition(node.getStart(source));
        found.push(`${name}:${line + 1}: "${node.name.text}" says nothing; name it`);
      }
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

test('the top level holds the five folders, four files and what tools demand, nothing else', () => {
  const allowed = new Set(Object.values(topLevel).flat());
  const entries = readdirSync(root).filter((name) => !name.endsWith('.log'));
  expect(entries.filter((name) => !allowed.has(name))).toEqual([]);
});

test('the five folders are there', () => {
  expect(readdirSync(root)).toEqual(expect.arrayContaining(topLevel.folders));
});

test('file and folder names say what is inside', () => {
  const files = productFiles(['{workflows,activities,api,worker,test}/**']);
  expect(files.length).toBeGreaterThan(30);
  expect(files.flatMap(({ name }) => nameProblems(name))).toEqual([]);
});

test('a name that breaks the rules is noticed', () => {
  expect(
    ['api/stringUtils.ts', 'activities/shared/run.ts', 'api/run-handler.ts', 'worker/index.ts'].map(
      (name) => nameProblems(name).length,
    ),
  ).toEqual([1, 1, 1, 1]);
  expect(
    ['activities/tools/index.ts', 'api/README.md', 'test/rules/names.test.ts'].flatMap(nameProblems),
  ).toEqual([]);
});

test('nothing has a name of one letter but the argument of a one-line callback', () => {
  expect(productFiles(codeFiles).flatMap(oneLetterNames)).toEqual([]);
});

test('a one-letter name is noticed', () => {
  const text =
    'export const f = (xs: number[]) => xs.map((x) => x + 1);\nexport function add(a: number) {\n  return a;\n}\n';
  expect(oneLetterNames({ name: 'worker/sample.ts', text })).toEqual([
    'worker/sample.ts:1: "f" says nothing; name it',
    'worker/sample.ts:2: "a" says nothing; name it',
  ]);
});
