import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { v7 as uuid } from 'uuid';
import { recordTree } from '../../../../activities/git/tree.ts';
import { defaultTenant } from '../../../../activities/store/db/database.ts';
import { createContents } from '../../../../activities/store/log/contents.ts';
import { sweepsOf } from '../../../../activities/store/retention/sweeps.ts';
import { createFolderSweeps } from '../../../../worker/processes/folder-sweeps.ts';
import { treeFolder } from '../../../../worker/data-folder.ts';
import { createTrees } from '../../../../worker/processes/trees.ts';
import { pruneAll } from '../../../support/retention.ts';
import { openTestStore } from '../../../support/store.ts';

const store = await openTestStore();
const { pool, db } = store.database;
// Whatever is there now is old.
const old = () => new Date(Date.now() + 60_000);

async function made(name: string): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), name));
  onTestFinished(() => rm(folder, { recursive: true }));
  return folder;
}

function sweepsIn(dataFolder: string) {
  return sweepsOf(createContents(db, path.join(dataFolder, 'contents')), createFolderSweeps(dataFolder));
}

test('the folder of a run without a project goes once the run is deleted, and nothing else in there', async () => {
  const dataFolder = await made('perdure-data-');
  const run = await store.started();
  const gone = uuid();
  for (const name of [run.id, gone, 'notes'])
    await mkdir(path.join(dataFolder, 'work', name), { recursive: true });
  await writeFile(path.join(dataFolder, 'work', gone, 'file'), 'left');
  await pruneAll(store, { workFolders: new Date(Date.now() - 60_000) }, sweepsIn(dataFolder));
  expect((await readdir(path.join(dataFolder, 'work'))).sort()).toEqual([run.id, gone, 'notes'].sort());
  await pruneAll(store, { workFolders: old() }, sweepsIn(dataFolder));
  expect((await readdir(path.join(dataFolder, 'work'))).sort()).toEqual([run.id, 'notes'].sort());
});

test('recorded trees stay as long as a run names them; the next recording finds all it builds on', async () => {
  const dataFolder = await made('perdure-data-');
  const project = await made('perdure-project-');
  const trees = createTrees(dataFolder);
  const gitFolder = treeFolder(dataFolder, project);
  await writeFile(path.join(project, 'first.txt'), 'first');
  const { run } = await store.accept({ projectPath: project });
  await store.begin(run);
  const { tree: first } = await trees.record(run);
  await rm(path.join(project, 'first.txt'));
  await writeFile(path.join(project, 'second.txt'), 'second');
  const { tree: second } = await trees.record(run);
  await writeFile(path.join(project, 'third.txt'), 'third');
  const { tree: third } = await trees.record(run, { since: second });
  await store.end(run);
  await pool.query('update runs set start_tree = $1, end_tree = $2 where id = $3', [second, third, run.id]);
  const objects = async () =>
    (await readdir(path.join(gitFolder, 'objects'), { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile())
      .map((entry) => path.basename(entry.parentPath) + entry.name);
  expect(await objects()).toContain(first);
  await pruneAll(store, { trees: old() }, sweepsIn(dataFolder));
  expect(await objects()).not.toContain(first);
  const row = { ...run, start_tree: second, end_tree: third, ended_at: new Date() };
  expect((await trees.views.diff(row, undefined)).files).toEqual([{ path: 'third.txt', status: 'added' }]);
  // The file of the first tree is back, and is written again.
  await writeFile(path.join(project, 'first.txt'), 'first');
  await utimes(path.join(project, 'first.txt'), 1, 1);
  const again = await recordTree({ project, gitFolder, since: third });
  expect(await objects()).toContain(again);
  // A run that is at work keeps everything; without any run the directory goes.
  await pool.query('update runs set project_path = null where id = $1', [run.id]);
  await pruneAll(store, { trees: old() }, sweepsIn(dataFolder));
  expect(existsSync(gitFolder)).toBe(false);
});

test('the trees of one project are looked through in a batch, and of each project once', async () => {
  const dataFolder = await made('perdure-data-');
  const trees = createTrees(dataFolder);
  const projects = await Promise.all([1, 2].map(() => made('perdure-project-')));
  for (const projectPath of projects) {
    const run = await store.started({ projectPath });
    await writeFile(path.join(projectPath, 'file.txt'), projectPath);
    await trees.record(run);
    await store.end(run);
  }
  const left = async () => {
    const folders = projects.map((project) => path.join(treeFolder(dataFolder, project), 'objects'));
    const found = await Promise.all(folders.map((folder) => readdir(folder, { recursive: true })));
    // An object is a file of 38 letters in a folder of two.
    return found.filter((names) => names.some((name) => name.length === 41)).length;
  };
  const sweep = createFolderSweeps(dataFolder).trees;
  // What the index of the last recording lists would stay.
  for (const project of projects) await rm(path.join(treeFolder(dataFolder, project), 'indexes', 'last'));
  const of = { tenantId: defaultTenant, before: old() };
  const seen: unknown[] = [];
  for (let more = true; more; ) {
    ({ more } = await sweep.batch(db, of));
    seen.push([more, await left()]);
  }
  expect(seen).toEqual([
    [true, 1],
    [true, 0],
    [false, 0],
  ]);
});
