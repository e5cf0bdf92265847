import { cp, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  bundleWorkflowCode,
  DefaultLogger,
  Runtime,
  Worker,
  type WorkflowBundleWithSourceMap,
} from '@temporalio/worker';
import { expect, onTestFinished, test } from 'vitest';
import { buildBundle } from '../../worker/processes/bundle.ts';
import { pathOf } from '../histories/path.ts';

const root = path.join(import.meta.dirname, '../..');
const folder = path.join(root, 'test/histories');
const files = (await readdir(folder)).filter((name) => name.endsWith('.json'));
const logger = new DefaultLogger('ERROR', () => {});
// What a replay finds is in its result; the SDK's own report would be a page for each history.
Runtime.install({ logger, telemetryOptions: { logging: { filter: 'ERROR', forward: {} } } });

/** Why each history cannot be replayed; undefined for those that can. */
async function replay(workflowBundle: WorkflowBundleWithSourceMap): Promise<Map<string, string | undefined>> {
  const histories = await Promise.all(
    files.map(async (workflowId) => ({
      workflowId,
      history: JSON.parse(await readFile(path.join(folder, workflowId), 'utf8')) as unknown,
    })),
  );
  const results = new Map<string, string | undefined>();
  for await (const { workflowId, error } of Worker.runReplayHistories({ workflowBundle }, histories)) {
    results.set(workflowId, error?.message);
  }
  return results;
}

test('one history of each path is kept, and all of them stay below a megabyte', async () => {
  const histories = await Promise.all(files.map((file) => readFile(path.join(folder, file), 'utf8')));
  expect(new Set(histories.map(pathOf)).size).toBe(files.length);
  expect(histories.join('').length).toBeLessThan(1_000_000);
});

test('today’s workflows go on from every history that was ever kept', async () => {
  expect(files.length).toBeGreaterThan(30);
  const results = await replay(await buildBundle());
  expect(Object.fromEntries(results)).toEqual(Object.fromEntries(files.map((file) => [file, undefined])));
});

// One activity more, or a timer before the first.
const otherOrders = [
  ['agent-run.ts', 'const fresh =', 'await activities.pendingInput(ref);\n  const fresh ='],
  ['schedule-run.ts', 'const seen = wakes;', 'const seen = wakes;\n    await condition(() => false, 1);'],
  ['attend.ts', 'const seen = wakes;', 'const seen = wakes;\n    await condition(() => false, 1);'],
] as const;

test('a workflow that asks for other things, or in another order, is found out by every history of it', async () => {
  const copy = await mkdtemp(path.join(tmpdir(), 'perdure-replay-'));
  onTestFinished(() => rm(copy, { recursive: true }));
  await cp(path.join(root, 'workflows'), path.join(copy, 'workflows'), { recursive: true });
  await symlink(path.join(root, 'node_modules'), path.join(copy, 'node_modules'));
  for (const [file, what, instead] of otherOrders) {
    const name = path.join(copy, 'workflows', file);
    const source = await readFile(name, 'utf8');
    const changed = source.replace(what, instead);
    expect(changed).not.toBe(source);
    await writeFile(name, changed);
  }
  const workflowsPath = path.join(copy, 'workflows/index.ts');
  const results = await replay(await bundleWorkflowCode({ workflowsPath, logger }));
  const texts = await Promise.all(files.map((name) => readFile(path.join(folder, name), 'utf8')));
  const of = (workflow: string) => files.filter((_, index) => texts[index]?.includes(`"name":"${workflow}"`));
  expect(of('agentRun').length).toBeGreaterThan(30);
  const changed = ['agentRun', 'scheduleRun', 'dispatch', 'deliverHooks'].map(of);
  expect(changed.map(({ length }) => length > 0)).toEqual([true, true, true, true]);
  expect(changed.flat().filter((name) => results.get(name) === undefined)).toEqual([]);
});
