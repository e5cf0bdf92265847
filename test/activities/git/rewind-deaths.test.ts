// Rewinds whose process died somewhere on the way, with its git.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { type Rewind, rewindProject } from '../../../activities/git/rewind.ts';
import { recordTree } from '../../../activities/git/tree.ts';
import { openBench } from './project-bench.ts';
import { beginHistory, contentsOf, type Edit } from './rewinding.ts';

const also: string[] = [];

/** A process of its own, and in a group of its own that is killed as one. */
function beginRewind(input: Rewind & { project: string; gitFolder: string }): () => Promise<void> {
  const child = spawn(
    process.execPath,
    [path.join(import.meta.dirname, 'rewind-child.ts'), JSON.stringify(input)],
    { stdio: 'ignore', detached: true },
  );
  const exited = once(child, 'exit');
  return async () => {
    if (child.exitCode === null) process.kill(-(child.pid ?? 0), 'SIGKILL');
    await exited;
  };
}

test('a rewind that is killed half-way, again and again, ends as one that was not', async () => {
  const bench = openBench();
  const { project, gitFolder } = bench;
  bench.shell('mkdir d; for i in $(seq 300); do echo old $i > d/$i; done');
  const history = await beginHistory(project, gitFolder);
  const before = contentsOf(project);
  await history.run(
    ...Array.from(
      { length: 300 },
      (_, at): Edit =>
        at % 3 === 0
          ? { kind: 'remove', name: `d/${at + 1}` }
          : { kind: 'write', name: `d/${at + 1}`, text: 'new' },
    ),
    { kind: 'write', name: 'more', text: 'x' },
  );
  history.person({ kind: 'write', name: 'mine', text: 'mine' });
  const was = await recordTree({ project, gitFolder, since: history.start });
  const input = {
    project,
    gitFolder,
    was,
    to: history.start,
    spans: history.spans,
    since: history.start,
    also,
  };
  for (const ms of [60, 110, 160, 200, 240]) {
    const kill = beginRewind(input);
    await sleep(ms);
    await kill();
  }
  const done = await rewindProject(input);
  expect(done).toMatchObject({ restored: 301, kept: [{ path: 'mine', why: 'changed' }] });
  expect(contentsOf(project)).toEqual(new Map([...before, ['mine', 'mine']]));
});

test('git and all else killed in the middle of a large file leave the old file or the new one, and nothing beside it', async () => {
  const bench = openBench();
  const { project, gitFolder } = bench;
  const large = path.join(project, 'large');
  bench.put('large', randomBytes(30 * 2 ** 20));
  const history = await beginHistory(project, gitFolder);
  await history.run({ kind: 'write', name: 'large', text: 'new' });
  const { start, spans } = history;
  const input = { project, gitFolder, was: await bench.record(), to: start, spans, since: start, also };
  const kill = beginRewind(input);
  const stat = () => statSync(large, { throwIfNoEntry: false });
  while (stat()?.size === 3 && readdirSync(project).length === 1) await setImmediate();
  await kill();
  expect([3, 30 * 2 ** 20]).toContain(stat()?.size);
  expect(await rewindProject(input)).toEqual({ tree: start, restored: 1, kept: [] });
  expect(readdirSync(project)).toEqual(['large']);
});

test.each([
  ['a folder that becomes a file was emptied', 'echo 1 > d', 'rm d; mkdir d; echo 2 > d/x', 'rm d/x'],
  ['a folder that becomes a file was removed', 'echo 1 > d', 'rm d; mkdir d; echo 2 > d/x', 'rm -r d'],
  ['a file that becomes a folder was removed', 'mkdir d; echo 1 > d/x', 'rm -r d; echo 2 > d', 'rm d'],
  ['a file that becomes a folder is one', 'mkdir d; echo 1 > d/x', 'rm -r d; echo 2 > d', 'rm d; mkdir d'],
  ['a file that becomes an empty folder was removed', 'mkdir d', 'rmdir d; echo 2 > d', 'rm d'],
  ['an empty folder that becomes a file was removed', 'echo 1 > d', 'rm d; mkdir d', 'rmdir d'],
  [
    'a folder was emptied that is to go',
    'mkdir e',
    'mkdir -p new/er; touch new/er/x e/x',
    'rm new/er/x e/x; rmdir e',
  ],
])('a rewind goes on from where one died when %s', async (_where, first, run, half) => {
  const bench = openBench();
  const { project, gitFolder } = bench;
  bench.shell(first);
  const start = await bench.record();
  const before = contentsOf(project);
  bench.shell(run);
  const was = await bench.record();
  bench.shell(half);
  const spans = [{ before: start, after: was, firstSeen: [], goesOn: false }];
  const done = await rewindProject({ project, gitFolder, was, to: start, spans, since: start, also });
  expect([done.tree, done.kept, contentsOf(project)]).toEqual([start, [], before]);
});
