import { expect, onTestFinished, test } from 'vitest';
import type { LlmUsage } from '../../activities/llm/llm.ts';
import { changeLimits } from '../../activities/store/allowances/change-limits.ts';
import type { Limits } from '../../activities/store/allowances/list-allowances.ts';
import { type PoolName, reserve, closeReservation } from '../../activities/store/allowances/allowances.ts';
import { answerApproval } from '../../activities/store/approvals/approvals.ts';
import { handOver } from '../../activities/store/lifecycle/begin-run.ts';
import { defaultTenant } from '../../activities/store/db/database.ts';
import { findLimitQuestion } from '../../activities/store/approvals/money-questions.ts';
import type { RunRow } from '../../activities/store/runs/runs.ts';
import { createSweeper } from '../../api/upkeep/sweeper.ts';
import type { EffectiveLimits } from '../../workflows/contracts/run.ts';
import { type Kernel, withKernel } from '../support/kernel.ts';
import { story } from '../support/story.ts';
import { lockedRun } from '../support/store.ts';

const generous: EffectiveLimits = { steps: 1000, seconds: 600, costMicros: 1_000_000, tokens: 1_000_000 };
const usage = { inputTokens: 6, cachedInputTokens: 0, outputTokens: 4 };
const list = { tool: 'list', input: { path: '.' } };
const done = { text: 'Done.', usage };

// What is reserved is more than what is used: the longest answer is dear.
const price = (_model: string, { outputTokens }: LlmUsage) => ({
  costMicros: outputTokens === 0 ? 0 : outputTokens > 100 ? 10 : 3,
  priced: true,
});
const priced = { deps: (deps: Kernel['deps']) => ({ ...deps, price }) };

async function answer(kernel: Kernel, run: RunRow, status: 'approved' | 'denied'): Promise<void> {
  await kernel.store.log.write('test', async (write) => {
    const locked = await lockedRun(write, run.id);
    const question = await findLimitQuestion(write.tx, run, 'open');
    await answerApproval(write, locked, question?.id ?? '', { status, by: 'ada' });
  });
  await kernel.wake(run);
}

async function asked(kernel: Kernel, run: RunRow): Promise<string[]> {
  return (await story(kernel, run)).filter((line) => line.startsWith('approval'));
}

withKernel(
  (kernel) => {
    let owners = 0;

    /** A pool of its own for each test: they share a database. */
    async function limited(limits: Partial<Limits>): Promise<PoolName> {
      owners += 1;
      const name: PoolName = `owner/${owners}`;
      const change = {
        tenantId: defaultTenant,
        name,
        model: '',
        limits,
        version: 0,
        by: 'ada',
        reason: 'a test',
      };
      await kernel.store.log.write('test', (write) => changeLimits(write.tx, change));
      return name;
    }

    async function lift(name: PoolName): Promise<void> {
      const limits = { costMicros: 0 };
      const change = {
        tenantId: defaultTenant,
        name,
        model: '',
        limits,
        version: 1,
        by: 'ada',
        reason: 'a test',
      };
      await kernel.store.log.write('test', (write) => changeLimits(write.tx, change));
    }

    test('runs that asked for tokens go on by themselves, one after the other, when a cancelled run gives some back', async () => {
      await kernel.startWorkers(priced);
      // Room for the worst case of one call.
      const pools = [await limited({ tokens: 60_000 })];
      const { db } = kernel.store.database;
      const { run: spender } = await kernel.store.accept({ model: 'scripted/none', limits: generous, pools });
      const key = { tenantId: defaultTenant, runId: spender.id, step: 1, attempt: 1 };
      const used = { inputTokens: 40_000, outputTokens: 0, costMicros: 0 };
      await reserve(db, { ...key, model: spender.model, worst: used });
      await closeReservation(db, key, { ...used, cachedInputTokens: 0, estimated: false });
      const model = await kernel.script(done);
      const runs = await Promise.all([1, 2, 3].map(() => kernel.start({ model, limits: generous, pools })));
      for (const run of runs) await kernel.seen(run, 'approval-request');
      // Before the sweeper, which would start it.
      await kernel.store.end(spender, { status: 'cancelled', reason: 'cancelled' });
      const sweeper = createSweeper({
        db,
        kinds: kernel.upkeep,
        logger: kernel.logger,
        everyMs: 50,
      });
      onTestFinished(() => sweeper.close());
      for (const run of runs) {
        expect(await kernel.ended(run)).toMatchObject({ status: 'succeeded', steps: 1 });
        expect(await asked(kernel, run)).toEqual(['approval-request', 'approval-response']);
      }
    });

    test('a run that waits for money goes on waiting in another execution, and asks nothing twice', async () => {
      await kernel.startWorkers(priced);
      const name = await limited({ costMicros: 5 });
      const run = await kernel.start({ model: await kernel.script(done), limits: generous, pools: [name] });
      await kernel.seen(run, 'approval-request');
      await kernel.store.log.write('test', async (write) => handOver(write, await lockedRun(write, run.id)));
      kernel.runs.started(await kernel.store.run(run.id));
      await kernel.runs.settled();
      await kernel.seen(run, 'run-resume');
      const { awaiting_since, deadline_at, ...waiting } = await kernel.store.run(run.id);
      expect([waiting.status, waiting.generation, awaiting_since]).toEqual([
        'awaiting_input',
        1,
        expect.any(Date),
      ]);
      await lift(name);
      await answer(kernel, run, 'approved');
      const ended = await kernel.ended(run);
      expect(ended).toMatchObject({ status: 'succeeded', steps: 1, cost_micros: 3 });
      expect(await asked(kernel, run)).toEqual(['approval-request', 'approval-response']);
      // The time it waited is not its own.
      expect(Number(ended.deadline_at)).toBeGreaterThan(Number(deadline_at));
    });

    for (const about of ['an allowance', 'its own money'] as const) {
      test(`a denial about ${about} that came before its worker could tell of the question is heard`, async () => {
        let lost = 0;
        await kernel.startWorkers({
          ...priced,
          activities: (activities) => ({
            async callModel(input) {
              const result = await activities.callModel(input);
              if (result.kind !== 'paused' || lost > 0) return result;
              lost += 1;
              await answer(kernel, run, 'denied');
              // The answer is lost on its way to Temporal, as when the process dies.
              throw new Error('The connection broke.');
            },
          }),
        });
        const model = await kernel.script({ text: 'Once more.', calls: [list], usage }, done);
        const own = about === 'its own money';
        const pools = [await limited(own ? {} : { costMicros: 12 })];
        const { run, became } = await kernel.store.accept({
          model,
          limits: own ? { ...generous, costMicros: 3 } : generous,
          pools,
        });
        expect(became).toBe('started');
        kernel.runs.started(run);
        expect(await kernel.ended(run)).toMatchObject({ status: 'failed', reason: 'limit_cost', steps: 1 });
        expect([lost, await asked(kernel, run)]).toEqual([1, ['approval-request', 'approval-response']]);
      });
    }
  },
  { idle: true },
);
