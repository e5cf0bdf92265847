// What is sent: a conversation of ten steps with tools in each wire format, held against the rules of each server; what
// came with an answer goes back with it, to the same server and model only.
import { afterAll, describe, expect, test } from 'vitest';
import { boundSchema } from '../../../activities/llm/bound-schema.ts';
import { chooseProfiles } from '../../../activities/llm/choose-profile.ts';
import { type Kind, kinds } from './answering-server.ts';
import { converse, llmOf, models, said, takeStep, turns, withServer } from './conversing.ts';
import { refusalOf } from './request-rules.ts';

const namesIn = (value: unknown, pattern: RegExp): string[] => JSON.stringify(value).match(pattern) ?? [];

/** A request's conversation up to the context, which must be its end. */
function beforeContext(body: unknown): string {
  const { messages, contents, input } = body as Record<string, unknown>;
  const whole = JSON.stringify(messages ?? contents ?? input).replaceAll(/,"cache_control":\{[^}]*\}/g, '');
  const place = whole.lastIndexOf('<perdure:context>');
  expect(whole.slice(place)).toMatch(
    /^<perdure:context>\\nStep \d+ of at most 50\\n<\/perdure:context>["}\]]*(,"(role|name|tool_call_id)":"\w+"|[}\]])*$/,
  );
  return whole.slice(0, place).replace(/(\\n)+$|,\{"type":"text","text":"$/, '');
}

const shares: string[] = [];
const sum = (numbers: number[]): number => numbers.reduce((total, each) => total + each, 0);
afterAll(() => console.info(`sent before, of what ten steps send: ${shares.join(', ')}`));

describe.each(kinds)('$server ($format)', (kind) => {
  test('ten steps with tools are sent as it takes them, and what came with each answer comes back', async () => {
    await withServer(kind, async (server) => {
      await converse(kind, server);
      expect(server.refusals).toEqual([]);
      expect(server.bodies).toHaveLength(10);
      const sent = server.bodies.map(beforeContext);
      sent.slice(1).forEach((later, index) => expect(later.startsWith(sent[index] ?? 'none')).toBe(true));
      // What a provider can take out of its cache: all that stood in the request before.
      const sizes = server.bodies.map((body) => JSON.stringify(body).length);
      const fresh = sent.map((each, index) => each.length - (sent[index - 1]?.length ?? 0));
      const share = 1 - sum(fresh.slice(1)) / sum(sizes.slice(1));
      shares.push(`${kind.server} ${Math.round(share * 100)} %`);
      expect(share).toBeGreaterThan(0.9);
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
async function accepted(server: string): Promise<unknown> {
  return withServer(kindOf(server), async (answering) => {
    await converse(kindOf(server), answering);
    return answering.bodies.at(-1);
  });
}

describe('a server refuses', () => {
  test.each<[string, string, RegExp, string, string]>([
    [
      'mistral',
      'a message after a result',
      /(\{"role":"tool"[^}]*\}),/,
      '$1,{"role":"user","content":"x"},',
      "'user' after role 'tool'",
    ],
    [
      'vllm',
      'two messages in a row',
      /\{"role":"user"/,
      '{"role":"user","content":"x"},{"role":"user"',
      "'user' after role 'user'",
    ],
    [
      'compatible',
      'an answer at the end',
      /\],"tools"/,
      ',{"role":"assistant","content":"x"}],"tools"',
      'Expected last role',
    ],
    [
      'mistral',
      'an id of another form',
      /"(id|tool_call_id)":"(\w{9})"/g,
      '"$1":"call_$2"',
      'with a length of 9',
    ],
    [
      'mistral',
      'a field it does not know',
      /^\{/,
      '{"stream_options":{},',
      'extra_forbidden: stream_options',
    ],
    ['openai chat', 'max_tokens', /^\{/, '{"max_tokens":5,', 'extra_forbidden: max_tokens'],
    [
      'mistral',
      'a field in a message',
      /"role":"assistant"/,
      '"role":"assistant","reasoning":"x"',
      'extra_forbidden: messages.',
    ],
    [
      'llamacpp',
      'null for a text',
      /"role":"assistant","content":"[^"]*"/,
      '"role":"assistant","content":null',
      'content is no text',
    ],
    [
      'llamacpp',
      'a large bound',
      /"parameters":\{/,
      '"parameters":{"maxItems":9999,',
      'failed to parse grammar',
    ],
    [
      'deepseek',
      'calls without their reasoning',
      /,"reasoning_content":"thought-1"/,
      '',
      'reasoning_content is missing',
    ],
    [
      'kimi',
      'an empty reasoning',
      /"reasoning_content":"thought-1"/,
      '"reasoning_content":""',
      'reasoning_content is missing',
    ],
    ['anthropic', 'an answer whose thinking is gone', /\{"type":"thinking"[^}]*\},/, '', 'Expected thinking'],
    [
      'anthropic',
      'a mark at its end',
      /"text":"<perdure:context>/,
      '"cache_control":{},"text":"<perdure:context>',
      'never read',
    ],
    ['gemini', 'a call without its signature', /,"thoughtSignature":"sig-1"/, '', 'thought_signature'],
    ['openai', 'an item that is not encrypted', /,"encrypted_content":"sig-1"/, '', 'not encrypted'],
  ])('%s: %s', async (server, _, what, by, sentence) => {
    const body = await accepted(server);
    expect(refusalOf(server, body)).toBeUndefined();
    expect(refusalOf(server, JSON.parse(JSON.stringify(body).replace(what, by)))).toContain(sentence);
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
  const face = chooseProfiles('compatible', 'https://api.anthropic.com/v1').of('any');
  expect([face.name, face.reasoning, face.partsAfterResult]).toEqual(['anthropic', 'none', false]);
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
