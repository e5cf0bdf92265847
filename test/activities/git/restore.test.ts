import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { restoreFiles } from '../../../activities/git/restore.ts';
import { changesBetween } from '../../../activities/git/tree-changes.ts';
import { openBench } from './project-bench.ts';
import { contentsOf } from './rewinding.ts';

test('files are removed from the project alone, though its folder is swapped for a link meanwhile', {
  tags: ['faults'],
}, async () => {
  const { folder, project, gitFolder, shell } = openBench();
  const names = Array.from({ length: 2000 }, (_, each) => `${each}`);
  shell(`mkdir ../outside d; cd d; touch keep ${names.join(' ')}; cp * ../../outside`);
  const program = `const fs = require('node:fs');
    for (fs.symlinkSync('../outside', 'link'); ; )
      for (const [from, to] of ['ds', ['link', 'd'], ['d', 'link'], 'sd']) fs.renameSync(from, to);`;
  const swapping = spawn(process.execPath, ['-e', program], { cwd: project, stdio: 'ignore' });
  const exited = once(swapping, 'exit');
  await expect.poll(() => existsSync(`${project}/link`)).toBe(true);
  // Of an empty file.
  const from = { mode: '100644', hash: 'e69de29bb2d1d6434b8b29ae775ad8c2e48c5391' };
  try {
    await restoreFiles(
      { project, gitFolder },
      names.map((name) => ({ path: `d/${name}`, from, to: null })),
    );
  } finally {
    swapping.kill('SIGKILL');
    await exited;
  }
  expect(readdirSync(`${folder}/outside`).length).toBe(2001);
});

test('what was saved after the last look stays as it is and is named; the rest is restored', async () => {
  const { project, gitFolder, shell, record } = openBench();
  shell('mkdir d; echo old | tee text mode gone goes > d/a; ln -s old link; echo old > other');
  const to = await record();
  shell('echo run | tee text mode gone other goes new > d/a; ln -sf run link; mkdir empty');
  const from = await record();
  const [changes = []] = await changesBetween(gitFolder, [[from, to]]);
  shell(`echo person > text; chmod +x mode; rm gone; ln -sf person link; echo person > new; rm -r d; echo person > d
    rm goes; mkdir goes; echo person > goes/a; echo person > empty/a`);
  const before = contentsOf(project);
  const kept = await restoreFiles({ project, gitFolder }, changes);
  expect(kept.map(({ path, why }) => `${path}: ${why}`).sort()).toEqual([
    'd/a: in-the-way',
    'empty: in-the-way',
    'goes: in-the-way',
    'gone: changed',
    'link: changed',
    'mode: changed',
    'new: changed',
    'text: changed',
  ]);
  expect(contentsOf(project)).toEqual(before.set('other', 'old\n'));
});

test('what is saved while its file is being written again stays as it is and is named', async () => {
  const { project, gitFolder, put, record } = openBench();
  put('a', Buffer.alloc(40 * 1024 * 1024, 'old'));
  const to = await record();
  put('a', 'run');
  const [changes = []] = await changesBetween(gitFolder, [[await record(), to]]);
  const restoring = restoreFiles({ project, gitFolder }, changes);
  let done = false;
  void restoring.finally(() => void (done = true));
  while (!done && readdirSync(project).length === 1) await nextTurn();
  writeFileSync(`${project}/a`, 'person');
  expect(await restoring).toEqual([{ path: 'a', why: 'changed' }]);
  expect(contentsOf(project)).toEqual(new Map([['a', 'person']]));
});

test.skipIf(process.getuid?.() !== 0)(
  'what root restores belongs to whom it belonged to, and what is new to whom its folder belongs to',
  async () => {
    const { project, gitFolder, shell, record } = openBench();
    shell('mkdir -p d/e f; echo old | tee kept > d/e/a; chmod 640 kept');
    const to = await record();
    shell('rm -r d f; echo run > kept; chown 1234:1234 .; chown 1235:1235 kept');
    const from = await record();
    const [changes = []] = await changesBetween(gitFolder, [[from, to]]);
    expect(await restoreFiles({ project, gitFolder }, changes)).toEqual([]);
    expect(shell('stat -c "%n %u %g" d d/e d/e/a f; stat -c "%n %u %g %a" kept').trim().split('\n')).toEqual([
      ...['d', 'd/e', 'd/e/a', 'f'].map((name) => `${name} 1234 1234`),
      'kept 1235 1235 640',
    ]);
  },
);
