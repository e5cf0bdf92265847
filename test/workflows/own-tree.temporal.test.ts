import { execFileSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { recordedSpans } from '../../activities/store/runs/checkpoints.ts';
import { createTrees } from '../../worker/processes/trees.ts';
import { withKernel } from '../support/kernel.ts';
import { requestApply, requestUndo } from '../support/rewinding.ts';
import { contentsOf, gitStateOf } from '../activities/git/rewinding.ts';

const shell = (command: string) => ({ tool: 'shell', input: { command } });
const write = (name: string, content: string) => ({ tool: 'write', input: { path: name, content } });

withKernel(
  (kernel) => {
    test('two runs work beside each other and a person in one project, and each change is its maker’s until it comes home', async () => {
      const project = await kernel.project();
      execFileSync('git', ['init', '-q'], { cwd: project });
      await writeFile(path.join(project, 'a.txt'), 'a\n');
      await writeFile(path.join(project, 'b.txt'), 'b\n');
      const git = gitStateOf(project);
      const own = { projectPath: project, policy: 'trusted-mount-autonomous', workTree: 'own' as const };
      const one = await kernel.start({
        ...own,
        model: await kernel.script(
          { calls: [write('a.txt', 'one\n'), write('one.txt', 'one\n')] },
          { text: 'Done.' },
        ),
      });
      const two = await kernel.start({
        ...own,
        model: await kernel.script(
          { calls: [shell('cat a.txt; echo two > b.txt; git status --short')] },
          { text: 'So: {{result:0}}' },
        ),
      });
      await kernel.ended(one);
      const endOfTwo = await kernel.ended(two);
      // It has never seen the half-done work of the other, and its git is its own.
      expect(endOfTwo.final_message).toContain('a\n');
      expect(endOfTwo.final_message).toContain(' M b.txt');
      const untouched = new Map([
        ['a.txt', 'a\n'],
        ['b.txt', 'b\n'],
      ]);
      expect(contentsOf(project)).toEqual(untouched);
      const filesOf = async (run: { id: string }) => {
        const row = await kernel.store.run(run.id);
        const spans = await recordedSpans(kernel.store.database.db, row);
        return (await createTrees(kernel.folder).views.diff(row, spans)).files.map((file) => file.path);
      };
      expect([await filesOf(one), await filesOf(two)]).toEqual([['a.txt', 'one.txt'], ['b.txt']]);
      await writeFile(path.join(project, 'b.txt'), 'person\n');
      expect(await requestApply(kernel, one)).toMatchObject({
        kind: 'apply',
        to: 'home',
        status: 'done',
        restored: 2,
        kept: [],
      });
      expect(await requestApply(kernel, two)).toMatchObject({
        status: 'failed',
        kept: [{ path: 'b.txt', why: 'changed' }],
        problem: expect.stringContaining('--except-conflicts'),
      });
      const home = new Map([
        ['a.txt', 'one\n'],
        ['b.txt', 'person\n'],
        ['one.txt', 'one\n'],
      ]);
      expect(contentsOf(project)).toEqual(home);
      // A follow-up goes on in the tree of the run before it.
      const next = await kernel.start({
        ...own,
        conversationId: one.conversation_id,
        model: await kernel.script(
          { calls: [shell('cat one.txt a.txt; echo next >> one.txt')] },
          { text: 'So: {{result:0}}' },
        ),
      });
      expect((await kernel.ended(next)).final_message).toContain('one\none\n');
      expect(await readFile(path.join(project, 'one.txt'), 'utf8')).toBe('one\n');
      expect(await requestApply(kernel, next)).toMatchObject({ status: 'done', restored: 1, kept: [] });
      expect(await readFile(path.join(project, 'one.txt'), 'utf8')).toBe('one\nnext\n');
      // Taken back in its own tree, it changes nothing at home until that is brought home too.
      expect(await requestUndo(kernel, next)).toMatchObject({ status: 'done', restored: 1, kept: [] });
      expect(await requestApply(kernel, next)).toMatchObject({ status: 'done', restored: 1, kept: [] });
      expect(contentsOf(project)).toEqual(home);
      expect(gitStateOf(project)).toEqual(git);
    });
  },
  { replay: 'never' },
);
