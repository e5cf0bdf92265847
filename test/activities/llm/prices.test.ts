// What calls cost: whole micro-dollars, rounded up, never free by ignorance.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { estimateUsage } from '../../../activities/llm/estimate-usage.ts';
import { createLlms } from '../../../activities/llm/index.ts';
import { priceOf } from '../../../activities/llm/prices.ts';

const ceiling = { input: 20_000_000, output: 100_000_000 };
const usage = { inputTokens: 1_000_000, cachedInputTokens: 100_000, outputTokens: 1_000_000 };

describe('the price of a call', () => {
  test('known models are priced from the table, with cached and written input apart', () => {
    const cost = (more: object): number =>
      priceOf(
        'anthropic',
        'claude-haiku-4-5',
        { inputTokens: 1_000_000, cachedInputTokens: 0, outputTokens: 0, ...more },
        {},
        ceiling,
      ).costMicros;
    expect({
      fresh: cost({}),
      cached: cost({ cachedInputTokens: 1_000_000 }),
      written: cost({ cacheWriteTokens: 1_000_000 }),
      answered: cost({ outputTokens: 1_000_000 }),
    }).toEqual({ fresh: 1_000_000, cached: 100_000, written: 1_250_000, answered: 6_000_000 });
  });

  test('the configuration goes before the table, the model before the provider', () => {
    const overlay = {
      'openai/*': { input: 10, output: 10 },
      'openai/gpt-5.5': { input: 2_000_000, cachedInput: 0, output: 7 },
    };
    expect(priceOf('openai', 'gpt-5.5', usage, overlay, ceiling)).toEqual({
      costMicros: 1_800_007,
      priced: true,
    });
    expect(priceOf('openai', 'gpt-5.4', usage, overlay, ceiling)).toEqual({ costMicros: 20, priced: true });
  });

  test('an unknown price is charged by the ceiling and says so', () => {
    const charged = { costMicros: 120_000_000, priced: false };
    expect(priceOf('openai', 'no-such-model', usage, {}, ceiling)).toEqual(charged);
    // A server of one's own may ask any price for a known name.
    expect(priceOf('compatible', 'gpt-5.5', usage, {}, ceiling)).toEqual(charged);
    expect(priceOf('compatible', '__proto__', usage, {}, ceiling)).toEqual(charged);
  });

  test('the scripted model costs nothing', () => {
    expect(priceOf('scripted', 'hello', usage, {}, ceiling)).toEqual({ costMicros: 0, priced: true });
  });

  test('every model we offer has a known price', () => {
    const offered = createLlms({}).filter(({ provider }) =>
      ['openai', 'anthropic', 'google'].includes(provider),
    );
    const unknown = offered.flatMap(({ provider, models }) =>
      models.filter((model) => !priceOf(provider, model, usage, {}, ceiling).priced),
    );
    expect(offered).toHaveLength(3);
    expect(unknown).toEqual([]);
  });

  test('costs are exact, whole and never below the true price', () => {
    const count = fc.integer({ min: 0, max: 100_000_000 });
    const price = fc.integer({ min: 0, max: 1_000_000_000 });
    fc.assert(
      fc.property(count, count, price, price, (inputTokens, outputTokens, input, output) => {
        const { costMicros } = priceOf(
          'x',
          'y',
          { inputTokens, cachedInputTokens: 0, outputTokens },
          {},
          { input, output },
        );
        const exact = BigInt(inputTokens) * BigInt(input) + BigInt(outputTokens) * BigInt(output);
        expect(Number.isSafeInteger(costMicros)).toBe(true);
        expect(BigInt(costMicros) * 1_000_000n >= exact).toBe(true);
        expect(BigInt(costMicros) * 1_000_000n - exact < 1_000_000n).toBe(true);
      }),
    );
  });

  test('a single cheap token costs a micro-dollar, not nothing', () => {
    const one = { inputTokens: 1, cachedInputTokens: 0, outputTokens: 0 };
    expect(priceOf('google', 'gemini-3.5-flash', one, {}, ceiling).costMicros).toBeGreaterThan(0);
  });
});

test('an estimate counts messages, calls, tools and the answer', () => {
  const tools = [{ name: 'a', description: '', inputSchema: {} }];
  const messages = [
    { role: 'user' as const, text: 'x'.repeat(30) },
    { role: 'assistant' as const, text: '', calls: [{ id: 'c', name: 'list', input: '{}' }] },
  ];
  expect(estimateUsage({ messages, tools: [] }, 'four')).toEqual({
    inputTokens: 12,
    cachedInputTokens: 0,
    outputTokens: 2,
  });
  expect(estimateUsage({ messages, tools }, '').inputTokens).toBe(
    Math.ceil((36 + JSON.stringify(tools).length) / 3),
  );
});
