import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { activityInfo } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { expect, test } from 'vitest';
import { type Kernel, withKernel } from '../support/kernel.ts';
import { untilThere } from '../support/rewinding.ts';
import { story } from '../support/story.ts';
import { anAttempt } from '../support/store.ts';
import { openAttemptsOf } from '../../activities/store/runs/attempts.ts';
import type { RunRow } from '../../activities/store/runs/runs.ts';

const command = 'echo > begun; until [ -e go ]; do sleep 0.02; done; echo acted >> acted.txt';

/** Tells Temporal that the attempt has failed while it still goes on, as when its worker was thought dead. */
async function failByToken(kernel: Kernel, run: RunRow): Promise<void> {
  const open = await openAttemptsOf(kernel.store.database.db, kernel.deps.executor.id);
  const attempt = open.find((each) => each.runId === run.id && each.unit === 'call/1.0');
  await kernel.client.workflowService.respondActivityTaskFailed({
    namespace: kernel.client.options.namespace,
    taskToken: attempt?.taskToken ?? null,
    failure: { message: 'thought dead', applicationFailureInfo: { type: 'WorkerLost' } },
  });
}

withKernel(
  (kernel) => {
    test('a retry on the worker where the work still goes on joins it, and nothing is done twice', async () => {
      const attempts: number[] = [];
      await kernel.startWorkers({
        activities: ({ runTool }) => ({
          runTool(input) {
            attempts.push(activityInfo().attempt);
            return runTool(input);
          },
        }),
      });
      const projectPath = await kernel.project();
      const model = await kernel.script(
        { calls: [{ tool: 'shell', input: { command } }] },
        { text: 'Done.' },
      );
      const run = await kernel.start({ model, projectPath });
      await kernel.seen(run, 'call-start');
      await failByToken(kernel, run);
      while (attempts.length < 2) await sleep(20);
      await writeFile(path.join(projectPath, 'go'), '');
      expect(await kernel.ended(run)).toMatchObject({ status: 'succeeded', steps: 2 });
      expect(attempts).toEqual([1, 2]);
      expect(await readFile(path.join(projectPath, 'acted.txt'), 'utf8')).toBe('acted\n');
      expect((await story(kernel, run)).filter((line) => line.startsWith('call-'))).toEqual([
        'call-start 1.0',
        'call-end 1.0 succeeded',
      ]);
    });

    test('work that lost its fence to an attempt elsewhere is no failure of the run that comes back for it', async () => {
      const attempts: number[] = [];
      await kernel.startWorkers({
        activities: ({ runTool }) => ({
          async runTool(input) {
            const { attempt } = activityInfo();
            attempts.push(attempt);
            if (attempt !== 2) return runTool(input);
            // Another worker takes the call, and dies over it.
            await kernel.store.claim(anAttempt({ id: input.runId }, 'call/1.0', 2));
            throw ApplicationFailure.create({ type: 'WorkerLost', nextRetryDelay: 10 });
          },
        }),
      });
      const projectPath = await kernel.project();
      const model = await kernel.script(
        { calls: [{ tool: 'shell', input: { command } }] },
        { text: 'So: {{result:0}}' },
      );
      const run = await kernel.start({ model, projectPath });
      await kernel.seen(run, 'call-start');
      await untilThere(path.join(projectPath, 'begun'));
      await failByToken(kernel, run);
      while (attempts.length < 3) await sleep(20);
      await writeFile(path.join(projectPath, 'go'), '');
      const ended = await kernel.ended(run);
      expect(ended).toMatchObject({ status: 'succeeded', steps: 2 });
      expect(ended.final_message).toMatch(/^So: Outcome unknown/);
      expect(attempts).toEqual([1, 2, 3]);
      expect((await story(kernel, run)).filter((line) => /^(call-|late-)/.test(line))).toEqual([
        'call-start 1.0',
        'call-start 1.0',
        'late-write',
        'call-start 1.0',
        'call-end 1.0 unknown',
      ]);
    });

    test('a model is asked while its project is recorded, and nothing acts before it is', async () => {
      const recording = Promise.withResolvers<void>();
      let asked = 0;
      await kernel.startWorkers({
        activities: ({ snapshotProject }) => ({
          snapshotProject(input) {
            asked = performance.now();
            return snapshotProject(input);
          },
        }),
        deps: (deps) => ({
          ...deps,
          trees: {
            ...deps.trees,
            async begin(...of) {
              const [, , progress] = of;
              // Too early for people to be told, unless the machine has stood still.
              if (performance.now() - asked < 1_000) progress?.(0, 50_000);
              await recording.promise;
              // Long enough for people to be told.
              await sleep(1_600);
              progress?.(20_000, 50_000);
              progress?.(20_001, 50_000);
              return deps.trees.begin(...of);
            },
          },
        }),
      });
      const projectPath = await kernel.project();
      const calls = [{ tool: 'write', input: { path: 'new.md', content: 'new\n' } }];
      const run = await kernel.start({
        model: await kernel.script({ calls }, { text: 'Done.' }),
        projectPath,
      });
      await kernel.seen(run, 'step-end');
      expect((await story(kernel, run)).some((line) => line.startsWith('call-start'))).toBe(false);
      recording.resolve();
      expect(await kernel.ended(run)).toMatchObject({ status: 'succeeded', steps: 2 });
      const told = (await kernel.store.events(run)).filter(({ type }) => type === 'project-record');
      expect(told.map(({ payload }) => payload)).toEqual([{ recorded: 20_000, files: 50_000 }]);
      const { start_tree, end_tree } = await kernel.store.run(run.id);
      // Recorded after the write, they would be the same.
      expect([start_tree, end_tree, start_tree === end_tree]).toEqual([
        expect.stringMatching(/^[0-9a-f]{40}$/),
        expect.stringMatching(/^[0-9a-f]{40}$/),
        false,
      ]);
    });
  },
  { idle: true },
);
