import fc from 'fast-check';
import { expect, test } from 'vitest';
import { priceOf } from '../../../activities/llm/prices.ts';
import { worstCaseOf } from '../../../activities/step/worst-case.ts';

const ceiling = { input: 10_000_000, output: 50_000_000 };
const prices = { own: {}, ceiling, local: [] };
const request = {
  messages: [{ role: 'user' as const, text: 'word '.repeat(600) }],
  tools: [],
  maxOutputTokens: 2_000,
};

function worst(model: string) {
  const [provider = '', ...rest] = model.split('/');
  return worstCaseOf((_, usage) => priceOf(provider, rest.join('/'), usage, prices), model, request);
}

test('a call is reserved with its whole prompt unread by any cache and the longest answer', () => {
  expect(worst('openai/gpt-4o')).toEqual({
    inputTokens: 1_500,
    outputTokens: 2_000,
    promptCostMicros: 3_750,
    // 2.50 and 10 dollars for a million.
    costMicros: 3_750 + 20_000,
  });
});

test('where writing to the cache costs more than reading anew, that is reserved', () => {
  // 3, 3.75 for a write, and 15 dollars for a million.
  expect(worst('anthropic/claude-sonnet-4-0').costMicros).toBe(5_625 + 30_000);
});

test('a model nobody knows the price of is reserved at the ceiling', () => {
  expect(worst('compatible/unheard-of').costMicros).toBe(15_000 + 100_000);
});

function inputOf(part: Partial<Parameters<typeof worstCaseOf>[2]>): number {
  const free = () => ({ costMicros: 0, priced: true });
  return worstCaseOf(free, 'a/b', { ...request, messages: [], ...part }).inputTokens;
}
const said = (text: string): number => inputOf({ messages: [{ role: 'user', text }] });

test('text with more tokens than characters is reserved at a token a byte, in messages, calls and tools', () => {
  expect(said('漢'.repeat(30_000))).toBe(90_000);
  expect(said('🦆'.repeat(10_000))).toBe(40_000);
  expect(said(Buffer.alloc(3_000, 0xa5).toString('base64'))).toBe(4_000);
  expect(said('0123456789abcdef'.repeat(4))).toBe(64);
  const calls = [{ id: '1.0', name: 'write', input: '漢字' }];
  expect(inputOf({ messages: [{ role: 'assistant', text: 'é', calls }] })).toBe(2 + 3 + 6);
});

test('each byte outside ASCII and of a word of 32 letters or more is a token, and each two of what is left', () => {
  const word = fc.string({ unit: fc.constantFrom(...'aZ09_+/=-'), maxLength: 70 });
  const other = fc.string({ unit: 'binary', maxLength: 5 });
  fc.assert(
    fc.property(fc.array(fc.oneof(word, other, fc.constantFrom(' ', '\n', 'é', '\ud83e'))), (parts) => {
      const text = parts.join('');
      const long = (text.match(/[\w+/=-]{32,}/g) ?? []).join('').length;
      const ascii = text.replaceAll(/[^\0-\x7f]/g, '').length;
      expect(said(text)).toBe(Math.ceil(Buffer.byteLength(text) - ascii + long + (ascii - long) / 2));
    }),
  );
});
