// A project whose disk has too little room for what comes back to it.
import { readFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { bringHome } from '../../../activities/git/bring-home.ts';
import { recordTree } from '../../../activities/git/tree.ts';
import { openSmallDisk } from '../../support/small-disk.ts';
import { openBench } from './project-bench.ts';
import { contentsOf } from './rewinding.ts';

test('what does not fit on a disk is not begun, and comes home whole when there is room', {
  tags: ['faults'],
}, async () => {
  const disk = await openSmallDisk();
  onTestFinished(() => disk.remove());
  vi.stubEnv('TMPDIR', disk.folder);
  const { project } = openBench();
  vi.unstubAllEnvs();
  // Our own git folder lies on another disk.
  const { gitFolder, project: own } = openBench();
  const [large, small] = [randomBytes(8 * 2 ** 20), 'new\n'];
  for (const name of ['a-small', 'large']) await write(project, name, 'old\n');
  const from = await recordTree({ project, gitFolder });
  await write(own, 'a-small', small);
  await write(own, 'large', large);
  const to = await recordTree({ project: own, gitFolder, since: from });
  const before = contentsOf(project);
  disk.fill(2 * 2 ** 20);
  const home = { project, gitFolder, since: from, from, to, exceptConflicts: false };
  await expect(bringHome(home)).rejects.toMatchObject({ code: 'ENOSPC' });
  expect(contentsOf(project)).toEqual(before);
  disk.empty();
  expect(await bringHome(home)).toMatchObject({ restored: 2, kept: [] });
  expect(readFileSync(path.join(project, 'large')).equals(large)).toBe(true);
});

function write(folder: string, name: string, content: string | Buffer): Promise<void> {
  return writeFile(path.join(folder, name), content);
}
