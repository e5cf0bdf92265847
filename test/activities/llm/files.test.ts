// What a message carries that is no text, in each wire format: where it stands, and as what.
import { expect, test } from 'vitest';
import { kinds } from './answering-server.ts';
import { llmOf, models, withServer } from './conversing.ts';
import { LlmError, type LlmFile, type LlmMessage, type LlmRequest } from '../../../activities/llm/llm.ts';
import { estimateUsage, mostInputTokens } from '../../../activities/llm/estimate-usage.ts';

const picture: LlmFile = { name: 'a.png', mediaType: 'image/png', bytes: Buffer.from('pixels') };
const document: LlmFile = { name: 'a.pdf', mediaType: 'application/pdf', bytes: Buffer.from('pages') };
const base64 = ({ bytes }: LlmFile): string => Buffer.from(bytes).toString('base64');
const [pixels, pages] = [base64(picture), base64(document)];

const asking = (
  messages: LlmMessage[],
): Pick<LlmRequest, 'messages' | 'tools' | 'maxOutputTokens' | 'runId' | 'step'> => ({
  ...{ messages, tools: [], maxOutputTokens: 1_000, runId: 'a', step: 1 },
});

async function sent(server: string, messages: LlmMessage[]): Promise<Record<string, unknown>> {
  const kind = kinds.find((each) => each.server === server)!;
  let body: unknown;
  await withServer(kind, async (answering) => {
    const { llm, provider } = llmOf(kind, answering.url);
    const request = { ...asking(messages), model: models[provider] ?? 'm' };
    try {
      for await (const _part of llm.stream(request, new AbortController().signal));
    } finally {
      body = answering.bodies.at(-1);
    }
  });
  return body as Record<string, unknown>;
}

type Wire = Record<'input' | 'messages' | 'contents', [Record<string, unknown>]>;

const first: LlmMessage = { role: 'user', text: 'Look.', files: [picture, document], context: 'Now.' };

test.each<[string, (body: Wire) => unknown, unknown[]]>([
  [
    'openai',
    ({ input }) => input[0]['content'],
    [
      { type: 'input_image', image_url: `data:image/png;base64,${pixels}` },
      { type: 'input_file', filename: 'a.pdf', file_data: `data:application/pdf;base64,${pages}` },
      { type: 'input_text', text: 'Look.\n\nNow.' },
    ],
  ],
  [
    'anthropic',
    ({ messages }) => messages[0]['content'],
    [
      { type: 'image', source: { type: 'base64', media_type: 'image/png', data: pixels } },
      {
        ...{ type: 'document', title: 'a.pdf' },
        source: { type: 'base64', media_type: 'application/pdf', data: pages },
      },
      { type: 'text', text: 'Look.', cache_control: { type: 'ephemeral' } },
      { type: 'text', text: 'Now.' },
    ],
  ],
  [
    'gemini',
    ({ contents }) => contents[0]['parts'],
    [
      { inlineData: { mimeType: 'image/png', data: pixels } },
      { inlineData: { mimeType: 'application/pdf', data: pages } },
      { text: 'Look.\n\nNow.' },
    ],
  ],
  [
    'openai chat',
    ({ messages }) => messages[0]['content'],
    [
      { type: 'image_url', image_url: { url: `data:image/png;base64,${pixels}` } },
      { type: 'file', file: { filename: 'a.pdf', file_data: `data:application/pdf;base64,${pages}` } },
      { type: 'text', text: 'Look.\n\nNow.' },
    ],
  ],
])('%s is sent files before the words, in one message', async (server, contentOf, content) => {
  expect(contentOf((await sent(server, [first])) as unknown as Wire)).toEqual(content);
});

test('behind a result a picture stands in a message of its own, with the words that came with it', async () => {
  const messages: LlmMessage[] = [
    { role: 'user', text: 'Look.' },
    { role: 'assistant', text: '', calls: [{ id: 'call_1', name: 'list', input: '{}' }] },
    { role: 'tool', callId: 'call_1', name: 'list', text: 'a.ts', failed: false },
    { role: 'user', text: 'And here.', files: [picture], context: 'Now.' },
  ];
  const { input } = (await sent('openai', messages)) as { input: object[] };
  expect(input.slice(-2)).toMatchObject([
    { type: 'function_call_output', output: 'a.ts' },
    { role: 'user', content: [{ type: 'input_image' }, { type: 'input_text', text: 'And here.\n\nNow.' }] },
  ]);
});

test.each(['openai', 'anthropic', 'compatible'])(
  'what %s has no form for is refused at once, with its type',
  async (server) => {
    const odd: LlmFile = { name: 'a.zip', mediaType: 'application/zip', bytes: Buffer.from('zip') };
    const refused = await sent(server, [{ role: 'user', text: 'Look.', files: [odd] }]).catch(
      (error: unknown) => error,
    );
    expect(refused).toBeInstanceOf(LlmError);
    expect(refused).toMatchObject({
      kind: 'bad_request',
      message: expect.stringContaining('application/zip'),
    });
  },
);

test('a picture is charged as one, a document by its size, and more is held than is charged', () => {
  const large: LlmFile = { ...document, bytes: Buffer.alloc(10_000) };
  const request = asking([{ role: 'user', text: '', files: [picture, large] }]);
  expect([estimateUsage(request, '').inputTokens, mostInputTokens(request)]).toEqual([2_600, 15_000]);
});
