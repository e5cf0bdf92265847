import { execFileSync } from 'node:child_process';
import { chmod, lstat, mkdir, readdir, readFile, readlink, rm, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import {
  answerNext,
  cancelWithUndo,
  requestRewind,
  requestUndo,
  rewindEnded,
  untilThere,
} from '../support/rewinding.ts';
import { GitProblem } from '../../activities/git/tree.ts';
import { withKernel } from '../support/kernel.ts';
import { checkpointsOf } from '../../activities/store/runs/checkpoints.ts';
import type { RewindView } from '../../workflows/contracts/checkpoint.ts';

/** Every name below a folder, with what it is and holds; nothing of `.git`. */
async function contentsOf(folder: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const name of (await readdir(folder, { recursive: true })).sort()) {
    if (/^\.git(\/|$)/.test(name)) continue;
    const place = path.join(folder, name);
    const stat = await lstat(place);
    const isRun = stat.mode & 0o100 ? ' x' : '';
    found[name] = stat.isDirectory()
      ? 'folder'
      : stat.isSymbolicLink()
        ? `-> ${await readlink(place)}`
        : `${await readFile(place, 'utf8')}${isRun}`;
  }
  return found;
}

const shell = (command: string) => ({ tool: 'shell', input: { command } });
const write = (name: string, content: string) => ({ tool: 'write', input: { path: name, content } });

withKernel(
  (kernel) => {
    async function aProject(): Promise<string> {
      const project = await kernel.project();
      const git = (...args: string[]) => execFileSync('git', args, { cwd: project, stdio: 'pipe' });
      git('init', '-q');
      await mkdir(path.join(project, 'empty/inner'), { recursive: true });
      await mkdir(path.join(project, 'lib'));
      await writeFile(path.join(project, '.gitignore'), '*.log\n');
      await writeFile(path.join(project, 'state.log'), 'KEY=old\n');
      await writeFile(path.join(project, 'lib/a.txt'), 'a\n');
      await writeFile(path.join(project, 'run.sh'), 'true\n');
      await chmod(path.join(project, 'run.sh'), 0o755);
      await symlink('lib/a.txt', path.join(project, 'link'));
      await writeFile(path.join(project, 'theirs.txt'), 'theirs\n');
      git('add', 'lib');
      return project;
    }

    test('a run is taken back to its start, or to a call, with all that its calls did, and others keep what is theirs', async () => {
      const project = await aProject();
      const before = await contentsOf(project);
      const index = await readFile(path.join(project, '.git/index'));
      const model = await kernel.script(
        { calls: [write('lib/new.txt', 'new\n'), write('state.log', 'KEY=new\n')] },
        {
          calls: [
            shell(
              'rm -r lib link empty; chmod -x run.sh; mkdir other; echo more >> theirs.txt; echo x > other/o',
            ),
          ],
        },
        { text: 'Done.' },
      );
      const run = await kernel.ended(
        await kernel.start({ model, projectPath: project, policy: 'trusted-mount-autonomous' }),
      );
      expect(run.status).toBe('succeeded');
      const rows = await checkpointsOf(kernel.store.database.db, run);
      expect(
        rows.map(({ number, call_id, tree_before, tree_after }) => [
          number,
          call_id,
          tree_before !== tree_after,
        ]),
      ).toEqual([
        [1, '1.0', true],
        [2, '1.1', true],
        [3, '2.0', true],
      ]);
      // Between the calls nothing else has changed.
      expect(rows.slice(1).map(({ tree_before }) => tree_before === rows[0]!.tree_after)[0]).toBe(false);
      // A person goes on in a file that the run has changed, and makes another.
      await writeFile(path.join(project, 'theirs.txt'), 'theirs\nmore\nand mine\n');
      await writeFile(path.join(project, 'mine.txt'), 'mine\n');
      const back: RewindView = await requestRewind(kernel, run, 3);
      expect(back).toMatchObject({
        status: 'done',
        kept: [
          { path: 'mine.txt', why: 'changed' },
          { path: 'theirs.txt', why: 'changed' },
        ],
        keptCount: 2,
      });
      const atThree = await contentsOf(project);
      expect(atThree).toEqual({
        ...before,
        'state.log': 'KEY=new\n',
        'lib/new.txt': 'new\n',
        'theirs.txt': 'theirs\nmore\nand mine\n',
        'mine.txt': 'mine\n',
      });
      // What a rewind did can be taken back like what a call did.
      const again = await requestRewind(kernel, run, 4);
      expect([again.status, again.kept]).toEqual(['done', []]);
      expect(await contentsOf(project)).toMatchObject({ 'other/o': 'x\n', 'mine.txt': 'mine\n' });
      await rm(path.join(project, 'mine.txt'));
      await writeFile(path.join(project, 'theirs.txt'), 'theirs\nmore\n');
      const undone = await requestUndo(kernel, run);
      expect([undone.status, undone.keptCount]).toEqual(['done', 1]);
      await writeFile(path.join(project, 'theirs.txt'), 'theirs\n');
      expect(await contentsOf(project)).toEqual(before);
      expect(await readFile(path.join(project, '.git/index'))).toEqual(index);
    });

    test('a run that waits for people is taken back while it waits, and its calls wait for that', async () => {
      const project = await aProject();
      const before = await contentsOf(project);
      const rewinding = Promise.withResolvers<void>();
      const began = Promise.withResolvers<void>();
      await kernel.stopWorkers();
      await kernel.startWorkers({
        deps: (deps) => ({
          ...deps,
          trees: {
            ...deps.trees,
            async rewind(...of) {
              began.resolve();
              await rewinding.promise;
              return deps.trees.rewind(...of);
            },
          },
        }),
      });
      const model = await kernel.script(
        { calls: [write('lib/new.txt', 'new\n')] },
        { calls: [shell('mkdir made; cp -r lib made')] },
        { text: 'Done.' },
      );
      const run = await kernel.start({
        model,
        projectPath: project,
        policy: 'ask-before-changes',
        attended: true,
      });
      await answerNext(kernel, run, '1.0');
      await kernel.seen(run, 'approval-request', ({ callId }: { callId: string }) => callId === '2.0');
      const going = requestUndo(kernel, run);
      await began.promise;
      // Nothing else may be asked of it meanwhile, and what is allowed waits.
      await expect(requestRewind(kernel, run, 1)).rejects.toThrow('is being rewound');
      await answerNext(kernel, run, '2.0');
      rewinding.resolve();
      expect(await going).toMatchObject({ status: 'done', restored: 1, keptCount: 0 });
      expect((await kernel.ended(run)).status).toBe('succeeded');
      expect(await contentsOf(project)).toEqual({
        ...before,
        made: 'folder',
        'made/lib': 'folder',
        'made/lib/a.txt': 'a\n',
      });
      const told = (await kernel.store.events(run)).filter(({ type }) => type.startsWith('rewind-'));
      expect(told.map(({ type }) => type)).toEqual(['rewind-start', 'rewind-end']);
    });

    test('a run at work is not rewound; cancelled with undo it is when it has stopped, though its worker dies in between', async () => {
      const project = await aProject();
      const before = await contentsOf(project);
      let tries = 0;
      await kernel.stopWorkers();
      await kernel.startWorkers({
        deps: (deps) => ({
          ...deps,
          trees: {
            ...deps.trees,
            async rewind(...of) {
              const done = await deps.trees.rewind(...of);
              tries += 1;
              if (tries === 1) throw new Error('the worker was killed here');
              return done;
            },
          },
        }),
      });
      const model = await kernel.script(
        { calls: [write('lib/new.txt', 'new\n'), shell('rm run.sh; echo x > made; sleep 300')] },
        { text: 'Never said.' },
      );
      const run = await kernel.start({ model, projectPath: project, policy: 'trusted-mount-autonomous' });
      await kernel.seen(run, 'call-start', ({ callId }: { callId: string }) => callId === '1.1');
      await untilThere(path.join(project, 'made'));
      await expect(requestUndo(kernel, run)).rejects.toThrow(
        `Run ${run.id} is at work: interrupt or cancel it`,
      );
      await cancelWithUndo(kernel, run);
      const ended = await kernel.ended(run);
      expect([ended.status, ended.reason_text]).toEqual([
        'cancelled',
        'The run was cancelled: the conversation goes on from before it, and what it changed in its project is taken back.',
      ]);
      const undone = await rewindEnded(kernel, run, ended.rewind_id ?? '');
      expect([undone.status, undone.to, undone.keptCount, tries]).toEqual(['done', 'start', 0, 2]);
      expect(await contentsOf(project)).toEqual(before);
    });

    test('what waits behind a cancelled run begins when that has been taken back, and finds the project so', async () => {
      const project = await aProject();
      const rewinding = Promise.withResolvers<void>();
      const began = Promise.withResolvers<void>();
      await kernel.stopWorkers();
      await kernel.startWorkers({
        deps: (deps) => ({
          ...deps,
          trees: {
            ...deps.trees,
            async rewind(...of) {
              began.resolve();
              await rewinding.promise;
              return deps.trees.rewind(...of);
            },
          },
        }),
      });
      const policy = 'trusted-mount-autonomous';
      const run = await kernel.start({
        model: await kernel.script(
          { calls: [shell('rm run.sh; echo x > made; sleep 300')] },
          { text: 'Never said.' },
        ),
        ...{ projectPath: project, policy },
      });
      const next = await kernel.start({
        model: await kernel.script({ calls: [shell('ls; echo next > made')] }, { text: 'So: {{result:0}}' }),
        ...{ projectPath: project, policy, conversationId: run.conversation_id, whenBusy: 'queue' },
      });
      await untilThere(path.join(project, 'made'));
      await cancelWithUndo(kernel, run);
      const { rewind_id: rewindId } = await kernel.ended(run);
      await began.promise;
      expect(await kernel.store.run(next.id)).toMatchObject({
        status: 'queued',
        parked: false,
        reason_text: `It waits until run ${run.id} has been rewound or brought home.`,
      });
      rewinding.resolve();
      expect(await rewindEnded(kernel, run, rewindId ?? '')).toMatchObject({ status: 'done', kept: [] });
      const { final_message: found } = await kernel.ended(next);
      expect([found?.includes('run.sh'), found?.includes('made')]).toEqual([true, false]);
      expect(await contentsOf(project)).toMatchObject({ 'run.sh': 'true\n x', made: 'next\n' });
    });

    test('a project that cannot be recorded stops no call, and is told', async () => {
      await kernel.stopWorkers();
      await kernel.startWorkers({
        deps: (deps) => ({
          ...deps,
          trees: {
            ...deps.trees,
            record: async (_project, how) => {
              if (how?.also) throw new GitProblem('git is not installed');
              return deps.trees.record(_project, how);
            },
          },
        }),
      });
      const project = await aProject();
      const model = await kernel.script({ calls: [write('lib/new.txt', 'new\n')] }, { text: 'Done.' });
      const run = await kernel.start({ model, projectPath: project, policy: 'trusted-mount-autonomous' });
      expect((await kernel.ended(run)).status).toBe('succeeded');
      expect(await readFile(path.join(project, 'lib/new.txt'), 'utf8')).toBe('new\n');
      const told = (await kernel.store.events(run)).filter(({ type }) => type === 'checkpoint-error');
      expect(told).toEqual(
        Array.from({ length: 2 }, () => ({
          type: 'checkpoint-error',
          payload: { callId: '1.0', reason: 'git is not installed' },
        })),
      );
      await expect(requestRewind(kernel, run, 1)).rejects.toThrow('Checkpoint 1 of run');
    });
  },
  { replay: 'never' },
);
