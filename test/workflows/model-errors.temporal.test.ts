import { expect, test } from 'vitest';
import { type Kernel, withKernel } from '../support/kernel.ts';
import { story } from '../support/story.ts';
import { defaultTenant } from '../../activities/store/db/database.ts';
import { readEvents } from '../../activities/store/log/events.ts';
import type { RunRow } from '../../activities/store/runs/runs.ts';

async function timesOf({ store }: Kernel, run: RunRow, type: string): Promise<number[]> {
  const page = { tenantId: defaultTenant, after: 0, limit: 1000 };
  const events = await readEvents(store.database.db, `run/${run.id}`, page);
  return events.filter((event) => event.type === type).map(({ at }) => Date.parse(at));
}

/** What the answer of each step lacked. */
async function unfinished({ store }: Kernel, run: RunRow) {
  const events = await store.events(run);
  return events.flatMap((event) => (event.type === 'step-end' ? [event.payload.unfinished] : []));
}

async function usesOf({ store }: Kernel, run: RunRow) {
  return store.database.db
    .selectFrom('model_calls')
    .select(['step', 'status'])
    .where('run_id', '=', run.id)
    .orderBy('step')
    .execute();
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
      expect(await kernel.shown(run)).toMatchObject({
        status: 'FAILED',
        result: { status: 'failed', reason, steps: 0, costMicros: ended.cost_micros },
        failure: [reason, expect.stringMatching(/^The run has ended as failed: /)],
      });
    });
  }

  for (const [kind, tries, words] of [
    ['unreadable', 2, 'The same unreadable answer came twice: this is a fault of the server.'],
    ['timeout', 3, 'It failed 3 times in a row without an outage.'],
  ] as const) {
    test(`what waiting does not mend (${kind}) ends the run after ${tries} tries, and it says why`, async () => {
      const run = await kernel.start({ model: await kernel.script({ text: 'Never.', error: { kind } }) });
      expect(await kernel.ended(run)).toMatchObject({
        status: 'failed',
        reason: 'model_failed',
        reason_text: `scripted: ${kind} as the scenario says (attempt ${tries}). ${words}`,
      });
      const lines = (await story(kernel, run)).filter((line) => line.startsWith('attempt-error'));
      expect(lines).toEqual([
        ...Array.from({ length: tries - 1 }, () => 'attempt-error model/1 again'),
        'attempt-error model/1 for good',
      ]);
    });
  }

  test('a model that nobody here has ends the run with a sentence', async () => {
    const run = await kernel.start({ model: 'nobody/at-all' });
    const ended = await kernel.ended(run);
    expect(ended).toMatchObject({ status: 'failed', reason: 'model_failed' });
    expect(ended.reason_text).toBe('No model of that provider is configured on this worker.');
  });

  test('an answer that is cut is gone on with, step by step, and the message is all of it', async () => {
    const model = await kernel.script(
      { text: 'One, two,', finish: 'length' },
      { text: '' },
      { text: ' three,', finish: 'paused' },
      { text: ' four.' },
    );
    const run = await kernel.start({ model });
    expect(await kernel.ended(run)).toMatchObject({
      status: 'succeeded',
      reason: 'finished',
      final_message: 'One, two, three, four.',
      steps: 4,
    });
    expect(await unfinished(kernel, run)).toEqual(['cut', 'empty', 'paused', undefined]);
    expect((await usesOf(kernel, run)).map(({ step, status }) => [step, status])).toEqual(
      [1, 2, 3, 4].map((step) => [step, 'answered']),
    );
  });

  test('a call in whose arguments an answer was cut is not made, and those before it are', async () => {
    const whole = { tool: 'todo', input: { items: [] } };
    const half = { tool: 'shell', input: '{"command":"touch ne' };
    const run = await kernel.start({
      model: await kernel.script({ calls: [whole, half], finish: 'length' }, { text: 'Shorter, then.' }),
    });
    expect(await kernel.ended(run)).toMatchObject({ status: 'succeeded', final_message: 'Shorter, then.' });
    const calls = await kernel.store.database.db
      .selectFrom('calls')
      .select(['tool', 'status', 'attempts', 'output'])
      .where('run_id', '=', run.id)
      .orderBy('index')
      .execute();
    expect(calls).toMatchObject([
      { tool: 'todo', attempts: 1 },
      {
        tool: 'shell',
        status: 'failed',
        attempts: 0,
        output: expect.stringContaining('before the arguments of this call were whole'),
      },
    ]);
  });

  for (const [what, step, reason, steps, message] of [
    ['cut', { text: 'word ', finish: 'length' }, 'answer_cut', 8, 'word '.repeat(8)],
    ['empty', { thinking: 'Hm.' }, 'answer_empty', 3, null],
  ] as const) {
    test(`a model whose every answer is ${what} ends its run as failed, for that reason and in time`, async () => {
      const model = await kernel.script(...Array.from({ length: 10 }, () => step));
      const run = await kernel.start({ model });
      expect(await kernel.ended(run)).toMatchObject({
        status: 'failed',
        reason,
        steps,
        final_message: message,
      });
      expect(await unfinished(kernel, run)).toEqual(Array.from({ length: steps }, () => what));
    });
  }
});
