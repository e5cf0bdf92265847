import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { v7 as uuid } from 'uuid';
import { type Kernel, withKernel } from '../support/kernel.ts';
import { story } from '../support/story.ts';
import { anAttempt } from '../support/store.ts';
import type { ActivityDeps } from '../../activities/deps.ts';
import { noteHandle } from '../../activities/store/runs/attempts.ts';
import { listCalls } from '../../activities/store/calls/calls.ts';
import { defaultTenant } from '../../activities/store/db/database.ts';
import { registerExecutor } from '../../activities/store/runs/executors.ts';
import { readContext } from '../../activities/store/runs/messages.ts';
import type { RunRow } from '../../activities/store/runs/runs.ts';
import { settleCall } from '../../activities/store/calls/settle-call.ts';

const untilGo = { tool: 'shell', input: { command: 'until [ -e go ]; do sleep 0.02; done; echo gone' } };

async function said({ store }: Kernel, run: RunRow): Promise<[number, string, string][]> {
  const context = await readContext(store.database.db, defaultTenant, run.id);
  return context
    .filter(({ role, text }) => role !== 'tool' && text !== '')
    .map(({ step, role, text }) => [step, role, text]);
}

/** After its first words each answer waits for the gate. */
function pausing(deps: ActivityDeps, gate: Promise<void>): ActivityDeps {
  const llms = deps.llms.map((llm) => ({
    ...llm,
    async *stream(...asked: Parameters<typeof llm.stream>) {
      for await (const part of llm.stream(...asked)) {
        yield part;
        await gate;
      }
    },
  }));
  return { ...deps, llms };
}

withKernel(
  (kernel) => {
    test('steers are applied before the next model call, in order, each with a receipt', async () => {
      await kernel.startWorkers();
      const projectPath = await kernel.project();
      const model = await kernel.script({ calls: [untilGo] }, { text: 'You said {{prompt}}' });
      const run = await kernel.start({ model, projectPath });
      await kernel.seen(run, 'call-start');
      await kernel.steer(run, 'one', 'First.');
      await kernel.steer(run, 'two', 'Second.');
      await writeFile(path.join(projectPath, 'go'), '');
      expect(await kernel.ended(run)).toMatchObject({ status: 'succeeded', steps: 2 });
      expect(await said(kernel, run)).toEqual([
        [0, 'user', 'Say hello.'],
        [2, 'user', 'First.'],
        [2, 'user', 'Second.'],
        [2, 'assistant', 'You said Second.'],
      ]);
      expect((await story(kernel, run)).slice(5)).toEqual([
        'call-start 1.0',
        'steer-request one',
        'steer-request two',
        'call-end 1.0 succeeded',
        'step-start 2',
        'steer-response one applied 2',
        'steer-response two applied 2',
        'text: You said Second.',
        'message-end You said Second.',
        'step-end 2',
        'run-end succeeded finished',
      ]);
    });

    test('a steer that arrives while the run is finishing is applied in another step', async () => {
      await kernel.startWorkers({
        activities: (activities) => ({
          async finishRun(input) {
            const { step } = input;
            // The last moment at which a person can still be heard; twice in a row, whichever attempt it is.
            if (step <= 2)
              await kernel.steer(await kernel.store.run(input.runId), `late ${step}`, `Late ${step}.`);
            return activities.finishRun(input);
          },
        }),
      });
      const answers = ['One.', 'Two.', 'Three.'].map((text) => ({ text }));
      const model = await kernel.script(...answers);
      const run = await kernel.start({ model, projectPath: await kernel.project() });
      expect(await kernel.ended(run)).toMatchObject({
        status: 'succeeded',
        steps: 3,
        final_message: 'Three.',
      });
      expect(await said(kernel, run)).toEqual([
        [0, 'user', 'Say hello.'],
        [1, 'assistant', 'One.'],
        [2, 'user', 'Late 1.'],
        [2, 'assistant', 'Two.'],
        [3, 'user', 'Late 2.'],
        [3, 'assistant', 'Three.'],
      ]);
    });

    test('a steer that arrives with the last words of an answer is applied in another step', async () => {
      const steered = Promise.withResolvers<void>();
      await kernel.startWorkers({ deps: (deps) => pausing(deps, steered.promise) });
      const model = await kernel.script({ text: 'One, two, three.' }, { text: 'I see.' });
      const run = await kernel.start({ model });
      await kernel.seen(run, 'text-delta');
      await kernel.steer(run, 'late', 'And four?');
      steered.resolve();
      expect(await kernel.ended(run)).toMatchObject({
        status: 'succeeded',
        steps: 2,
        final_message: 'I see.',
      });
      expect(await said(kernel, run)).toEqual([
        [0, 'user', 'Say hello.'],
        [1, 'assistant', 'One, two, three.'],
        [2, 'user', 'And four?'],
        [2, 'assistant', 'I see.'],
      ]);
    });

    test('a run that goes on for a steer keeps what it runs in the background', async () => {
      await kernel.startWorkers({
        activities: (activities) => ({
          async finishRun(input) {
            if (input.step === 2)
              await kernel.steer(await kernel.store.run(input.runId), 'late', 'Is it up?');
            return activities.finishRun(input);
          },
        }),
      });
      const model = await kernel.script(
        { calls: [{ tool: 'shell', input: { command: 'sleep 300', background: true } }] },
        { text: 'Started.' },
        { calls: [{ tool: 'shell-poll', input: { id: '1.0' } }] },
        { text: 'It is.' },
      );
      const run = await kernel.start({ model, projectPath: await kernel.project() });
      expect(await kernel.ended(run)).toMatchObject({ status: 'succeeded', steps: 4 });
      const calls = await listCalls(kernel.store.database.db, {
        tenantId: defaultTenant,
        runId: run.id,
        limit: 10,
      });
      expect(calls.map(({ output }) => output)).toEqual([
        expect.stringContaining('Started in the background'),
        expect.stringContaining('still running'),
      ]);
    });

    test('wakes that come twice, late or for nothing change nothing', async () => {
      await kernel.startWorkers();
      const projectPath = await kernel.project();
      const run = await kernel.start({
        model: await kernel.script({ calls: [untilGo] }, { text: 'Done.' }),
        projectPath,
      });
      for (let count = 0; count < 5; count += 1) await kernel.wake(run);
      await kernel.seen(run, 'call-start');
      await kernel.steer(run, 'only', 'Once.');
      await Promise.all(Array.from({ length: 10 }, () => kernel.steer(run, 'only', 'Once.')));
      await writeFile(path.join(projectPath, 'go'), '');
      for (let count = 0; count < 5; count += 1) await kernel.wake(run);
      await kernel.ended(run);
      await kernel.wake(run);
      expect((await said(kernel, run)).filter(([, , text]) => text === 'Once.')).toEqual([
        [2, 'user', 'Once.'],
      ]);
      expect((await story(kernel, run)).filter((line) => line.startsWith('steer'))).toEqual([
        'steer-request only',
        'steer-response only applied 2',
      ]);
    });

    test('a command whose worker died is not run again, no write after it is made, and what a person finds out reaches the run', async () => {
      const elsewhere = uuid();
      await registerExecutor(kernel.store.database.db, {
        id: elsewhere,
        tenantId: defaultTenant,
        host: 'another-machine',
        pid: 1,
        startedTicks: '1',
        queues: [],
        capacity: {},
      });
      await kernel.startWorkers({
        activities: (activities) => ({
          async runTool(input) {
            if (input.callId === '1.0') {
              // A worker of another machine had claimed the call and started its command when that machine died.
              const dead = { ...anAttempt({ id: input.runId }, 'call/1.0', 0), executorId: elsewhere };
              const claim = await kernel.store.claim(dead);
              const handle = { kind: 'mount', host: 'another-machine', call: '', pgid: 1, startedTicks: '' };
              if (claim.kind === 'claimed') await noteHandle(kernel.store.database.db, claim.ref, handle);
            }
            return activities.runTool(input);
          },
        }),
      });
      const projectPath = await kernel.project();
      const run = await kernel.start({
        model: await kernel.script(
          {
            calls: [
              { tool: 'shell', input: { command: 'touch acted' } },
              { tool: 'write', input: { path: 'acted', content: 'and more' } },
              { tool: 'list', input: { path: '.' } },
              { tool: 'shell', input: { command: 'rm acted' } },
            ],
          },
          { calls: [untilGo] },
          { text: 'Then: {{prompt}}' },
        ),
        projectPath,
      });
      await kernel.seen(run, 'call-end', ({ status }: { status: string }) => status === 'unknown');
      await kernel.seen(run, 'call-start', ({ callId }: { callId: string }) => callId === '2.0');
      const settlement = { tenantId: defaultTenant, runId: run.id, callId: '1.0', by: 'ada' } as const;
      await kernel.store.log.write('test', (write) =>
        settleCall(write, { ...settlement, outcome: 'not_done' }),
      );
      await kernel.wake(run);
      await writeFile(path.join(projectPath, 'go'), '');
      expect(await kernel.ended(run)).toMatchObject({ status: 'succeeded', steps: 3 });
      const context = await readContext(kernel.store.database.db, defaultTenant, run.id);
      expect(context.filter(({ internal }) => internal).map(({ step, text }) => [step, text])).toEqual([
        [
          3,
          'A person looked into the unknown outcome of shell (call 1.0, touch acted): it did not take effect; repeat it if it is still needed.',
        ],
      ]);
      expect(context.find(({ callId }) => callId === '1.0')?.text).toMatch(
        /^Outcome unknown: .*another machine/,
      );
      const notMade =
        'Not made, because call 1.0 before it has an unknown outcome. Look at the state of things; call it again if it is still right.';
      const told = ['1.1', '1.2', '1.3'].map((id) => context.find(({ callId }) => callId === id)?.text);
      expect(told).toEqual([notMade, expect.not.stringContaining('acted'), notMade]);
    });
  },
  { idle: true },
);
