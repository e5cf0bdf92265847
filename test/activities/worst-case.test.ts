import { expect, test } from 'vitest';
import { priceOf } from '../../activities/llm/prices.ts';
import { worstCaseOf } from '../../activities/worst-case.ts';

const ceiling = { input: 10_000_000, output: 50_000_000 };
const request = {
  messages: [{ role: 'user' as const, text: 'x'.repeat(3_000) }],
  tools: [],
  maxOutputTokens: 2_000,
};

function worst(model: string) {
  const [provider = '', ...rest] = model.split('/');
  return worstCaseOf((_, usage) => priceOf(provider, rest.join('/'), usage, {}, ceiling), model, request);
}

test('a call is reserved with its whole prompt unread by any cache and the longest answer', () => {
  expect(worst('openai/gpt-4o')).toEqual({
    inputTokens: 1_000,
    outputTokens: 2_000,
    // 2.50 and 10 dollars for a million.
    costMicros: 2_500 + 20_000,
  });
});

test('where writing to the cache costs more than reading anew, that is reserved', () => {
  // 3, 3.75 for a write, and 15 dollars for a million.
  expect(worst('anthropic/claude-sonnet-4-0').costMicros).toBe(3_750 + 30_000);
});

test('a model nobody knows the price of is reserved at the ceiling', () => {
  expect(worst('compatible/unheard-of').costMicros).toBe(10_000 + 100_000);
});
