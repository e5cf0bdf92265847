import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { restoreFiles } from '../../../activities/git/restore.ts';
import { openBench } from './project-bench.ts';

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
  await expect.poll(() => existsSync(`${project}/link`)).toBe(true);
  const from = { mode: '100644', hash: '0'.repeat(40) };
  try {
    await restoreFiles(
      { project, gitFolder },
      names.map((name) => ({ path: `d/${name}`, from, to: null })),
    );
  } finally {
    swapping.kill('SIGKILL');
  }
  expect(readdirSync(`${folder}/outside`).length).toBe(2001);
});
