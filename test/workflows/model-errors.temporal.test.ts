import { expect, test } from 'vitest';
import { type Kernel, story, withKernel } from '../support/kernel.ts';
import { defaultTenant } from '../../activities/store/db/database.ts';
import { readEvents } from '../../activities/store/log/events.ts';
import type { RunRow } from '../../activities/store/runs/runs.ts';

async function timesOf({ store }: Kernel, run: RunRow, type: string): Promise<number[]> {
  const page = { tenantId: defaultTenant, after: 0, limit: 1000 };
  const events = await readEvents(store.database.db, `run/${run.id}`, page);
  return events.filter((event) => event.type === type).map(({ at }) => Date.parse(at));
}

withKernel((kernel) => {
  test('a provider that limits the rate is asked again when it said, and not before', async () => {
    const error = { kind: 'rate_limited', retryAfterMs: 1500, times: 1 } as const;
    const run = await kernel.start({ model: await kernel.script({ text: 'At last.', error }) });
    expect(await kernel.ended(run)).toMatchObject({
      status: 'succeeded',
      final_message: 'At last.',
      steps: 1,
    });
    expect((await story(kernel, run)).slice(2)).toEqual([
      'step-start 1',
      'attempt-error model/1 again',
      'message-reset 1',
      'text: At last.',
      'message-end At last.',
      'step-end 1',
      'run-end succeeded finished',
    ]);
    const [failed] = await timesOf(kernel, run, 'attempt-error');
    const [again] = await timesOf(kernel, run, 'message-reset');
    expect((again ?? 0) - (failed ?? 0)).toBeGreaterThanOrEqual(1500);
  });

  test('an overloaded provider is asked again until it answers', async () => {
    const error = { kind: 'overloaded', times: 3 } as const;
    const run = await kernel.start({ model: await kernel.script({ text: 'There.', error }) });
    expect(await kernel.ended(run)).toMatchObject({ status: 'succeeded', final_message: 'There.' });
    expect((await story(kernel, run)).filter((line) => line.startsWith('attempt-error'))).toHaveLength(3);
    const uses = await kernel.store.database.db
      .selectFrom('model_calls')
      .select(['attempt', 'status', 'output_tokens'])
      .where('run_id', '=', run.id)
      .orderBy('attempt')
      .execute();
    expect(uses.map(({ status, output_tokens }) => [status, output_tokens > 0])).toEqual([
      ['failed', false],
      ['failed', false],
      ['failed', false],
      ['answered', true],
    ]);
  });

  test('a stream that breaks in the middle is dropped and started over, and no word is doubled', async () => {
    const error = { kind: 'network', times: 2 } as const;
    const run = await kernel.start({ model: await kernel.script({ text: 'one two three four', error }) });
    expect(await kernel.ended(run)).toMatchObject({
      status: 'succeeded',
      final_message: 'one two three four',
    });
    expect((await story(kernel, run)).slice(2)).toEqual([
      'step-start 1',
      'text: one two',
      'attempt-error model/1 again',
      'message-reset 1',
      'text: one two',
      'attempt-error model/1 again',
      'message-reset 1',
      'text: one two three four',
      'message-end one two three four',
      'step-end 1',
      'run-end succeeded finished',
    ]);
  });

  for (const [kind, reason] of [
    ['bad_request', 'model_failed'],
    ['auth', 'model_failed'],
    ['content_refused', 'model_failed'],
    ['context_too_long', 'context_too_long'],
  ] as const) {
    test(`a model call that can never succeed (${kind}) ends the run after one attempt, with the provider's words`, async () => {
      const run = await kernel.start({ model: await kernel.script({ text: 'Never.', error: { kind } }) });
      const ended = await kernel.ended(run);
      expect(ended).toMatchObject({ status: 'failed', reason, steps: 0 });
      expect(ended.reason_text).toBe(`scripted: ${kind} as the scenario says (attempt 1)`);
      expect((await story(kernel, run)).slice(2)).toEqual([
        'step-start 1',
        'attempt-error model/1 for good',
        'message-reset 1',
        `run-end failed ${reason}`,
      ]);
    });
  }

  test('a model that nobody here has ends the run with a sentence', async () => {
    const run = await kernel.start({ model: 'nobody/at-all' });
    const ended = await kernel.ended(run);
    expect(ended).toMatchObject({ status: 'failed', reason: 'model_failed' });
    expect(ended.reason_text).toBe('No model of that provider is configured on this worker.');
  });
});
