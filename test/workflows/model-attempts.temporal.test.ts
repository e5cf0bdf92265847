import { expect, test } from 'vitest';
import { v7 as uuid } from 'uuid';
import { aCall, anAttempt, lockedRun } from '../support/store.ts';
import { type Kernel, withKernel } from '../support/kernel.ts';
import { story } from '../support/story.ts';
import { type Llm, LlmError } from '../../activities/llm/llm.ts';
import { reserve } from '../../activities/store/allowances/allowances.ts';
import { defaultTenant } from '../../activities/store/db/database.ts';
import { listDeadLetters } from '../../activities/store/runs/dead-letters.ts';
import { handOver } from '../../activities/store/lifecycle/begin-run.ts';
import type { RunRow } from '../../activities/store/runs/runs.ts';

async function uses({ store }: Kernel, run: RunRow) {
  return store.database.db
    .selectFrom('model_calls')
    .select(['attempt', 'status', 'output_tokens', 'estimated'])
    .where('run_id', '=', run.id)
    .orderBy('attempt')
    .execute();
}

async function inputTokens({ store }: Kernel, run: RunRow): Promise<number[]> {
  const rows = await store.database.db
    .selectFrom('model_calls')
    .select('input_tokens')
    .where('run_id', '=', run.id)
    .orderBy('attempt')
    .execute();
  return rows.map(({ input_tokens }) => input_tokens);
}

/** Another execution takes the run over and goes on. */
async function goOn(kernel: Kernel, run: RunRow): Promise<RunRow> {
  await kernel.store.log.write('test', async (write) => handOver(write, await lockedRun(write, run.id)));
  const waiting = await kernel.store.run(run.id);
  kernel.runs.started(waiting);
  await kernel.runs.settled();
  return waiting;
}

const worst = { inputTokens: 100, outputTokens: 32_000, costMicros: 0, promptCostMicros: 0 };
// Ten were streamed, and 2,000 are the margin.
const lostTokens = 2010;

/** A run whose first model call took that many workers down, each after 30 characters; another execution goes on. */
async function afterDeaths(kernel: Kernel, model: string, deaths: number): Promise<RunRow> {
  const { store } = kernel;
  const run = await store.started({ model });
  for (let number = 1; number <= deaths; number += 1) {
    const attempt = anAttempt(run, 'model/1', number, uuid());
    await store.open(attempt);
    const key = { tenantId: defaultTenant, runId: run.id, step: 1, attempt: number };
    await reserve(store.database.db, { ...key, model, worst });
    await store.log.append({
      tenantId: defaultTenant,
      stream: `run/${run.id}`,
      conversationId: run.conversation_id,
      events: [
        { type: 'thinking-delta', payload: { step: 1, block: 0, text: 'ten of it ' } },
        { type: 'text-delta', payload: { step: 1, block: 1, text: 'and twenty of this. ' } },
      ],
      fence: attempt,
    });
  }
  return goOn(kernel, run);
}

withKernel(
  (kernel) => {
    test('what attempts used whose workers died is booked as estimated, once, by the attempt after them', async () => {
      await kernel.startWorkers();
      const run = await afterDeaths(kernel, await kernel.script({ text: 'Here.' }), 2);
      const ended = await kernel.ended(run);
      expect(ended).toMatchObject({ status: 'succeeded', final_message: 'Here.' });
      expect(await uses(kernel, run)).toEqual([
        { attempt: 1, status: 'failed', output_tokens: lostTokens, estimated: true },
        { attempt: 2, status: 'failed', output_tokens: lostTokens, estimated: true },
        { attempt: 3, status: 'answered', output_tokens: expect.any(Number), estimated: false },
      ]);
      const [first, second, third] = await inputTokens(kernel, run);
      expect([first, second], 'as it was reserved').toEqual([100, 100]);
      expect(ended.input_tokens).toBe(200 + (third ?? 0));
    });

    test('nine kills in one step do not end a run', async () => {
      await kernel.startWorkers();
      const run = await afterDeaths(kernel, await kernel.script({ text: 'Here.' }), 9);
      expect(await kernel.ended(run)).toMatchObject({ status: 'succeeded', final_message: 'Here.' });
      expect((await uses(kernel, run)).map(({ status }) => status)).toEqual([
        ...Array.from({ length: 9 }, () => 'failed'),
        'answered',
      ]);
    });

    test('a model call that took ten workers down is not tried again: its run fails and is on the list', async () => {
      await kernel.startWorkers();
      const run = await afterDeaths(kernel, await kernel.script({ text: 'Never.' }), 10);
      const reason = 'The model call of step 1 took its worker down 10 times; it is not tried again.';
      expect(await kernel.ended(run)).toMatchObject({
        status: 'failed',
        reason: 'model_failed',
        reason_text: reason,
        output_tokens: 10 * lostTokens,
      });
      expect((await story(kernel, run)).slice(-5)).toEqual([
        'message-reset 1',
        'attempt-error model/1 for good',
        'dead-letter',
        'message-reset 1',
        'run-end failed model_failed',
      ]);
      const page = { tenantId: defaultTenant, limit: 10, open: true };
      const letters = await listDeadLetters(kernel.store.database.db, page);
      expect(letters.filter(({ run_id }) => run_id === run.id)).toMatchObject([
        { kind: 'run', reason, attempts: 10 },
      ]);
    });

    test('a call of a tool that took three workers down is not made again: it says so, and its run goes on', async () => {
      await kernel.startWorkers();
      const { store } = kernel;
      const run = await store.started({
        model: await kernel.script({ text: 'Never.' }, { text: 'Without it.' }),
      });
      const list = { tool: 'list', effect: 'read', repeat: 'safe', input: { path: '.' } };
      await store.step(run, 1, { calls: [aCall('1.0', list)] });
      for (const number of [1, 2, 3]) await store.claim(anAttempt(run, 'call/1.0', number, uuid()));
      await goOn(kernel, run);
      expect(await kernel.ended(run)).toMatchObject({ status: 'succeeded', final_message: 'Without it.' });
      const reason = 'list took its worker down 3 times.';
      expect(
        await store.database.db
          .selectFrom('calls')
          .select(['status', 'output'])
          .where('run_id', '=', run.id)
          .execute(),
      ).toEqual([{ status: 'failed', output: `Not tried again: ${reason}` }]);
      const page = { tenantId: defaultTenant, limit: 10, open: true };
      const letters = await listDeadLetters(store.database.db, page);
      expect(letters.filter(({ run_id }) => run_id === run.id)).toMatchObject([
        { kind: 'call', call_id: '1.0', reason, attempts: 3 },
      ]);
    });

    test('a run stopped before another model call drops what was streamed, and books it', async () => {
      const run = await afterDeaths(kernel, await kernel.script({ text: 'Never.' }), 1);
      await kernel.store.input(run, { kind: 'interrupt', messageId: 'stop' });
      await kernel.startWorkers();
      expect(await kernel.ended(run)).toMatchObject({ status: 'interrupted', output_tokens: lostTokens });
      expect((await story(kernel, run)).slice(-2)).toEqual([
        'message-reset 1',
        'run-end interrupted interrupted',
      ]);
    });

    test('a log that falls too far behind is an outage of the store, not a defect in here', async () => {
      const words = 'x'.repeat(1024 * 1024);
      let asked = 0;
      const hasty: Llm = {
        provider: 'hasty',
        scripted: true,
        missing: undefined,
        models: [],
        async *stream() {
          asked += 1;
          // More than is kept, while the first piece of it is on its way.
          for (let piece = 0; asked === 1 && piece < 6; piece += 1) yield { type: 'text', text: words };
          yield { type: 'text', text: 'Here.' };
          const usage = { inputTokens: 1, cachedInputTokens: 0, outputTokens: 1 };
          yield { type: 'finish', reason: 'stop', usage };
        },
      };
      await kernel.startWorkers({ deps: (deps) => ({ ...deps, llms: [...deps.llms, hasty] }) });
      const run = await kernel.start({ model: 'hasty/model' });
      expect(await kernel.ended(run)).toMatchObject({ status: 'succeeded', final_message: 'Here.' });
      const rows = await kernel.store.database.db
        .selectFrom('attempts')
        .select(['attempt', 'outcome'])
        .where('run_id', '=', run.id)
        .orderBy('attempt')
        .execute();
      expect(rows).toEqual([
        { attempt: 1, outcome: 'stopped' },
        { attempt: 2, outcome: 'answered' },
      ]);
    });

    test('where a model refuses, its run goes on and ends with the next of its preset', async () => {
      const refusing: Llm = {
        provider: 'refusing',
        scripted: true,
        missing: undefined,
        models: [],
        stream: () => {
          throw new LlmError('auth', 'The key is wrong.');
        },
      };
      await kernel.startWorkers({ deps: (deps) => ({ ...deps, llms: [...deps.llms, refusing] }) });
      const preset = { id: 'a', version: 1, variables: {}, fallbacks: ['scripted/hello'] };
      const run = await kernel.start({ model: 'refusing/model', preset });
      expect(await kernel.ended(run)).toMatchObject({ status: 'succeeded', model: 'scripted/hello' });
    });

    test('what breaks in here is told each time, and ends the run after the fifth', async () => {
      const broken: Llm = {
        provider: 'broken',
        scripted: true,
        missing: undefined,
        models: [],
        // It breaks before its first part.
        stream: () => {
          throw new TypeError('Something is not a function.');
        },
      };
      await kernel.startWorkers({ deps: (deps) => ({ ...deps, llms: [...deps.llms, broken] }) });
      const run = await kernel.start({ model: 'broken/model' });
      expect(await kernel.ended(run)).toMatchObject({
        status: 'failed',
        reason: 'internal_error',
        reason_text: 'Something is not a function.',
      });
      expect((await story(kernel, run)).filter((line) => line.startsWith('attempt-error'))).toEqual([
        ...Array.from({ length: 4 }, () => 'attempt-error model/1 again'),
        'attempt-error model/1 for good',
      ]);
    });
  },
  { idle: true },
);
