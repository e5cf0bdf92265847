// The list of providers and what is chosen from it.
import { expect, test } from 'vitest';
import { createLlms, defaultModel, findLlm } from '../../../activities/llm/index.ts';
import { streamOf } from './conformance.ts';

const list = (settings: Parameters<typeof createLlms>[0]): unknown[] =>
  createLlms(settings).map(({ provider, missing, scripted }) => [provider, missing, scripted]);

test('every provider is listed with the variable it lacks', () => {
  expect(list({ openaiApiKey: 'k', compatibleBaseUrl: 'http://127.0.0.1:1/v1' })).toEqual([
    ['anthropic', 'ANTHROPIC_API_KEY', false],
    ['openai', undefined, false],
    ['google', 'GOOGLE_GENERATIVE_AI_API_KEY', false],
    ['compatible', undefined, false],
    ['scripted', undefined, true],
  ]);
});

test('a provider without its key says which variable to set', async () => {
  const llm = findLlm(createLlms({}), 'google/gemini-3.5-flash')?.llm;
  if (llm === undefined) throw new Error('google is not in the list');
  await expect(async () => {
    for await (const part of streamOf({ llm, model: 'm' })) throw new Error(`streamed ${part.type}`);
  }).rejects.toMatchObject({
    kind: 'auth',
    message: 'google is not configured: set GOOGLE_GENERATIVE_AI_API_KEY',
  });
});

test('a name is split at its first slash', () => {
  const llms = createLlms({});
  const found = findLlm(llms, 'compatible/meta/llama-5');
  expect([found?.llm.provider, found?.model]).toEqual(['compatible', 'meta/llama-5']);
  expect(['nobody/x', 'openai', 'openai/', '/x', ''].map((name) => findLlm(llms, name))).toEqual(
    Array(5).fill(undefined),
  );
});

test('the default is the configured name, else the first provider with a key, else the script', () => {
  expect(defaultModel(createLlms({ openaiApiKey: 'k' }), 'google/gemini-3.5-flash')).toBe(
    'google/gemini-3.5-flash',
  );
  expect(defaultModel(createLlms({ openaiApiKey: 'k', googleApiKey: 'k' }))).toBe('openai/gpt-5.6');
  expect(defaultModel(createLlms({ compatibleBaseUrl: 'http://127.0.0.1:1/v1' }))).toBe('compatible/auto');
  expect(defaultModel(createLlms({}))).toBe('scripted/hello');
});
