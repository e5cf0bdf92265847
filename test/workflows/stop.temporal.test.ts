import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { type Kernel, withKernel } from '../support/kernel.ts';
import { story } from '../support/story.ts';
import { findCall } from '../../activities/store/calls/calls.ts';
import { defaultTenant } from '../../activities/store/db/database.ts';
import type { RunRow } from '../../activities/store/runs/runs.ts';
import { workflowId } from '../../workflows/contracts/messages.ts';

const long = 'word '.repeat(1000).trim();
const sleeping = { tool: 'shell', input: { command: 'echo begun; sleep 300' } };

/** Waits until Temporal has an activity of the run that no worker has taken. */
async function untilQueued(kernel: Kernel, run: RunRow, activity: string): Promise<void> {
  for (;;) {
    const { raw } = await kernel.client.workflow.getHandle(workflowId('run', run.id)).describe();
    const [pending] = raw.pendingActivities ?? [];
    if (pending?.activityType?.name === activity && (pending.attempt ?? 0) === 1 && !pending.lastStartedTime)
      return;
    await sleep(20);
  }
}

withKernel(
  (kernel) => {
    test('an interrupt while the model talks keeps what was said', async () => {
      await kernel.startWorkers();
      const run = await kernel.start({ model: await kernel.script({ text: long, tokenDelayMs: 20 }) });
      await kernel.seen(run, 'text-delta');
      await kernel.stop(run, 'interrupt');
      const ended = await kernel.ended(run);
      expect(ended).toMatchObject({ status: 'interrupted', reason: 'interrupted', steps: 1 });
      const said = ended.final_message ?? '';
      expect([long.startsWith(said), said.length > 0, said.length < long.length]).toEqual([true, true, true]);
      expect((await story(kernel, run)).slice(-3)).toEqual([
        `message-end ${said}`,
        'step-end 1',
        'run-end interrupted interrupted',
      ]);
      expect((await kernel.store.accept({ conversationId: run.conversation_id })).run.parent_id).toBe(run.id);
    });

    test('an answer that is whole when an interrupt comes is kept and charged', async () => {
      const started = Promise.withResolvers<RunRow>();
      await kernel.startWorkers({
        deps: (deps) => ({
          ...deps,
          log: {
            ...deps.log,
            async append(batch) {
              await kernel.store.input(await started.promise, { kind: 'interrupt', messageId: 'late' });
              // The notice is there long before this.
              await sleep(300);
              return deps.log.append(batch);
            },
          },
        }),
      });
      const run = await kernel.start({ model: await kernel.script({ text: 'All of it.' }) });
      started.resolve(run);
      const ended = await kernel.ended(run);
      expect(ended).toMatchObject({ status: 'interrupted', steps: 1, final_message: 'All of it.' });
      expect(ended.output_tokens).toBeGreaterThan(0);
    });

    for (const [kind, status, shown] of [
      ['interrupt', 'interrupted', 'COMPLETED'],
      ['cancel', 'cancelled', 'CANCELLED'],
    ] as const) {
      test(`a run that is told to ${kind} while a command runs stops it, makes none that waits behind it, and ends as ${status}`, async () => {
        await kernel.startWorkers();
        const model = await kernel.script({ calls: [sleeping, sleeping] }, { text: 'Never said.' });
        const run = await kernel.start({ model, projectPath: await kernel.project() });
        await kernel.seen(run, 'call-start', ({ callId }: { callId: string }) => callId === '1.0');
        await kernel.stop(run, kind);
        expect(await kernel.ended(run)).toMatchObject({ status, reason: status, steps: 1 });
        const lines = await story(kernel, run);
        expect(lines.filter((line) => line.startsWith('call-'))).toEqual([
          'call-start 1.0',
          'call-end 1.0 stopped',
          'call-end 1.1 stopped',
        ]);
        expect(lines.at(-1)).toBe(`run-end ${status} ${status}`);
        const held = await findCall(kernel.store.database.db, defaultTenant, run.id, '1.1');
        expect(held?.output).toBe('Stopped: the run ended before this call was made.');
        expect(await kernel.shown(run)).toMatchObject({
          status: shown,
          result: { status, reason: status, steps: 1, costMicros: 0 },
          failure: undefined,
        });
      });
    }

    test('a cancelled run reads so in Temporal also where Temporal was asked twice', async () => {
      let asked = 0;
      await kernel.startWorkers({
        deps: (deps) => ({
          ...deps,
          async cancelWorkflow(execution) {
            asked += 1;
            if (asked === 1) throw new Error('Temporal did not answer, or the worker was killed here');
            await deps.cancelWorkflow(execution);
          },
        }),
      });
      const run = await kernel.start({ model: await kernel.script({ calls: [sleeping] }) });
      await kernel.seen(run, 'call-start');
      await kernel.stop(run, 'cancel');
      expect(await kernel.ended(run)).toMatchObject({ status: 'cancelled', steps: 1 });
      expect((await story(kernel, run)).slice(-2)).toEqual([
        'call-end 1.0 stopped',
        'run-end cancelled cancelled',
      ]);
      expect(await kernel.shown(run)).toMatchObject({ status: 'CANCELLED', result: { status: 'cancelled' } });
      expect(asked).toBe(2);
    });

    test('a cancel wins over an interrupt that came before it', async () => {
      await kernel.startWorkers();
      const run = await kernel.start({ model: await kernel.script({ text: 'Hm.', delayMs: 60_000 }) });
      await kernel.seen(run, 'step-start');
      await kernel.store.input(run, { kind: 'cancel', messageId: 'c' });
      await kernel.stop(run, 'interrupt');
      expect(await kernel.ended(run)).toMatchObject({ status: 'cancelled' });
    });

    test('an interrupt while a model call waits to be tried again ends the run at once', async () => {
      await kernel.startWorkers();
      const error = { kind: 'rate_limited', retryAfterMs: 60_000 } as const;
      const run = await kernel.start({ model: await kernel.script({ text: 'Never.', error }) });
      await kernel.seen(run, 'attempt-error');
      await kernel.stop(run, 'interrupt');
      expect(await kernel.ended(run)).toMatchObject({ status: 'interrupted', steps: 0 });
      expect((await story(kernel, run)).slice(2)).toEqual([
        'step-start 1',
        'attempt-error model/1 again',
        'interrupt-request',
        'message-reset 1',
        'run-end interrupted interrupted',
      ]);
    });

    test('an interrupt reaches a run that no worker has room for', async () => {
      await kernel.startWorkers({ llmSlots: 1 });
      const model = await kernel.script({ text: long, tokenDelayMs: 50 });
      const busy = await kernel.start({ model });
      await kernel.seen(busy, 'text-delta');
      const waiting = await kernel.start({ model });
      await untilQueued(kernel, waiting, 'callModel');
      await kernel.stop(waiting, 'interrupt');
      expect(await kernel.ended(waiting)).toMatchObject({ status: 'interrupted', steps: 0 });
      expect((await kernel.store.run(busy.id)).status).toBe('running');
      await kernel.stop(busy, 'cancel');
      expect(await kernel.ended(busy)).toMatchObject({ status: 'cancelled' });
    });

    test('an interrupt whose notice and wake were both lost is found when the next step opens', async () => {
      await kernel.startWorkers({
        deps: (deps) => ({
          ...deps,
          stops: {
            watch: () => ({ signal: new AbortController().signal, release: () => {} }),
            close: async () => {},
          },
        }),
      });
      const untilGo = { tool: 'shell', input: { command: 'until [ -e go ]; do sleep 0.02; done' } };
      const projectPath = await kernel.project();
      const model = await kernel.script({ calls: [untilGo] }, { text: 'Never.' });
      const run = await kernel.start({ model, projectPath });
      await kernel.seen(run, 'call-start');
      await kernel.store.input(run, { kind: 'interrupt', messageId: 'i' });
      await writeFile(path.join(projectPath, 'go'), '');
      expect(await kernel.ended(run)).toMatchObject({ status: 'interrupted', steps: 1 });
      expect((await story(kernel, run)).slice(-2)).toEqual([
        'call-end 1.0 succeeded',
        'run-end interrupted interrupted',
      ]);
    });

    test('a workflow that an operator cancels in Temporal ends its run as interrupted', async () => {
      await kernel.startWorkers();
      const run = await kernel.start({ model: await kernel.script({ calls: [sleeping] }) });
      await kernel.seen(run, 'call-start');
      await kernel.client.workflow.getHandle(workflowId('run', run.id)).cancel();
      expect(await kernel.ended(run)).toMatchObject({ status: 'interrupted' });
      expect((await story(kernel, run)).slice(-2)).toEqual([
        'call-end 1.0 stopped',
        'run-end interrupted interrupted',
      ]);
    });

    test('a run that interrupts another starts when that has stopped, and goes on from it', async () => {
      await kernel.startWorkers();
      const model = await kernel.script({ calls: [sleeping] });
      const run = await kernel.start({ model });
      await kernel.seen(run, 'call-start');
      const next = await kernel.start({
        model: await kernel.script({ text: 'Now this.' }),
        conversationId: run.conversation_id,
        whenBusy: 'interrupt',
      });
      await kernel.wake(run);
      expect(await kernel.ended(next)).toMatchObject({ status: 'succeeded', parent_id: run.id });
      expect(await kernel.ended(run)).toMatchObject({ status: 'interrupted' });
    });
  },
  { idle: true },
);
