import { expect, test } from 'vitest';
import { drawn } from './drawn.ts';

const usage = { inputTokens: 1200, cachedInputTokens: 0, outputTokens: 34 };

test('an answer that was not whole is told without a word of a next step, which may not come', () => {
  const end = { step: 3, usage, costMicros: 1, priced: true, calls: 0 };
  const lines = (['cut', 'empty', 'paused'] as const).map((unfinished) =>
    drawn([{ type: 'step-end', payload: { ...end, unfinished } }]),
  );
  expect(lines).toEqual([
    '— the answer was cut at its longest length\n',
    '— the answer was empty\n',
    '— the model paused in its turn\n',
  ]);
});

test('what was charged at a ceiling does not look like a bill', () => {
  const finished = { status: 'succeeded', reason: 'finished', reasonText: '', steps: 1 } as const;
  const text = drawn([
    { type: 'step-end', payload: { step: 1, usage, costMicros: 410_000, priced: false, calls: 0 } },
    { type: 'run-end', payload: { final: true, ...finished, usage, costMicros: 410_000 } },
  ]);
  expect(text).toBe('succeeded · $0.41 estimated at a ceiling · 1 step · 1,200 tokens in, 34 out\n');
});
