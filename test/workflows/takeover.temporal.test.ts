import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { ApplicationFailure } from '@temporalio/common';
import { expect, test } from 'vitest';
import { type Kernel, withKernel } from '../support/kernel.ts';
import { story } from '../support/story.ts';
import type { NewRun } from '../support/accepting.ts';
import { toldTo } from '../support/store.ts';
import { handOver } from '../../activities/store/lifecycle/begin-run.ts';
import { defaultTenant } from '../../activities/store/db/database.ts';
import { listDeadLetters } from '../../activities/store/runs/dead-letters.ts';
import { lockRun, type RunRow } from '../../activities/store/runs/runs.ts';
import { createReconciler } from '../../api/upkeep/reconciler.ts';
import type { AgentRunInput } from '../../workflows/contracts/activities.ts';
import { taskQueues, workflowId } from '../../workflows/contracts/messages.ts';

const list = { tool: 'list', input: { path: '.' } };
const untilGo = { tool: 'shell', input: { command: 'until [ -e go ]; do sleep 0.02; done; touch acted' } };
const limits = { steps: 100, seconds: 600, costMicros: 1_000_000, tokens: 1_000_000 };

/** Accepts a run and starts its workflow by hand, so that it continues as new after few events. */
async function startSmall(
  kernel: Kernel,
  changes: Partial<NewRun>,
  historyEvents: number,
  id = 'run',
): Promise<{ run: RunRow; first: string }> {
  const { run } = await kernel.store.accept(changes);
  const args: AgentRunInput = {
    tenantId: defaultTenant,
    runId: run.id,
    requestId: 'request-1',
    generation: 0,
    historyEvents,
  };
  const handle = await kernel.client.workflow.start('agentRun', {
    workflowId: id === 'run' ? workflowId('run', run.id) : id,
    taskQueue: taskQueues.wf,
    args: [args],
  });
  kernel.keep(run, handle.firstExecutionRunId);
  kernel.keep(run);
  return { run, first: handle.firstExecutionRunId };
}

/** How many executions the run's workflow has had, following each to the one it continued as. */
async function executionsOf(kernel: Kernel, run: RunRow, first: string): Promise<number> {
  let count = 0;
  for (let next: string | undefined = first; next; count += 1) {
    const { events } = await kernel.history(run, next);
    next = events?.at(-1)?.workflowExecutionContinuedAsNewEventAttributes?.newExecutionRunId ?? undefined;
  }
  return count;
}

/** Runs the reconciler until the run is as wanted. */
async function reconcileUntil(kernel: Kernel, isSo: () => Promise<boolean>): Promise<void> {
  const { logger, store, upkeep } = kernel;
  const reconciler = createReconciler({ db: store.log.db, kinds: upkeep, logger, everyMs: 50 });
  try {
    while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 50));
  } finally {
    await reconciler.close();
  }
}

async function reconcileFor(kernel: Kernel, milliseconds: number): Promise<void> {
  const until = Date.now() + milliseconds;
  await reconcileUntil(kernel, async () => Date.now() > until);
}

withKernel(
  (kernel) => {
    test('a run that continues as new goes on with its steps and its deadline', async () => {
      await kernel.startWorkers();
      const steps = Array.from({ length: 8 }, (_, index) => ({ text: `Step ${index + 1}.`, calls: [list] }));
      const model = await kernel.script(...steps, { text: 'Done at {{step}}.' });
      const { run, first } = await startSmall(kernel, { model, limits }, 30);
      await kernel.seen(run, 'run-start');
      const { deadline_at } = await kernel.store.run(run.id);
      expect(await kernel.ended(run)).toMatchObject({
        status: 'succeeded',
        steps: 9,
        final_message: 'Done at 9.',
        deadline_at,
        execution_id: first,
      });
      expect(await executionsOf(kernel, run, first)).toBeGreaterThan(2);
      expect((await story(kernel, run)).filter((line) => line.startsWith('run-'))).toEqual([
        'run-queued',
        'run-start',
        'run-end succeeded finished',
      ]);
    });

    test('a run that continues as new again and again is out of time when it would have been', async () => {
      await kernel.startWorkers();
      const wait = { calls: [{ tool: 'shell', input: { command: 'sleep 0.5' } }] };
      const model = await kernel.script(...Array.from({ length: 200 }, () => wait));
      // A machine that stands still has made a step by then all the same, which is more than 20 events.
      const { run, first } = await startSmall(kernel, { model, limits: { ...limits, seconds: 12 } }, 20);
      const ended = await kernel.ended(run);
      expect(ended).toMatchObject({ status: 'timed_out', reason: 'limit_seconds' });
      const deadline = (ended.started_at?.getTime() ?? 0) + 12_000;
      expect(ended.deadline_at?.getTime()).toBe(deadline);
      expect(ended.ended_at?.getTime()).toBeGreaterThanOrEqual(deadline);
      expect(await executionsOf(kernel, run, first)).toBeGreaterThan(1);
    });

    test('a second execution of the same run ends without a word', async () => {
      await kernel.startWorkers();
      const projectPath = await kernel.project();
      const run = await kernel.start({
        model: await kernel.script({ calls: [untilGo] }, { text: 'Done.' }),
        projectPath,
      });
      await kernel.seen(run, 'call-start');
      const before = await kernel.store.events(run);
      const args: AgentRunInput = {
        tenantId: defaultTenant,
        runId: run.id,
        requestId: 'request-1',
        generation: 0,
      };
      // One that looks first, one that begins with a model call, and one that is out of time before either.
      for (const fresh of [undefined, { project: false, seconds: 600 }, { project: false, seconds: 0 }]) {
        await kernel.client.workflow.execute('agentRun', {
          workflowId: 'stranger',
          taskQueue: taskQueues.wf,
          args: [{ ...args, ...(fresh ? { fresh } : {}) }],
        });
      }
      expect(await kernel.store.events(run)).toEqual(before);
      await writeFile(path.join(projectPath, 'go'), '');
      expect(await kernel.ended(run)).toMatchObject({ status: 'succeeded', steps: 2 });
    });

    test.each([
      ['with a project', true, ['beginRun', 'callModel', 'finishRun', 'runTool', 'snapshotProject']],
      ['without one', false, ['callModel', 'runTool']],
    ])(
      'activities whose answers were lost are answered from the rows, %s: nothing is done or said twice',
      async (_, project, forgotten) => {
        const lost = new Set<string>();
        const answered = new Set<string>();
        /** Does the work, and the first time for each input forgets to say so. */
        function forgetful<Input, Output>(name: string, act: (input: Input) => Promise<Output>) {
          return async (input: Input): Promise<Output> => {
            const result = await act(input);
            const work = `${name} ${JSON.stringify(input)}`;
            if (answered.has(work)) return result;
            answered.add(work);
            lost.add(name);
            throw ApplicationFailure.create({ message: 'the answer was lost', nextRetryDelay: 10 });
          };
        }
        await kernel.startWorkers({
          activities: (activities) =>
            Object.fromEntries(
              Object.entries(activities).map(([name, act]) => [name, forgetful<never, unknown>(name, act)]),
            ),
        });
        const command = { tool: 'shell', input: { command: 'echo acted >> acted.txt && wc -l < acted.txt' } };
        const model = await kernel.script(
          { text: 'I act.', calls: [command] },
          { text: 'Acted {{result:0}}' },
        );
        const run = await kernel.start({
          model,
          ...(project ? { projectPath: await kernel.project() } : {}),
        });
        const ended = await kernel.ended(run);
        expect(ended).toMatchObject({ status: 'succeeded', steps: 2 });
        expect(ended.final_message).toMatch(/^Acted 1\n/);
        expect([...lost].sort()).toEqual(forgotten);
        expect((await story(kernel, run)).filter((line) => !line.startsWith('text: '))).toEqual([
          'run-queued',
          'run-start',
          'step-start 1',
          'message-end I act.',
          'step-end 1',
          'call-start 1.0',
          'call-end 1.0 succeeded',
          'step-start 2',
          expect.stringMatching(/^message-end Acted 1/),
          'step-end 2',
          'run-end succeeded finished',
        ]);
        const told = (await toldTo(kernel.store.database)).map(({ type }) => type);
        expect(told, 'nobody came late').not.toContain('late-write');
      },
    );

    test('a workflow that an operator terminates ends its run as failed, and the next message has its turn', async () => {
      await kernel.startWorkers();
      const projectPath = await kernel.project();
      const run = await kernel.start({ model: await kernel.script({ calls: [untilGo] }), projectPath });
      const next = await kernel.start({
        model: await kernel.script({ text: 'My turn.' }),
        conversationId: run.conversation_id,
        whenBusy: 'queue',
      });
      await kernel.seen(run, 'call-start');
      await kernel.client.workflow.getHandle(workflowId('run', run.id)).terminate('an operator');
      await reconcileUntil(kernel, async () => (await kernel.store.run(run.id)).ended_at !== null);
      expect(await kernel.store.run(run.id)).toMatchObject({ status: 'failed', reason: 'workflow_gone' });
      expect((await story(kernel, run)).slice(-2)).toEqual([
        'call-end 1.0 unknown',
        'run-end failed workflow_gone',
      ]);
      expect(await kernel.ended(next)).toMatchObject({ status: 'succeeded', parent_id: null });
      await writeFile(path.join(projectPath, 'go'), '');
    });

    test('a workflow terminated before any worker took it up ends its run as failed too', async () => {
      const run = await kernel.start({ model: await kernel.script({ text: 'Never.' }) });
      await kernel.client.workflow.getHandle(workflowId('run', run.id)).terminate('an operator');
      const { run: waiting } = await kernel.store.accept();
      await reconcileUntil(kernel, async () => (await kernel.store.run(run.id)).ended_at !== null);
      expect(await kernel.store.run(run.id)).toMatchObject({ status: 'failed', reason: 'workflow_gone' });
      expect(
        (await kernel.store.run(waiting.id)).status,
        'what Temporal never heard of is the sweeper’s',
      ).toBe('queued');
    });

    for (const project of [false, true])
      test(`a run cancelled before any worker took it up never starts, project: ${project}`, async () => {
        const projectPath = project ? await kernel.project() : null;
        const run = await kernel.start({ model: await kernel.script({ text: 'Never.' }), projectPath });
        await kernel.store.end(run, { status: 'cancelled', reason: 'cancelled', reasonText: 'Cancelled.' });
        await kernel.startWorkers();
        await kernel.ended(run);
        expect(await story(kernel, run)).toEqual(['run-queued', 'run-end cancelled cancelled']);
        expect(await kernel.shown(run)).toMatchObject({
          status: 'CANCELLED',
          result: { status: 'cancelled' },
        });
      });

    test('a workflow that an operator cancels before any worker took it up ends its run as interrupted', async () => {
      const model = await kernel.script({ text: 'Never.' });
      const run = await kernel.start({ model, projectPath: await kernel.project() });
      await kernel.client.workflow.getHandle(workflowId('run', run.id)).cancel();
      await kernel.startWorkers();
      expect(await kernel.ended(run)).toMatchObject({ status: 'interrupted', steps: 0 });
    });
  },
  { idle: true },
);

// Once: Temporal tries such a task again for some twenty seconds before it is called stuck, and whether it is made
// from a cached workflow or from its history, it fails in the same way.
withKernel(
  (kernel) => {
    test('a run whose workflow task keeps failing is stuck and on the list, others go on, and a retry finishes it', {
      tags: ['faults'],
    }, async () => {
      await kernel.startWorkers();
      const projectPath = await kernel.project();
      const model = await kernel.script(
        { text: 'I act.', calls: [untilGo] },
        { text: 'Result: {{result:0}}' },
      );
      const run = await kernel.start({ model, projectPath });
      await kernel.seen(run, 'call-start');
      // A signal whose payload nobody can decode fails every workflow task from now on.
      await kernel.client.workflowService.signalWorkflowExecution({
        namespace: kernel.client.options.namespace,
        workflowExecution: { workflowId: workflowId('run', run.id) },
        signalName: 'wake',
        input: {
          payloads: [{ metadata: { encoding: Buffer.from('binary/poison') }, data: Buffer.from('x') }],
        },
      });
      await reconcileUntil(kernel, async () => (await kernel.store.run(run.id)).stuck !== null);
      expect((await story(kernel, run)).slice(-2)).toEqual(['run-stuck', 'dead-letter']);
      const open = { tenantId: defaultTenant, limit: 10, open: true };
      const letters = await listDeadLetters(kernel.store.database.db, open);
      expect(letters.map(({ kind, run_id }) => [kind, run_id])).toEqual([['run', run.id]]);

      const other = await kernel.start({ model: await kernel.script({ text: 'Not me.' }) });
      expect(await kernel.ended(other)).toMatchObject({ status: 'succeeded' });

      const next = await kernel.store.log.write('test', async (write) => {
        const locked = await lockRun(write, defaultTenant, run.id);
        if (!locked) throw new Error('the run was just stuck');
        return handOver(write, locked);
      });
      // Nobody hears of it at first, as after the death of the server; then two say it at once.
      await reconcileFor(kernel, 500);
      expect(await kernel.store.run(run.id)).toEqual(next);
      kernel.runs.started(next);
      kernel.runs.started(next);
      await kernel.runs.settled();
      await kernel.seen(run, 'run-resume');
      const healthy = await kernel.runs.describe(run.id);
      kernel.runs.started(next);
      await kernel.runs.settled();
      expect(await kernel.runs.describe(run.id), 'said again, it ends nobody').toMatchObject({
        generation: 1,
        chain: healthy?.chain,
      });
      expect(await kernel.ended(run)).toMatchObject({
        status: 'succeeded',
        steps: 2,
        stuck: null,
        generation: 1,
      });
      // Whether what the old execution left under way comes to an end of its own is a matter of timing.
      const lines = (await story(kernel, run)).filter((line) => !/^(late-write|text: )/.test(line));
      expect(lines.slice(lines.indexOf('dead-letter') + 1)).toEqual([
        'run-resume',
        'call-start 1.0',
        'call-end 1.0 unknown',
        'step-start 2',
        expect.stringMatching(/^message-end Result: Outcome unknown/),
        'step-end 2',
        'run-end succeeded finished',
      ]);
    });
  },
  { idle: true, replay: 'never' },
);
