// What is sent: a conversation of ten steps with tools in each wire format, held against the rules of each server; what
// came with an answer goes back with it, to the same server and model only.
import { describe, expect, test } from 'vitest';
import { boundSchema } from '../../../activities/llm/bound-schema.ts';
import { chooseProfiles } from '../../../activities/llm/choose-profile.ts';
import { createLlms, findLlm } from '../../../activities/llm/index.ts';
import { type Llm, LlmError, type LlmRequest } from '../../../activities/llm/llm.ts';
import { namedLimit } from '../../../activities/llm/named-limit.ts';
import type { Kind } from './answering-server.ts';
import { converse, llmOf, models, said, takeStep, turns, withServer } from './conversing.ts';
import { type Answer, createRawServer, refuses, streams } from './raw-server.ts';
import { refusalOf } from './request-rules.ts';
import { wires } from './wires.ts';

const kinds: Kind[] = [
  { server: 'openai', format: 'responses' },
  { server: 'anthropic', format: 'anthropic' },
  { server: 'gemini', format: 'gemini' },
  { server: 'mistral', format: 'chat', thoughts: 'chunks' },
  { server: 'deepseek', format: 'chat', thoughts: 'reasoning_content' },
  { server: 'kimi', format: 'chat', thoughts: 'reasoning_content' },
  { server: 'vllm', format: 'chat', thoughts: 'reasoning' },
  { server: 'llamacpp', format: 'chat', thoughts: 'reasoning_content' },
  { server: 'ollama', format: 'chat', thoughts: 'reasoning' },
  { server: 'lmstudio', format: 'chat', thoughts: 'reasoning_content' },
  { server: 'openrouter', format: 'chat', thoughts: 'reasoning_details' },
  { server: 'compatible', format: 'chat', thoughts: 'extra_content' },
  { server: 'openai chat', format: 'chat' },
];

const namesIn = (value: unknown, pattern: RegExp): string[] => JSON.stringify(value).match(pattern) ?? [];

/** A request's conversation up to the context, which must be its end. */
function beforeContext(body: any): string {
  const whole = JSON.stringify(body.messages ?? body.contents ?? body.input).replaceAll(
    /,"cache_control":\{[^}]*\}/g,
    '',
  );
  const place = whole.lastIndexOf('<perdure:context>');
  expect(whole.slice(place)).toMatch(
    /^<perdure:context>\\nStep \d+ of at most 50\\n<\/perdure:context>["}\]]*(,"(role|name|tool_call_id)":"\w+"|[}\]])*$/,
  );
  return whole.slice(0, place).replace(/(\\n)+$|,\{"type":"text","text":"$/, '');
}

describe.each(kinds)('$server ($format)', (kind) => {
  test('ten steps with tools are sent as it takes them, and what came with each answer comes back', async () => {
    await withServer(kind, async (server) => {
      await converse(kind, server);
      expect(server.refusals).toEqual([]);
      expect(server.bodies).toHaveLength(10);
      const sent = server.bodies.map(beforeContext);
      sent.slice(1).forEach((later, index) => expect(later.startsWith(sent[index] ?? 'none')).toBe(true));
      expect(namesIn(server.bodies.at(-1), /(thought|sig)-\d+/g)).toEqual(expectedBack(kind));
    });
  });
});

/** Of the nine answers before the last. */
function expectedBack({ server, thoughts, format }: Kind): string[] {
  return turns.slice(0, 9).flatMap(({ thought, signature, text, calls }) => {
    if (format === 'responses') return [signature, thought];
    if (format === 'anthropic' || thoughts === 'reasoning_details') return [thought, signature];
    if (format === 'gemini') return [thought, signature];
    if (thoughts === 'extra_content') return calls.length > 0 ? [signature] : [];
    if (thoughts === undefined) return [];
    const silent = ['llamacpp', 'ollama', 'lmstudio'].includes(server) && text !== '' && calls.length > 0;
    return silent ? [] : [thought];
  });
}

const kindOf = (server: string): Kind => kinds.find((kind) => kind.server === server) as Kind;

/** The last request of the ten steps, which its server accepts. */
async function accepted(server: string): Promise<any> {
  return withServer(kindOf(server), async (answering) => {
    await converse(kindOf(server), answering);
    return answering.bodies.at(-1);
  });
}

describe('a server refuses', () => {
  const answerOf = (body: any): any => body.messages.find((message: any) => message.tool_calls);
  test.each<[string, string, (body: any) => void, string]>([
    [
      'mistral',
      'a message after a result',
      (b) => b.messages.push({ role: 'user', content: 'x' }),
      "'user' after role 'tool'",
    ],
    [
      'vllm',
      'two messages in a row',
      (b) => b.messages.splice(1, 0, { role: 'user', content: 'x' }),
      "'user' after role 'user'",
    ],
    [
      'mistral',
      'an id of another form',
      (b) => {
        const id = answerOf(b).tool_calls[0].id;
        Object.assign(b, JSON.parse(JSON.stringify(b).replaceAll(id, 'call_1_1_0')));
      },
      'with a length of 9',
    ],
    [
      'mistral',
      'a field it does not know',
      (b) => (b.stream_options = {}),
      'extra_forbidden: stream_options',
    ],
    [
      'mistral',
      'a field in a message',
      (b) => (answerOf(b).reasoning_content = 'x'),
      'extra_forbidden: messages.',
    ],
    ['llamacpp', 'null for a text', (b) => (answerOf(b).content = null), 'content is no text'],
    [
      'llamacpp',
      'a large bound',
      (b) => (b.tools[0].function.parameters.maxItems = 9999),
      'failed to parse grammar',
    ],
    [
      'deepseek',
      'calls without their reasoning',
      (b) => delete answerOf(b).reasoning_content,
      'reasoning_content is missing',
    ],
    [
      'kimi',
      'an empty reasoning',
      (b) => (answerOf(b).reasoning_content = ''),
      'reasoning_content is missing',
    ],
    ['openai chat', 'max_tokens', (b) => (b.max_tokens = 5), 'extra_forbidden: max_tokens'],
    ['compatible', 'an answer at the end', (b) => b.messages.pop(), 'Expected last role User or Tool'],
    [
      'anthropic',
      'an answer whose thinking is gone',
      (b) => b.messages[1].content.shift(),
      'Expected thinking',
    ],
    [
      'anthropic',
      'a mark at its end',
      (b) => (b.messages.at(-1).content.at(-1).cache_control = {}),
      'never read',
    ],
    [
      'gemini',
      'a call without its signature',
      (b) => delete b.contents[1].parts[1].thoughtSignature,
      'thought_signature',
    ],
    [
      'openai',
      'an item that is not encrypted',
      (b) => delete b.input.find((i: any) => i.type === 'reasoning').encrypted_content,
      'not encrypted',
    ],
  ])('%s: %s', async (server, _, change, sentence) => {
    const body = await accepted(server);
    expect(refusalOf(server, body)).toBeUndefined();
    change(body);
    expect(refusalOf(server, body)).toContain(sentence);
  });
});

describe('what came with an answer', () => {
  test.each(['anthropic', 'openai', 'gemini', 'vllm', 'openrouter', 'compatible'])(
    '%s: is not sent to another model, nor to another server',
    async (server) => {
      const kind = kindOf(server);
      const history = await withServer(kind, (answering) => converse(kind, answering));
      await withServer(kind, async (answering) => {
        const { llm, provider } = llmOf(kind, answering.url);
        const model = models[provider] ?? 'm';
        const next = [...history, said('c', 1, 0, 'Once more.')];
        for (const other of [model, `${model}-other`])
          await takeStep(llm, other, next, { runId: 'c', step: 1 }).catch(() => []);
        expect(answering.bodies.map((body) => namesIn(body, /(thought|sig)-\d+/g))).toEqual([[], []]);
      });
    },
  );

  test('a signed block that redaction altered is dropped, and one without a signature is sent redacted', async () => {
    const redact = (text: string) => text.replaceAll('thought-1', '[secret]');
    const after = async (server: string): Promise<unknown> =>
      withServer(kindOf(server), async (answering) => {
        const { llm, provider } = llmOf(kindOf(server), answering.url);
        const history = [said('a', 1, 0, 'Mend the test.')];
        for (const step of [1, 2])
          history.push(
            ...(await takeStep(llm, models[provider] ?? 'm', history, { runId: 'a', step }, redact).catch(
              () => [],
            )),
          );
        return namesIn(answering.bodies[1], /thought-1|sig-1|\[secret\]/g);
      });
    expect(await after('anthropic')).toEqual([]);
    expect(await after('openai')).toEqual([]);
    expect(await after('openrouter')).toEqual([]);
    // Its signature is the call's, which is as it was.
    expect(await after('gemini')).toEqual(['[secret]', 'sig-1']);
    expect(await after('vllm')).toEqual(['[secret]']);
  });
});

describe('the longest answer', () => {
  const wire = wires.find(({ provider }) => provider === 'compatible');
  if (wire === undefined) throw new Error('no wire');
  const parts = wire.answer(['Hi.'], { input: 9, cached: 0, output: 2 });
  const answers = streams([...parts.begin, ...parts.texts, ...parts.end]);

  /** The bodies of one call. */
  async function sentBy(answer: Answer, more: Partial<LlmRequest>, profile?: object): Promise<any[]> {
    const server = await createRawServer(answer);
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
        runId: 'r',
        step: 1,
      };
      const stream = llm.stream(
        { ...request, maxOutputTokens: 32_000, ...more },
        new AbortController().signal,
      );
      try {
        for await (const part of stream) void part;
      } catch (error) {
        if (!(error instanceof LlmError)) throw error;
      }
      return server.bodies;
    } finally {
      await server.close();
    }
  }

  test('is left out where tokens are free and the server knows its own, and sent where they cost', async () => {
    const longest = async (more: Partial<LlmRequest>, profile?: object): Promise<unknown> =>
      (await sentBy(answers, more, profile)).map((body) => [body.max_tokens, body.max_completion_tokens]);
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
    const once: Answer = (...given) => (asked++ === 0 ? tooLong(8_192) : answers)(...given);
    expect((await sentBy(once, {})).map((body) => body.max_tokens)).toEqual([32_000, 8_192]);
    let most = 10_000;
    const always: Answer = (...given) => tooLong((most -= 1_000))(...given);
    expect((await sentBy(always, {})).map((body) => body.max_tokens)).toEqual([32_000, 9_000]);
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
    expect(namedLimit(new Error(sentence), 32_000)).toBe(limit);
  });
});

test('a profile is chosen by host, then by port, and the configuration goes before both', () => {
  const named = (baseUrl: string | undefined): string => chooseProfiles('compatible', baseUrl).about.name;
  expect(
    [
      ...['https://api.mistral.ai/v1', 'https://api.deepseek.com', 'https://api.moonshot.cn/v1'],
      ...['https://openrouter.ai/api/v1', 'https://api.openai.com/v1', 'http://localhost:11434/v1'],
      ...['http://127.0.0.1:1234/v1', 'http://gpu:8000/v1', 'http://[::1]:8080/v1', 'http://proxy:4000/v1'],
      ...['https://mistral.ai.example.com/v1', 'https://generativelanguage.googleapis.com/v1beta/openai'],
    ].map(named),
  ).toEqual([
    ...['mistral', 'deepseek', 'kimi', 'openrouter', 'openai', 'ollama', 'lmstudio', 'vllm', 'llamacpp'],
    ...['compatible', 'compatible', 'gemini'],
  ]);
  const chosen = chooseProfiles('compatible', 'http://gpu:8000/v1', {
    'compatible/*': { profile: 'lmstudio' },
    'compatible/devstral': { profile: 'mistral', streamUsage: true },
    'openai/*': { profile: 'openai' },
  });
  expect(chosen.about).toEqual({
    name: 'lmstudio',
    why: 'by the configuration',
    byModel: { 'compatible/devstral': 'mistral' },
  });
  expect([chosen.of('any').name, chosen.of('any').callIds]).toEqual(['lmstudio', 'any']);
  const { name, callIds, streamUsage } = chosen.of('devstral');
  expect([name, callIds, streamUsage]).toEqual(['mistral', 'nine', true]);
  expect(chooseProfiles('google', 'http://localhost:8000').about.name).toBe('gemini');
});

test('a schema loses the bounds that make a grammar large, and no property, default or example', () => {
  const text = { type: 'string', maxLength: 5000, minLength: 1, format: 'uri' };
  expect(
    boundSchema({
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      type: 'object',
      properties: { pattern: text, format: { type: 'string', enum: ['a'], default: { maxLength: 9999 } } },
      required: ['pattern'],
      anyOf: [{ properties: { list: { type: 'array', maxItems: 64, items: { pattern: 'x' } } } }],
      examples: [{ pattern: 'x' }],
    }),
  ).toEqual({
    type: 'object',
    properties: {
      pattern: { type: 'string', minLength: 1 },
      format: { type: 'string', enum: ['a'], default: { maxLength: 9999 } },
    },
    required: ['pattern'],
    anyOf: [{ properties: { list: { type: 'array', maxItems: 64, items: {} } } }],
    examples: [{ pattern: 'x' }],
  });
});
