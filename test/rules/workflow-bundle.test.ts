import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';
import { expect, onTestFinished, test } from 'vitest';
import { root } from './product-files.ts';

const silent = new DefaultLogger('ERROR', () => undefined);

test('the workflow bundle builds, without zod, activities or any other room of the house', async () => {
  const { code } = await bundleWorkflowCode({
    workflowsPath: path.join(root, 'workflows/index.ts'),
    logger: silent,
  });
  const map = /sourceMappingURL=data:[^,]*;base64,(\S+)/.exec(code)?.[1];
  const { sources } = JSON.parse(Buffer.from(map ?? '', 'base64').toString('utf8')) as { sources: string[] };
  expect(sources.some((source) => source.includes('workflows/agent-run.ts'))).toBe(true);
  const strangers =
    /node_modules\/(zod|pg|kysely|fastify|undici)\/|[^a-z](activities|api|worker|test)\/[a-z/-]+\.ts/;
  const ours = sources.filter((source) => !source.includes('node_modules/@temporalio/'));
  expect(ours.filter((source) => strangers.test(source))).toEqual([]);
});

test('a workflow that reaches for Node does not bundle', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'perdure-bundle-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await symlink(path.join(root, 'node_modules'), path.join(folder, 'node_modules'));
  const workflowsPath = path.join(folder, 'index.ts');
  await writeFile(
    workflowsPath,
    `import { readFileSync } from 'node:fs';\nexport const run = () => readFileSync('x');\n`,
  );
  const complaints: string[] = [];
  const logger = new DefaultLogger('ERROR', ({ message }) => complaints.push(message));
  await expect(bundleWorkflowCode({ workflowsPath, logger })).rejects.toThrow();
  expect(complaints.join('\n')).toContain('node:fs');
});
