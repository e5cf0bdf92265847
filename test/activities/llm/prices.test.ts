// What calls cost: whole micro-dollars, rounded up, never free by ignorance.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { estimateUsage } from '../../../activities/llm/estimate-usage.ts';
import { createLlms } from '../../../activities/llm/index.ts';
import { isLocalServer } from '../../../activities/llm/local-server.ts';
import { type Price, priceOf } from '../../../activities/llm/prices.ts';

const ceiling = { input: 20_000_000, output: 100_000_000 };
const prices = { own: {}, ceiling, local: [] };
const usage = { inputTokens: 1_000_000, cachedInputTokens: 100_000, outputTokens: 1_000_000 };

describe('the price of a call', () => {
  test('known models are priced from the table, with cached and written input apart', () => {
    const cost = (more: object): number =>
      priceOf(
        'anthropic',
        'claude-haiku-4-5',
        { inputTokens: 1_000_000, cachedInputTokens: 0, outputTokens: 0, ...more },
        prices,
      ).costMicros;
    expect({
      fresh: cost({}),
      cached: cost({ cachedInputTokens: 1_000_000 }),
      written: cost({ cacheWriteTokens: 1_000_000 }),
      answered: cost({ outputTokens: 1_000_000 }),
    }).toEqual({ fresh: 1_000_000, cached: 100_000, written: 1_250_000, answered: 6_000_000 });
  });

  test('the configuration goes before the table, the model before the provider', () => {
    const own = {
      'openai/*': { input: 10, output: 10 },
      'openai/gpt-5.5': { input: 2_000_000, cachedInput: 0, output: 7 },
    };
    expect(priceOf('openai', 'gpt-5.5', usage, { ...prices, own })).toEqual({
      costMicros: 1_800_007,
      priced: true,
    });
    expect(priceOf('openai', 'gpt-5.4', usage, { ...prices, own })).toEqual({ costMicros: 20, priced: true });
  });

  test('an unknown price is charged by the ceiling and says so', () => {
    const charged = { costMicros: 120_000_000, priced: false };
    expect(priceOf('openai', 'no-such-model', usage, prices)).toEqual(charged);
    // A server of one's own may ask any price for a known name.
    expect(priceOf('compatible', 'gpt-5.5', usage, prices)).toEqual(charged);
    expect(priceOf('compatible', '__proto__', usage, prices)).toEqual(charged);
  });

  test('a server of one’s own costs nothing unless a price is given, and a proxy of a vendor is no such server', () => {
    const at = (name: string, own: Record<string, Price> = {}) => {
      const [provider = '', model = ''] = name.split('/');
      return priceOf(provider, model, usage, { ...prices, own, local: ['compatible', 'openai'] });
    };
    expect(at('compatible/qwen3')).toEqual({ costMicros: 0, priced: true });
    expect(at('compatible/qwen3', { 'compatible/*': { input: 1, output: 1 } }).costMicros).toBe(2);
    expect(at('openai/qwen3')).toEqual({ costMicros: 0, priced: true });
    expect(at('openai/gpt-5.4')).toEqual(priceOf('openai', 'gpt-5.4', usage, prices));
    expect(at('openai/gpt-5.4').costMicros).toBeGreaterThan(0);
    // Its maker lists a price for it and gives it away.
    expect(at('openai/gpt-oss-20b')).toEqual({ costMicros: 0, priced: true });
    expect(priceOf('openai', 'gpt-oss-20b', usage, prices).costMicros).toBeGreaterThan(0);
    expect(at('google/no-such-model').priced).toBe(false);
  });

  test('the scripted model costs nothing', () => {
    expect(priceOf('scripted', 'hello', usage, prices)).toEqual({ costMicros: 0, priced: true });
  });

  test('every model we offer has a known price', () => {
    const offered = createLlms({}).filter(({ provider }) =>
      ['openai', 'anthropic', 'google'].includes(provider),
    );
    const unknown = offered.flatMap(({ provider, models }) =>
      models.filter((model) => !priceOf(provider, model, usage, prices).priced),
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
          { ...prices, ceiling: { input, output } },
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
    expect(priceOf('google', 'gemini-3.5-flash', one, prices).costMicros).toBeGreaterThan(0);
  });
});

test.each([
  ...[
    'http://localhost:11434/v1',
    'http://LOCALHOST./v1',
    'http://api.localhost',
    'http://mac.local:1234/v1',
  ],
  ...['http://host.docker.internal:8000/v1', 'http://127.0.0.1:8080', 'http://127.9.9.9', 'http://0x7f.1/v1'],
  ...[
    'http://2130706433',
    'http://0.0.0.0:11434',
    'http://10.1.2.3',
    'http://172.16.0.1',
    'http://172.31.255.255',
  ],
  ...[
    'http://192.168.0.7:8000/v1',
    'http://169.254.1.1',
    'http://[::1]:8080/v1',
    'http://[fd12::7]',
    'http://[fe80::1]',
  ],
  'http://[::ffff:192.168.0.7]/v1',
])('%s is a server of one’s own', (url) => {
  expect(isLocalServer(url)).toBe(true);
});

test.each([
  ...['https://api.openai.com/v1', 'http://localhost.example.com', 'http://local', 'http://127.0.0.1.nip.io'],
  ...[
    'http://172.32.0.1',
    'http://172.15.255.255',
    'http://11.0.0.1',
    'http://192.169.0.1',
    'http://8.8.8.8',
  ],
  ...['http://[2001:db8::1]', 'http://[::ffff:8.8.8.8]', 'http://10.example.com', 'http://notlocalhost'],
  ...['http://ollama:11434/v1', 'http://127.0.0.1@example.com/v1', 'no address', undefined],
])('%s is not', (url) => {
  expect(isLocalServer(url)).toBe(false);
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
