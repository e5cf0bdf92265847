// The longest answer: when it is sent, and what becomes of a refusal that names another.
import { describe, expect, test } from 'vitest';
import { createLlms, findLlm } from '../../../activities/llm/index.ts';
import { type Llm, LlmError, type LlmRequest } from '../../../activities/llm/llm.ts';
import { longestAnswerOf } from '../../../activities/llm/longest-answers.ts';
import { namedLimit } from '../../../activities/llm/named-limit.ts';
import { type Answer, createRawServer, refuses, streams } from './raw-server.ts';
import { wires } from './wires.ts';

describe('the longest answer', () => {
  test.each([
    // The model's own, under the names of vendors and of routers; the usual one where that is longer; the cautious one
    // of a model nobody knows.
    ['gpt-4o-mini', {}, 16_384],
    ['openai/gpt-4.1', {}, 32_000],
    ['gpt-5.5', {}, 32_000],
    ['claude-haiku-4-5', {}, 32_000],
    ['anthropic/claude-3.5-haiku', {}, 8_192],
    ['gemini-2.0-flash', {}, 8_192],
    ['deepseek-chat', {}, 8_192],
    ['qwen3-coder', {}, 16_384],
    // What a run asks for, up to what the model can write.
    ['claude-haiku-4-5', { wanted: 2_000 }, 2_000],
    ['claude-haiku-4-5', { wanted: 500_000 }, 64_000],
    ['anthropic/claude-sonnet-4.5', { wanted: 500_000 }, 64_000],
    ['claude-opus-4-1-20250805', { wanted: 500_000 }, 32_000],
    ['claude-opus-5', { wanted: 100_000 }, 100_000],
    ['gpt-5.6-sol', { wanted: 500_000 }, 128_000],
    ['o4-mini', { wanted: 500_000 }, 100_000],
    ['gemini-3.5-flash', { wanted: 500_000 }, 65_536],
    ['qwen3-coder', { wanted: 64_000 }, 64_000],
    // What the configuration says of a model goes before the table.
    ['gpt-4o', { given: 64_000 }, 64_000],
    ['qwen3-coder', { given: 64_000, wanted: 100_000 }, 64_000],
  ])('of %s with %j is %i', (model, about, longest) => {
    expect(longestAnswerOf(model, about)).toBe(longest);
  });

  const wire = wires.find(({ provider }) => provider === 'compatible');
  if (wire === undefined) throw new Error('no wire');
  const parts = wire.answer(['Hi.'], { input: 9, cached: 0, output: 2 });
  const answers = streams([...parts.begin, ...parts.texts, ...parts.end]);

  /** By the longest answer that is asked for. */
  type Answering = (longest: number) => Answer;

  /** The bodies of one call, or of one for each of the runs, by the same process. */
  async function sentBy(
    answer: Answering,
    more: Partial<LlmRequest>,
    profile?: object,
    runs = ['r'],
  ): Promise<Record<string, unknown>[]> {
    const server = await createRawServer((...given) => {
      const { max_tokens: longest } = server.bodies.at(-1) as { max_tokens?: number };
      return answer(longest ?? 0)(...given);
    });
    try {
      const settings = {
        compatibleBaseUrl: `${server.url}/v1`,
        modelProfiles: { 'compatible/m': { ...profile } },
      };
      const { llm } = findLlm(createLlms(settings), 'compatible/m') as { llm: Llm };
      const request = {
        model: 'm',
        messages: [{ role: 'user' as const, text: 'Hi' }],
        tools: [],
        step: 1,
      };
      for (const runId of runs) {
        const stream = llm.stream(
          { ...request, runId, maxOutputTokens: 32_000, ...more },
          new AbortController().signal,
        );
        try {
          for await (const part of stream) void part;
        } catch (error) {
          if (!(error instanceof LlmError)) throw error;
        }
      }
      return server.bodies as Record<string, unknown>[];
    } finally {
      await server.close();
    }
  }

  test('is left out where tokens are free and the server knows its own, and sent where they cost', async () => {
    const longest = async (more: Partial<LlmRequest>, profile?: object): Promise<unknown> =>
      (await sentBy(() => answers, more, profile)).map((body) => [
        body['max_tokens'],
        body['max_completion_tokens'],
      ]);
    expect(await longest({ free: true })).toEqual([[undefined, undefined]]);
    expect(await longest({ free: false })).toEqual([[32_000, undefined]]);
    expect(await longest({ free: true }, { profile: 'mistral' })).toEqual([[32_000, undefined]]);
    expect(await longest({ free: true }, { profile: 'openai' })).toEqual([[undefined, 32_000]]);
    expect(await longest({ free: true }, { longestAnswer: 4_096 })).toEqual([[4_096, undefined]]);
    // Never above what is reserved.
    expect(await longest({ free: false }, { longestAnswer: 64_000 })).toEqual([[32_000, undefined]]);
  });

  test('that a refusal names is used, once', async () => {
    const tooLong = (most: number) =>
      refuses(400, {
        error: { message: `Invalid max_tokens value, the valid range of max_tokens is [1, ${most}]` },
      });
    let asked = 0;
    const once: Answering = () => (asked++ === 0 ? tooLong(8_192) : answers);
    expect((await sentBy(once, {})).map((body) => body['max_tokens'])).toEqual([32_000, 8_192]);
    let most = 10_000;
    const always: Answering = () => tooLong((most -= 1_000));
    expect((await sentBy(always, {})).map((body) => body['max_tokens'])).toEqual([32_000, 9_000]);
  });

  test('that a refusal names counts in later steps of the run, unless it is what one prompt left', async () => {
    const longest = async (most: number, message: string): Promise<unknown[]> => {
      const answer: Answering = (longest) =>
        longest > most ? refuses(400, { error: { message } }) : answers;
      return (await sentBy(answer, {}, {}, ['r', 'r', 'other'])).map((body) => body['max_tokens']);
    };
    expect(await longest(8_192, 'max_tokens must be <= 8192')).toEqual([
      ...[32_000, 8_192],
      8_192,
      ...[32_000, 8_192],
    ]);
    const left = 'max_tokens is too large: 32000 (32000 > 32768 - 2768)';
    expect(await longest(30_000, left)).toEqual([32_000, 30_000, 32_000, 30_000, 32_000, 30_000]);
  });

  test.each<[string, number | undefined]>([
    ['Range of max_tokens should be [1, 8192]', 8_192],
    ['max_tokens is too large: 32000. This model supports at most 16384 completion tokens', 16_384],
    ['max_tokens: 32000 > 8192, which is the maximum allowed number of output tokens for claude', 8_192],
    [
      "'max_tokens' or 'max_completion_tokens' is too large: 32000. This model's maximum context length is 32768 tokens and your request has 1200 input tokens (32000 > 32768 - 1200).",
      31_568,
    ],
    [
      "This endpoint's maximum context length is 40000 tokens. However, you requested about 42000 tokens (10000 of text input, 32000 in the output).",
      30_000,
    ],
    [
      '`inputs` tokens + `max_new_tokens` must be <= 8193. Given: 100 `inputs` tokens and 32000 `max_new_tokens`',
      8_093,
    ],
    ['`max_tokens` must be less than or equal to `8192`, the maximum value for `max_tokens`', 8_192],
    ['max_tokens must be ≤ 8192', 8_192],
    ['The maximum tokens you requested exceeds the model limit of 8192. Try again', 8_192],
    [
      'a maxOutputTokens value of 32000 but the supported range is from 1 (inclusive) to 8193 (exclusive)',
      8_192,
    ],
    ['prompt is too long: 210000 tokens > 200000 maximum', undefined],
    ['max_tokens must be at most 64000', undefined],
  ])('%s', (sentence, limit) => {
    expect(namedLimit(new Error(sentence), 32_000)?.tokens).toBe(limit);
  });
});
