// Runs that need the machine of an executor: the server's workers here, and those of that machine with a data folder of
// its own.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createTrees } from '../../worker/processes/trees.ts';
import { contentsOf } from '../activities/git/rewinding.ts';
import { type Kernel, withKernel } from '../support/kernel.ts';
import { requestApply, requestUndo } from '../support/rewinding.ts';

const write = (name: string, content: string) => ({ tool: 'write', input: { path: name, content } });
const away = { executor: 'away', policy: 'trusted-mount-autonomous' };

async function aFolder(): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'perdure-away-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function startBoth(kernel: Kernel, folder: string): Promise<void> {
  const trees = createTrees(folder, 'away');
  await kernel.startWorkers();
  await kernel.startWorkers({
    machine: 'away',
    deps: (deps) => ({ ...deps, machine: 'away', trees, place: trees.place }),
  });
}

async function aProject(kernel: Kernel): Promise<string> {
  const project = await kernel.project();
  await writeFile(path.join(project, 'a.txt'), 'a\n');
  return project;
}

const files = (content: Record<string, string>) => new Map(Object.entries(content));

withKernel(
  (kernel) => {
    test('a run on another machine has its own tree there, which is brought home and taken back there', async () => {
      const folder = await aFolder();
      await startBoth(kernel, folder);
      const projectPath = await aProject(kernel);
      const model = await kernel.script(
        { calls: [write('a.txt', 'one\n'), write('b.txt', 'one\n')] },
        { text: 'Done.' },
      );
      const run = await kernel.start({ ...away, model, projectPath, workTree: 'own' });
      expect(await kernel.ended(run)).toMatchObject({
        status: 'succeeded',
        on_executor: { place: expect.stringMatching(`^${folder}/`) },
      });
      expect(contentsOf(projectPath)).toEqual(files({ 'a.txt': 'a\n' }));
      const done = { status: 'done', restored: 2, kept: [] };
      expect(await requestApply(kernel, run)).toMatchObject({ kind: 'apply', ...done });
      const changed = files({ 'a.txt': 'one\n', 'b.txt': 'one\n' });
      expect(contentsOf(projectPath)).toEqual(changed);
      // In its own tree it changes nothing at home until that is brought home too.
      expect(await requestUndo(kernel, run)).toMatchObject({ kind: 'rewind', ...done });
      expect(contentsOf(projectPath)).toEqual(changed);
      expect(await requestApply(kernel, run)).toMatchObject(done);
      expect(contentsOf(projectPath)).toEqual(files({ 'a.txt': 'a\n' }));
      // On the server's machine the same path would be another directory.
      const views = createTrees(kernel.folder).views;
      await expect(views.diff(await kernel.store.run(run.id), undefined)).rejects.toThrow(
        'The project of this run is on the machine of the executor away',
      );
    });

    test('a run in the directory itself is rewound on the machine where that is, and waits there while it is off', async () => {
      const folder = await aFolder();
      await startBoth(kernel, folder);
      const projectPath = await aProject(kernel);
      const model = await kernel.script({ calls: [write('a.txt', 'one\n')] }, { text: 'Done.' });
      const run = await kernel.start({ ...away, model, projectPath });
      await kernel.ended(run);
      expect(contentsOf(projectPath)).toEqual(files({ 'a.txt': 'one\n' }));
      await kernel.stopWorkers();
      await kernel.startWorkers();
      // The server's own workers have no record of it.
      const rewinding = requestUndo(kernel, run);
      await kernel.stopWorkers();
      await startBoth(kernel, folder);
      expect(await rewinding).toMatchObject({ status: 'done', restored: 1 });
      expect(contentsOf(projectPath)).toEqual(files({ 'a.txt': 'a\n' }));
    });

    test('a run whose executor stays away is given up when its patience is at its end', async () => {
      await kernel.startWorkers();
      const projectPath = await aProject(kernel);
      const run = await kernel.start({
        ...away,
        model: await kernel.script({ text: 'Done.' }),
        projectPath,
      });
      await expect.poll(async () => (await kernel.store.run(run.id)).status).toBe('running');
      await kernel.store.database.pool.query(
        'update runs set executor_silent_at = now(), executor_until = now() where id = $1',
        [run.id],
      );
      await kernel.wake(run);
      expect(await kernel.ended(run)).toMatchObject({
        status: 'failed',
        reason: 'executor_lost',
        reason_text: expect.stringMatching(/^Nothing has been heard of its executor away since /),
      });
    });
  },
  { idle: true },
);
