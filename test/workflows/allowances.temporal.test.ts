import { expect, test } from 'vitest';
import type { LlmUsage } from '../../activities/llm/llm.ts';
import { answerRaised, findLimitQuestion } from '../../activities/store/approvals/money-questions.ts';
import { changeLimits } from '../../activities/store/allowances/change-limits.ts';
import { type Limits, listAllowances } from '../../activities/store/allowances/list-allowances.ts';
import { listUnclosed, type PoolName } from '../../activities/store/allowances/allowances.ts';
import { answerApproval } from '../../activities/store/approvals/approvals.ts';
import { defaultTenant } from '../../activities/store/db/database.ts';
import { readLedger } from '../../activities/store/allowances/ledger.ts';
import type { RunRow } from '../../activities/store/runs/runs.ts';
import type { AllowanceView } from '../../workflows/contracts/allowance.ts';
import type { EffectiveLimits } from '../../workflows/contracts/run.ts';
import { withKernel } from '../support/kernel.ts';
import { story } from '../support/story.ts';
import { lockedRun } from '../support/store.ts';

const generous: EffectiveLimits = { steps: 1000, seconds: 600, costMicros: 1_000_000, tokens: 1_000_000 };
const usage = { inputTokens: 6, cachedInputTokens: 0, outputTokens: 4 };
const list = { tool: 'list', input: { path: '.' } };
const again = { text: 'Once more.', calls: [list], usage };

// What is reserved is more than what is used: the longest answer is dear.
const price = (_model: string, { outputTokens }: LlmUsage) => ({
  costMicros: outputTokens === 0 ? 0 : outputTokens > 100 ? 10 : 3,
  priced: true,
});

withKernel(
  (kernel) => {
    const priced = { deps: (deps: typeof kernel.deps) => ({ ...deps, price }) };
    let owners = 0;

    /** A pool of its own for each test: they share a database. */
    function newPool(): PoolName {
      owners += 1;
      return `owner/${owners}`;
    }

    async function pool(name: PoolName): Promise<AllowanceView> {
      const { db } = kernel.store.database;
      const [found] = await listAllowances(db, { tenantId: defaultTenant, name, limit: 1 });
      if (!found) throw new Error(`There is no ${name}.`);
      return found;
    }

    async function limit(name: PoolName, limits: Partial<Limits>, version: number): Promise<void> {
      const who = { tenantId: defaultTenant, by: 'ada', reason: 'a test' };
      const woken = await kernel.store.log.write('test', async (write) => {
        const changed = await changeLimits(write.tx, { ...who, name, model: '', limits, version });
        if (changed.kind === 'stale') throw new Error('It was changed meanwhile.');
        return answerRaised(write, changed, who);
      });
      await Promise.all(woken.map((id) => kernel.wake({ id })));
    }

    const asked = (run: RunRow) => kernel.seen(run, 'approval-request');

    async function answer(run: RunRow, status: 'approved' | 'denied', costMicros?: number): Promise<void> {
      await kernel.store.log.write('test', async (write) => {
        const locked = await lockedRun(write, run.id);
        const question = await findLimitQuestion(write.tx, run, 'open');
        if (costMicros !== undefined) {
          const limits = JSON.stringify({ ...(locked.limits as object), costMicros });
          await write.tx.updateTable('runs').set({ limits }).where('id', '=', run.id).execute();
        }
        await answerApproval(write, locked, question?.id ?? '', { status, by: 'ada' });
      });
      await kernel.wake(run);
    }

    test('a run whose money is used up asks for more, and goes on with what it is given', async () => {
      await kernel.startWorkers(priced);
      const model = await kernel.script(again, again, again, { text: 'Done.', usage });
      const run = await kernel.start({ model, limits: { ...generous, costMicros: 6 } });
      await asked(run);
      expect(await kernel.store.run(run.id)).toMatchObject({
        status: 'awaiting_input',
        steps: 2,
        cost_micros: 6,
      });
      await answer(run, 'approved', 100);
      expect(await kernel.ended(run)).toMatchObject({ status: 'succeeded', steps: 4, cost_micros: 12 });
      expect((await story(kernel, run)).filter((line) => /approval|step-start/.test(line))).toEqual([
        'step-start 1',
        'step-start 2',
        'approval-request',
        'approval-response',
        'step-start 3',
        'step-start 4',
      ]);
    });

    test('a run that is given nothing more, nothing in time, or asks for nothing, ends as failed for want of it', async () => {
      await kernel.startWorkers({
        deps: (deps) => ({ ...priced.deps(deps), approvalSeconds: 13 }),
      });
      const model = await kernel.script(again, again);
      const limits = { ...generous, costMicros: 3 };
      const [denied, forgotten, failing] = [
        await kernel.start({ model, limits }),
        // It waits longer than it may take: its clock stands still meanwhile. Before it asks it may stand still too.
        await kernel.start({ model, limits: { ...limits, seconds: 12 } }),
        await kernel.start({ model, limits, overBudget: 'fail' }),
      ];
      await asked(denied);
      await answer(denied, 'denied');
      const failed = { status: 'failed', reason: 'limit_cost', steps: 1 };
      expect(await kernel.ended(denied)).toMatchObject(failed);
      expect(await kernel.ended(failing)).toMatchObject({
        ...failed,
        reason_text: 'This run may spend $0.000003 and has spent $0.000003.',
      });
      expect((await story(kernel, failing)).filter((line) => line.startsWith('approval'))).toEqual([]);
      expect(await kernel.ended(forgotten)).toMatchObject(failed);
    });

    test('an allowance that is used up is asked about once, and one that is raised lets its run go on by itself', async () => {
      await kernel.startWorkers(priced);
      const name = newPool();
      await limit(name, { dayCostMicros: 15 }, 0);
      const model = await kernel.script(again, again, again, again, { text: 'Done.', usage });
      const run = await kernel.start({ model, limits: generous, pools: [name] });
      await asked(run);
      expect(await kernel.store.run(run.id)).toMatchObject({ status: 'awaiting_input', steps: 2 });
      // Nobody has asked any model: what is held is nothing.
      expect(await pool(name)).toMatchObject({ used: { dayCostMicros: 6 }, held: { dayCostMicros: 0 } });
      await limit(name, { dayCostMicros: 18 }, 1);
      await kernel.seen(run, 'step-start', (payload: { step: number }) => payload.step === 3);
      await kernel.seen(run, 'approval-request', () => true);
      await expect
        .poll(async () => (await findLimitQuestion(kernel.store.database.db, run, 'open'))?.step)
        .toBe(4);
      await limit(name, { dayCostMicros: 0 }, 2);
      expect(await kernel.ended(run)).toMatchObject({ status: 'succeeded', steps: 5, cost_micros: 15 });
      const told = (await story(kernel, run)).filter((line) =>
        /approval|step-start|budget|reset|error/.test(line),
      );
      expect(told).toEqual([
        'step-start 1',
        'step-start 2',
        'step-start 3',
        'budget-warning',
        'approval-request',
        'approval-response',
        'step-start 3',
        'step-start 4',
        'budget-warning',
        'approval-request',
        'approval-response',
        'step-start 4',
        'step-start 5',
      ]);
      expect(await pool(name)).toMatchObject({
        used: { costMicros: 15, tokens: 50 },
        held: { costMicros: 0 },
      });
      expect(await listUnclosed(kernel.store.database.db, 10)).toEqual([]);
    });

    test('a question about money that its worker did not live to tell of is not asked again', async () => {
      const name = newPool();
      await limit(name, { costMicros: 5 }, 0);
      let calls = 0;
      await kernel.startWorkers({
        ...priced,
        activities: (activities) => ({
          async callModel(input) {
            const result = await activities.callModel(input);
            calls += 1;
            // The answer is lost on its way to Temporal, as when the process dies.
            if (calls <= 2) throw new Error('The connection broke.');
            return result;
          },
        }),
      });
      const model = await kernel.script({ text: 'Done.', usage });
      const run = await kernel.start({ model, limits: generous, pools: [name] });
      await asked(run);
      await expect.poll(() => calls).toBe(3);
      await limit(name, { costMicros: 0 }, 1);
      expect(await kernel.ended(run)).toMatchObject({ status: 'succeeded', steps: 1, cost_micros: 3 });
      const told = (await story(kernel, run)).filter((line) => /approval/.test(line));
      expect(told).toEqual(['approval-request', 'approval-response']);
    });

    test('a run that waits for money can be stopped, and what it asked is withdrawn', async () => {
      await kernel.startWorkers(priced);
      const name = newPool();
      await limit(name, { costMicros: 5 }, 0);
      const run = await kernel.start({ model: await kernel.script(again), limits: generous, pools: [name] });
      await asked(run);
      await kernel.stop(run, 'interrupt');
      expect(await kernel.ended(run)).toMatchObject({ status: 'interrupted', steps: 0, cost_micros: 0 });
      expect(await findLimitQuestion(kernel.store.database.db, run)).toMatchObject({
        status: 'withdrawn',
      });
      expect(await pool(name)).toMatchObject({ used: { costMicros: 0 }, held: { costMicros: 0 } });
    });

    test('a model that an allowance does not list is not called', async () => {
      await kernel.startWorkers(priced);
      const name = newPool();
      await limit(name, { models: ['openai/*'] }, 0);
      const model = await kernel.script(again);
      const run = await kernel.start({ model, limits: generous, pools: [name] });
      expect(await kernel.ended(run)).toMatchObject({
        status: 'failed',
        reason: 'allowance_denied',
        reason_text: `The allowance ${name} does not list the model ${model}.`,
        cost_micros: 0,
        input_tokens: 0,
      });
    });

    test('what others hold for a moment is waited for and not asked about', async () => {
      await kernel.startWorkers(priced);
      const name = newPool();
      await limit(name, { costMicros: 14 }, 0);
      const talking = { text: 'word '.repeat(40), tokenDelayMs: 50, usage };
      const slow = await kernel.start({
        model: await kernel.script(talking),
        limits: generous,
        pools: [name],
      });
      await kernel.seen(slow, 'text-delta');
      const quick = await kernel.start({
        model: await kernel.script({ text: 'Done.', usage }),
        limits: generous,
        pools: [name],
      });
      expect(await kernel.ended(quick)).toMatchObject({ status: 'succeeded' });
      expect((await story(kernel, quick)).filter((line) => line.startsWith('approval'))).toEqual([]);
      await kernel.ended(slow);
    });

    for (const [what, limits, drawn, reason, steps] of [
      ['steps', { steps: 25 }, {}, 'limit_steps', 25],
      ['tokens', { tokens: 95 }, {}, 'limit_tokens', 10],
      ['its own money', { costMicros: 10 }, {}, 'limit_cost', 4],
      ['an allowance', {}, { costMicros: 40 }, 'limit_cost', 11],
    ] as const) {
      test(`an agent that makes the same call for ever is stopped within one step of ${what}`, async () => {
        await kernel.startWorkers({ deps: (deps) => ({ ...priced.deps(deps), approvalSeconds: 1 }) });
        const name = newPool();
        await limit(name, drawn, 0);
        const model = await kernel.script(...Array.from({ length: 60 }, () => again));
        const run = await kernel.start({ model, limits: { ...generous, ...limits }, pools: [name] });
        expect(await kernel.ended(run)).toMatchObject({
          status: 'failed',
          reason,
          steps,
          cost_micros: steps * 3,
        });
      });
    }

    test('calls an hour that are used up are waited for, also when people are given less than the hour', async () => {
      await kernel.startWorkers({ deps: (deps) => ({ ...priced.deps(deps), approvalSeconds: 1 }) });
      const name = newPool();
      await limit(name, { hourCalls: 2 }, 0);
      const model = await kernel.script(again, again, again);
      const run = await kernel.start({ model, limits: generous, pools: [name] });
      await asked(run);
      await new Promise((resolve) => setTimeout(resolve, 2000));
      expect(await kernel.store.run(run.id)).toMatchObject({ status: 'awaiting_input', steps: 2 });
      await answer(run, 'denied');
      expect(await kernel.ended(run)).toMatchObject({ status: 'failed', reason: 'limit_calls', steps: 2 });
    });

    test('of 64 runs at once on one allowance none spends what is not there, and all go on when there is more', {
      tags: ['faults'],
    }, async () => {
      await kernel.startWorkers({ ...priced, llmSlots: 16, toolSlots: 16 });
      const name = newPool();
      await limit(name, { dayCostMicros: 200 }, 0);
      const model = await kernel.script(again, again, { text: 'Done.', usage });
      const runs: RunRow[] = [];
      // No more at once than there are connections: who waits for one gives up after five seconds.
      while (runs.length < 64) {
        const some = Array.from({ length: 8 }, () =>
          kernel.start({ model, limits: generous, pools: [name] }),
        );
        runs.push(...(await Promise.all(some)));
      }
      const others = async (...statuses: string[]) => {
        const ids = runs.map(({ id }) => id);
        const rows = kernel.store.database.db.selectFrom('runs').select('status').where('id', 'in', ids);
        return (await rows.execute()).filter(({ status }) => !statuses.includes(status)).length;
      };
      let most = 0;
      const look = async () => {
        const { used, held } = await pool(name);
        most = Math.max(most, used.dayCostMicros + held.dayCostMicros);
        return others('awaiting_input', 'succeeded');
      };
      await expect.poll(look, { timeout: 120_000 }).toBe(0);
      expect(most).toBeLessThanOrEqual(200);
      // What a run held whose last answer ended it comes back after that.
      await expect.poll(async () => (await pool(name)).held.dayCostMicros).toBe(0);
      // As many calls as fit, to the last reservation.
      const { used, held } = await pool(name);
      expect([used.dayCostMicros > 190, used.dayCostMicros <= 200, held.dayCostMicros]).toEqual([
        true,
        true,
        0,
      ]);
      await limit(name, { dayCostMicros: 0 }, 1);
      // Longer than one run is waited for: a hundred calls come first, each with replays of its own.
      await expect.poll(() => others('succeeded'), { timeout: 120_000 }).toBe(0);
      for (const run of runs)
        expect(await kernel.ended(run)).toMatchObject({ status: 'succeeded', cost_micros: 9 });
      expect(await pool(name)).toMatchObject({ used: { costMicros: 64 * 9 }, held: { costMicros: 0 } });
      const settled = await readLedger(kernel.store.database.db, {
        tenantId: defaultTenant,
        limit: 1000,
        kind: 'settle',
      });
      expect(settled.filter(({ pools }) => pools.includes(name))).toHaveLength(64 * 3);
    });
  },
  { idle: true },
);
