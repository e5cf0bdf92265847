import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { cruiseImports } from './cruise.ts';
import { storeRooms } from './activity-import-rules.ts';
import { importRules } from './import-rules.ts';

const root = path.join(import.meta.dirname, '../..');

/** A file with one forbidden import, for each rule; what it imports is written too unless it is a package. */
const broken: Record<
  string,
  { from: string; imports: string; typeOnly?: true; also?: Record<string, string> }
> = {
  'workflows-import-nothing-outside': { from: 'workflows/a.ts', imports: '../activities/b.ts' },
  'workflows-without-node': { from: 'workflows/a.ts', imports: 'node:fs' },
  'workflows-take-two-packages': { from: 'workflows/contracts/a.ts', imports: 'pg' },
  'policy-takes-two-packages': { from: 'workflows/policy/a.ts', imports: 'yaml' },
  'zod-in-contracts-only': { from: 'workflows/run/a.ts', imports: 'zod' },
  'messages-and-failures-without-zod': { from: 'workflows/contracts/messages.ts', imports: 'zod' },
  'workflows-take-types-from-contracts': { from: 'workflows/a.ts', imports: './contracts/run.ts' },
  'schedule-takes-two-packages': { from: 'workflows/schedule/a.ts', imports: 'yaml' },
  'workflows-do-not-import-schedule': {
    from: 'workflows/a.ts',
    imports: './schedule/b.ts',
  },
  'workflows-do-not-import-policy': { from: 'workflows/a.ts', imports: './policy/b.ts' },
  'pure-folders-without-temporal': { from: 'workflows/run/a.ts', imports: '@temporalio/workflow' },
  'pure-folders-import-contracts': { from: 'workflows/policy/a.ts', imports: '../b.ts' },
  'activities-stay-below': { from: 'activities/a.ts', imports: '../api/b.ts' },
  'activities-take-contracts-and-pure-code': { from: 'activities/a.ts', imports: '../workflows/run/loop.ts' },
  'activity-folders-without-temporal': { from: 'activities/tools/a.ts', imports: '@temporalio/activity' },
  'activity-folders-import-ports': { from: 'activities/tools/a.ts', imports: '../sandbox/index.ts' },
  'activity-folders-stay-plain': { from: 'activities/tools/a.ts', imports: '../deps.ts' },
  'steps-and-calls-import-deps-only': { from: 'activities/step/a.ts', imports: '../attempt.ts' },
  'steps-and-calls-use-the-sandbox-port': { from: 'activities/call/a.ts', imports: '../sandbox/index.ts' },
  'calls-know-no-step': { from: 'activities/call/a.ts', imports: '../step/b.ts' },
  'sandboxes-hide-what-they-run-in': { from: 'worker/a.ts', imports: '../activities/sandbox/mount/b.ts' },
  'sandboxes-know-no-other': { from: 'activities/sandbox/hybrid/a.ts', imports: '../mount/mount.ts' },
  ...Object.fromEntries(
    storeRooms
      .slice(0, -1)
      .map((room) => [
        `store-${room}-imports-rooms-before`,
        { from: `activities/store/${room}/a.ts`, imports: `../${storeRooms.at(-1)}/b.ts` },
      ]),
  ),
  'sql-in-the-store-only': { from: 'api/routes/a.ts', imports: 'kysely' },
  'api-imports-the-store-and-contracts': { from: 'api/a.ts', imports: '../activities/llm/b.ts' },
  'faces-talk-through-the-client': { from: 'api/cli/a.ts', imports: '../app.ts' },
  'faces-take-types-from-contracts': { from: 'api/cli/a.ts', imports: '../../workflows/contracts/run.ts' },
  'client-runs-in-a-browser': { from: 'api/client/client.ts', imports: '../app.ts' },
  'client-without-node': { from: 'api/client/a.ts', imports: 'node:path' },
  'verbs-without-http': { from: 'api/verbs/a.ts', imports: 'fastify' },
  'gateways-through-verbs': { from: 'api/gateways/a.ts', imports: '../../activities/store/runs/b.ts' },
  'routes-write-through-verbs': {
    from: 'api/routes/a.ts',
    imports: '../../activities/store/lifecycle/b.ts',
  },
  'temporal-client-in-three-places': { from: 'api/routes/a.ts', imports: '@temporalio/client' },
  'nobody-imports-worker': { from: 'api/a.ts', imports: '../worker/b.ts' },
  'nobody-imports-test': { from: 'worker/a.ts', imports: '../test/b.ts' },
  'no-cycles': { from: 'worker/a.ts', imports: './b.ts', also: { 'worker/b.ts': `import './a.ts';` } },
  'packages-are-declared': { from: 'worker/a.ts', imports: '@grpc/grpc-js' },
  'product-without-dev-packages': { from: 'worker/a.ts', imports: 'vitest' },
  'imports-resolve': { from: 'worker/a.ts', imports: './nowhere.ts', also: { 'worker/b.ts': '' } },
};

async function writeTree(files: Record<string, string>): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'perdure-rules-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await cp(path.join(root, 'package.json'), path.join(folder, 'package.json'));
  await symlink(path.join(root, 'node_modules'), path.join(folder, 'node_modules'));
  for (const [file, source] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(folder, file)), { recursive: true });
    await writeFile(path.join(folder, file), source);
  }
  return folder;
}

test('no file of the product imports what its folder may not', async () => {
  const { modules, problems } = await cruiseImports(root);
  // A checker that follows no import finds nothing wrong; the contracts alone were this many modules.
  expect(modules).toBeGreaterThan(15);
  expect(problems).toEqual([]);
  // Half a second on an idle machine; the whole tree is parsed.
});

test('every rule has an example that breaks it', () => {
  expect(Object.keys(broken).sort()).toEqual(importRules.map((rule) => rule.name).sort());
});

test.each(Object.entries(broken))('%s is noticed when broken', async (name, { from, imports, also }) => {
  const target = path.posix.join(path.posix.dirname(from), imports);
  const isOurs = imports.startsWith('.') && name !== 'imports-resolve';
  const folder = await writeTree({
    ...(isOurs ? { [target]: 'export {};\n' } : {}),
    [from]: `import { x } from '${imports}';\nexport const y = x;\n`,
    ...also,
  });
  const { problems } = await cruiseImports(folder);
  expect(problems.filter((problem) => problem.includes(`(${name})`))).not.toEqual([]);
});

test('a step and a call may be made of what the folders beside them can do, which know nothing of each other', async () => {
  const files = {
    'activities/deps.ts': 'export const x = 1;\n',
    'activities/llm/index.ts': 'export const x = 1;\n',
    'activities/sandbox/sandbox.ts': 'export const x = 1;\n',
    'activities/call/review.ts': `export { x } from '../llm/index.ts';\n`,
    'activities/step/ask.ts': ['../deps', '../llm/index', '../sandbox/sandbox', '../call/review']
      .map((file, at) => `export { x as x${at} } from '${file}.ts';\n`)
      .join(''),
  };
  expect(await cruiseImports(await writeTree(files))).toEqual({ modules: 5, problems: [] });
  const told = { 'activities/tools/a.ts': `export { x } from '../step/ask.ts';\n` };
  const { problems } = await cruiseImports(await writeTree({ ...files, ...told }));
  expect(problems).toEqual([expect.stringContaining('(activity-folders-import-ports)')]);
});

test('types may cross where values may not', async () => {
  const folder = await writeTree({
    'workflows/contracts/run.ts': 'export interface Run { id: string }\n',
    'workflows/a.ts': `import type { Run } from './contracts/run.ts';\nexport const id = (run: Run) => run.id;\n`,
    'api/cli/a.ts': `import type { Run } from '../../workflows/contracts/run.ts';\nexport const id = (run: Run) => run.id;\n`,
  });
  expect(await cruiseImports(folder)).toEqual({ modules: 3, problems: [] });
});
