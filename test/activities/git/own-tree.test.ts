import { randomUUID } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { bringHome } from '../../../activities/git/bring-home.ts';
import { copyBelow } from '../../../activities/git/copy-below.ts';
import { makeOwnTree } from '../../../activities/git/own-tree.ts';
import { recordTree } from '../../../activities/git/tree.ts';
import { openBench } from './project-bench.ts';
import { contentsOf, edit, gitStateOf } from './rewinding.ts';

async function aRun() {
  const bench = openBench();
  const { project, gitFolder, folder } = bench;
  bench.shell(`git init -q -b main; echo '*.log
node_modules' > .gitignore; mkdir -p src node_modules/dep empty; echo 1 > src/a; echo 1 > src/b; echo 1 > gone
    echo dep > node_modules/dep/index.js; git add .; git commit -qm one; echo 2 > src/b; echo new > new
    git config core.fsmonitor 'touch ${folder}/ran'; git config alias.st '!touch ${folder}/ran'`);
  bench.put('.git/hooks/pre-commit', '#!/bin/sh\nexit 1\n');
  const tree = await recordTree({ project, gitFolder });
  const own = path.join(folder, 'own/tree');
  await makeOwnTree({ project, gitFolder, tree, folder: own, branch: 'perdure/1' });
  const git = (...args: string[]) => execFileSync('git', args, { cwd: own, encoding: 'utf8' });
  return { ...bench, tree, own, git };
}

test('a tree of its own has the files as recorded, its dependencies, and a repository of its own', async () => {
  const { project, own, git, folder } = await aRun();
  expect(contentsOf(own)).toEqual(contentsOf(project));
  expect(git('log', '--format=%s').trim()).toBe('one');
  expect(git('status', '--short', '--branch')).toBe('## perdure/1\n M src/b\n?? new\n');
  expect(readFileSync(path.join(own, '.git/config'), 'utf8')).not.toMatch(/fsmonitor|alias/);
  expect([existsSync(path.join(own, '.git/hooks')), existsSync(path.join(folder, 'ran'))]).toEqual([
    false,
    false,
  ]);
  // Nothing is shared: what is written there is not written here.
  const objects = Object.keys(gitStateOf(own)).filter((name) => /^objects\/..\//.test(name));
  for (const name of objects) expect(statSync(path.join(own, '.git', name)).nlink).toBe(1);
  writeFileSync(path.join(own, 'node_modules/dep/index.js'), 'mine\n');
  expect(readFileSync(path.join(project, 'node_modules/dep/index.js'), 'utf8')).toBe('dep\n');
});

test('what a killed process has left of a tree of its own is removed by the next one, save what may still be made', async () => {
  const { project, gitFolder, folder, shell } = openBench();
  shell('echo 1 > a');
  const own = path.join(folder, 'own/tree');
  const [old, young, other] = ['tree', 'tree', 'tree2'].map(
    (name) => `${folder}/own/${name}.${randomUUID()}.new`,
  );
  for (const left of [old, young, other]) mkdirSync(`${left}/part`, { recursive: true });
  for (const left of [old, other]) utimesSync(left!, new Date(0), new Date(0));
  const tree = await recordTree({ project, gitFolder });
  await makeOwnTree({ project, gitFolder, tree, folder: own, branch: 'perdure/1' });
  expect(readdirSync(path.dirname(own)).sort()).toEqual(
    ['tree', path.basename(young!), path.basename(other!)].sort(),
  );
});

test('a project without git gets a repository with one commit', async () => {
  const { project, gitFolder, folder, shell } = openBench();
  shell('echo 1 > a');
  const own = path.join(folder, 'own/tree');
  await makeOwnTree({
    project,
    gitFolder,
    tree: await recordTree({ project, gitFolder }),
    folder: own,
    branch: 'perdure/1',
  });
  const log = execFileSync('git', ['log', '--format=%s'], { cwd: own, encoding: 'utf8' });
  expect(log.trim()).toBe('The project as the run found it');
});

test('what the run changed comes home, and a file that was changed there meanwhile is never overwritten', async () => {
  const { project, gitFolder, tree, own, shell } = await aRun();
  const theirs = gitStateOf(project);
  edit(own, { kind: 'write', name: 'src/a', text: 'run\n' });
  edit(own, { kind: 'write', name: 'deep/er/c', text: 'run\n' });
  edit(own, { kind: 'remove', name: 'gone' });
  edit(own, { kind: 'mode', name: 'new', isExecutable: true });
  const to = await recordTree({ project: own, gitFolder, since: tree });
  const home = { project, gitFolder, since: tree, from: tree, to };
  shell('echo person > src/a; echo person > mine');
  const before = contentsOf(project);
  expect(await bringHome({ ...home, exceptConflicts: false })).toMatchObject({
    restored: 0,
    kept: [{ path: 'src/a', why: 'changed' }],
  });
  expect(contentsOf(project)).toEqual(before);
  expect(await bringHome({ ...home, exceptConflicts: true })).toMatchObject({ restored: 3 });
  // Once more changes nothing, as after a death behind it.
  expect(await bringHome({ ...home, exceptConflicts: true })).toMatchObject({ restored: 3 });
  const after = new Map(before).set('deep/er/c', 'run\n').set('new', 'x new\n');
  after.delete('gone');
  expect(contentsOf(project)).toEqual(after);
  shell('echo 1 > src/a');
  const { kept, tree: done } = await bringHome({ ...home, exceptConflicts: false });
  expect([kept, readFileSync(path.join(project, 'src/a'), 'utf8')]).toEqual([[], 'run\n']);
  shell('rm mine');
  expect([done === to, await recordTree({ project, gitFolder, since: tree })]).toEqual([false, to]);
  expect(gitStateOf(project)).toEqual(theirs);
});

test('a file that the project ignores and a person made is not overwritten by one that the run made', async () => {
  const { project, gitFolder, tree, own, shell } = await aRun();
  edit(own, { kind: 'write', name: '.gitignore', text: '\n' });
  edit(own, { kind: 'write', name: 'key.log', text: 'run\n' });
  edit(own, { kind: 'write', name: 'other.log', text: 'run\n' });
  const to = await recordTree({ project: own, gitFolder, since: tree });
  const home = { project, gitFolder, since: tree, from: tree, to };
  shell('echo person > key.log');
  const kept = [{ path: 'key.log', why: 'changed' }];
  // The dependencies, which the run ignores no more, are there.
  expect(await bringHome({ ...home, exceptConflicts: false })).toMatchObject({ restored: 1, kept });
  for (const _again of [1, 2])
    expect(await bringHome({ ...home, exceptConflicts: true })).toMatchObject({ restored: 3, kept });
  const read = (name: string) => readFileSync(path.join(project, name), 'utf8');
  expect(['key.log', 'other.log', '.gitignore'].map(read)).toEqual(['person\n', 'run\n', '\n']);
});

test.each([
  ['a file', 'build/x', 'echo person > build'],
  ['a link', 'build/x', 'ln -s src build'],
  ['an ignored file', 'my.log/x', 'echo person > my.log'],
  ['a folder with a new file', 'src', 'echo person > src/c'],
  ['a folder with an ignored file', 'src', 'echo person > src/my.log'],
])('nothing comes home where %s has the place of what the run made', async (_what, name, command) => {
  const { project, gitFolder, tree, own, shell } = await aRun();
  edit(own, { kind: 'write', name: '.gitignore', text: 'node_modules\n' });
  edit(own, { kind: 'write', name, text: 'run\n' });
  const to = await recordTree({ project: own, gitFolder, since: tree });
  const home = { project, gitFolder, since: tree, from: tree, to };
  shell(command);
  const before = contentsOf(project);
  const kept = [{ path: name, why: 'in-the-way' }];
  expect(await bringHome({ ...home, exceptConflicts: false })).toMatchObject({ restored: 0, kept });
  expect(contentsOf(project)).toEqual(before);
  expect(await bringHome({ ...home, exceptConflicts: true })).toMatchObject({ kept });
  expect(contentsOf(project).get('.gitignore')).toBe('node_modules\n');
});

test('a folder that the run made a file of comes home as that', async () => {
  const { project, gitFolder, tree, own } = await aRun();
  edit(own, { kind: 'write', name: 'src', text: 'run\n' });
  edit(own, { kind: 'remove', name: 'new' });
  edit(own, { kind: 'write', name: 'new/x', text: 'run\n' });
  const to = await recordTree({ project: own, gitFolder, since: tree });
  const home = { project, gitFolder, since: tree, from: tree, to, exceptConflicts: false };
  expect(await bringHome(home)).toEqual({ tree: to, restored: 5, kept: [] });
});

test('an own tree has nothing of what lies behind a link that took the place of a folder', async () => {
  const { folder, project, gitFolder, shell } = openBench();
  const note = 'perdure: a file of 1 bytes, changed at 2026-01-01T00:00:00.000Z, is not recorded';
  shell(`mkdir -p ../private/node_modules d w; echo secret | tee ../private/key ../private/node_modules/key
    (cd ../private; git init -q; git add key; git commit -qm private)
    git init -q -b main; echo 1 > a; echo '${note}' > d/key; git add .; git commit -qm one`);
  const tree = await recordTree({ project, gitFolder });
  shell(`rm -r d w .git/objects .git/refs; ln -s ../private d; ln -s ../private w
    ln -s ${folder}/private/.git/objects .git/objects; ln -s ${folder}/private/.git/refs .git/refs`);
  const own = path.join(folder, 'own/tree');
  await makeOwnTree({ project, gitFolder, tree, folder: own, branch: 'perdure/1' });
  expect(contentsOf(own)).toEqual(
    new Map([
      ['a', '1\n'],
      ['d/key', `${note}\n`],
      ['w', 'empty folder'],
    ]),
  );
  const git = (...args: string[]) => execFileSync('git', args, { cwd: own, encoding: 'utf8' });
  expect(git('log', '--all', '--format=%s')).toBe('The project as the run found it\n');
  const blobs = git('cat-file', '--batch-all-objects', '--batch').match(/secret/g);
  expect(blobs).toBeNull();
});

test('a copy of a folder follows no link that is swapped in while it is made', async () => {
  const { folder, project, shell } = openBench();
  shell('mkdir -p ../private m/x m/y; echo secret > ../private/key; ln -s ../../private m/y/link');
  for (let each = 0; each < 40; each += 1) shell(`mkdir m/x/${each}; echo 1 > m/x/${each}/key`);
  // One process: what it had started would still move something after its end.
  const program = `const fs = require('node:fs');
    for (fs.writeFileSync('begun', ''); ; )
      for (const name of fs.readdirSync('m/x')) {
        const d = 'm/x/' + name;
        fs.renameSync(d, 's');
        fs.symlinkSync('../../../private', d);
        fs.unlinkSync(d);
        fs.renameSync('s', d);
      }`;
  const swapping = spawn(process.execPath, ['-e', program], { cwd: project, stdio: 'ignore' });
  const exited = once(swapping, 'exit');
  await expect.poll(() => existsSync(path.join(project, 'begun'))).toBe(true);
  try {
    for (let round = 0; round < 8; round += 1) {
      const to = Buffer.from(path.join(folder, `copy-${round}`));
      await copyBelow({ root: project, path: Buffer.from('m'), kind: 'folder', to, links: 'kept' });
    }
  } finally {
    swapping.kill('SIGKILL');
    await exited;
  }
  const found = [...contentsOf(folder)].filter(([name]) => name.startsWith('copy-'));
  expect(found.length).toBeGreaterThan(8);
  expect(found.filter(([, what]) => what === 'secret\n')).toEqual([]);
});
