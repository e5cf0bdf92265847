import { expect, test } from 'vitest';
import { withKernel } from '../support/kernel.ts';
import { story } from '../support/story.ts';
import type { EffectiveLimits } from '../../workflows/contracts/run.ts';

const generous: EffectiveLimits = { steps: 100, seconds: 600, costMicros: 1_000_000, tokens: 1_000_000 };
const usage = { inputTokens: 600, cachedInputTokens: 0, outputTokens: 400 };
const again = { text: 'Once more.', calls: [{ tool: 'list', input: { path: '.' } }], usage };
// So little time that it is waited for, and enough for what comes before its end on a machine that stands still meanwhile.
const briefly: EffectiveLimits = { ...generous, seconds: 12 };
// Far longer than that.
const talking = { text: 'word '.repeat(2000).trim(), tokenDelayMs: 50 };
const endless = Array.from({ length: 20 }, () => again);

withKernel(
  (kernel) => {
    const priced = {
      deps: (deps: typeof kernel.deps) => ({ ...deps, price: () => ({ costMicros: 10, priced: true }) }),
    };

    for (const [what, limits, reason, steps] of [
      ['steps', { steps: 3 }, 'limit_steps', 3],
      ['tokens', { tokens: 2500 }, 'limit_tokens', 3],
    ] as const) {
      test(`a run that reaches its limit of ${what} ends as failed, with that reason`, async () => {
        await kernel.startWorkers(priced);
        const model = await kernel.script(...endless);
        const run = await kernel.start({ model, limits: { ...generous, ...limits } });
        expect(await kernel.ended(run)).toMatchObject({
          status: 'failed',
          reason,
          reason_text: `The run reached its limit of ${what}.`,
          steps,
          cost_micros: 10 * steps,
          final_message: 'Once more.',
        });
        expect((await story(kernel, run)).at(-1)).toBe(`run-end failed ${reason}`);
      });
    }

    test('a run whose time is up while a tool runs ends as timed out, keeps its project and stops the tool', async () => {
      await kernel.startWorkers();
      const calls = [{ tool: 'shell', input: { command: 'echo begun > begun.txt; sleep 300' } }];
      const projectPath = await kernel.project();
      const run = await kernel.start({
        model: await kernel.script({ text: 'A long one.', calls }),
        projectPath,
        limits: briefly,
      });
      const ended = await kernel.ended(run);
      expect(ended).toMatchObject({ status: 'timed_out', reason: 'limit_seconds', steps: 1 });
      expect(ended.end_tree).toMatch(/^[0-9a-f]{40,64}$/);
      expect((await story(kernel, run)).slice(-2)).toEqual([
        'call-end 1.0 stopped',
        'run-end timed_out limit_seconds',
      ]);
      expect((await kernel.store.accept({ conversationId: run.conversation_id })).run.parent_id).toBe(run.id);
    });

    test('a run whose time is up before any worker had room for it ends as timed out', async () => {
      await kernel.startWorkers({ llmSlots: 1 });
      const model = await kernel.script(talking);
      const busy = await kernel.start({ model });
      await kernel.seen(busy, 'text-delta');
      const waiting = await kernel.start({ model, limits: { ...generous, seconds: 1 } });
      expect(await kernel.ended(waiting)).toMatchObject({ status: 'timed_out', steps: 0, started_at: null });
      expect(await story(kernel, waiting)).toEqual(['run-queued', 'run-end timed_out limit_seconds']);
      await kernel.stop(busy, 'cancel');
      await kernel.ended(busy);
    });

    test('a run whose time is up while the model talks ends as timed out and keeps what was said', async () => {
      await kernel.startWorkers();
      const { text } = talking;
      const run = await kernel.start({ model: await kernel.script(talking), limits: briefly });
      const ended = await kernel.ended(run);
      expect(ended).toMatchObject({ status: 'timed_out', reason: 'limit_seconds', steps: 1 });
      const said = ended.final_message ?? '';
      expect([text.startsWith(said), said.length > 0, said.length < text.length]).toEqual([true, true, true]);
      expect((await story(kernel, run)).slice(-4)).toEqual([
        `text: ${said}`,
        `message-end ${said}`,
        'step-end 1',
        'run-end timed_out limit_seconds',
      ]);
    });
  },
  { idle: true },
);
