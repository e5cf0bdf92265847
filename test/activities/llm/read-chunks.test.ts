// What only one wire format shows: chunks that are read, not refused.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readChat } from '../../../activities/llm/wire/chat.ts';
import { readGemini } from '../../../activities/llm/wire/gemini.ts';
import type { Json } from '../../../activities/llm/wire/json.ts';
import { readMessages } from '../../../activities/llm/wire/messages.ts';
import { createAnswerReader } from '../../../activities/llm/wire/read-events.ts';
import { readResponses } from '../../../activities/llm/wire/responses.ts';
import { wires } from './wires.ts';

test('arguments as an object are text, a role that nobody knows is the assistant, and numbers as text are numbers', () => {
  const call = { function: { name: 'list', arguments: { path: '.' } }, id: 7 };
  const chunk = {
    choices: [{ delta: { role: 'model', content: null, tool_calls: [call] } }],
    usage: { prompt_tokens: '10', completion_tokens: 2, timings: 'x' },
  };
  expect(readChat().take(chunk)).toEqual([
    {
      choices: [
        {
          delta: {
            role: 'assistant',
            tool_calls: [{ index: 0, id: '7', function: { name: 'list', arguments: '{"path":"."}' } }],
          },
          finish_reason: null,
        },
      ],
      usage: { prompt_tokens: 10, completion_tokens: 2 },
    },
  ]);
});

test("what came with a delta goes on: a server's own fields are kept", () => {
  const delta = { content: 'a', reasoning_details: [{ id: 1 }] };
  expect(readChat().take({ choices: [{ delta }] })).toEqual([{ choices: [{ delta, finish_reason: null }] }]);
});

test("Gemini's arguments as text are an object", () => {
  const parts = [{ functionCall: { name: 'list', args: '{"path":"."}' } }];
  expect(readGemini().take({ candidates: [{ content: { parts } }] })).toEqual([
    {
      candidates: [
        { content: { role: 'model', parts: [{ functionCall: { name: 'list', args: { path: '.' } } }] } },
      ],
    },
  ]);
});

test('a block that its server forgot to end ends with its message', () => {
  const reader = readMessages();
  const block = { type: 'tool_use', id: 't', name: 'list' };
  const chunks = [
    { type: 'content_block_start', index: 0, content_block: block },
    {
      type: 'content_block_delta',
      index: 0,
      delta: { type: 'input_json_delta', partial_json: { path: '.' } },
    },
    { type: 'message_stop' },
  ].flatMap((chunk) => reader.take(chunk));
  expect(chunks).toEqual([
    { type: 'content_block_start', index: 0, content_block: { ...block, input: {} } },
    {
      type: 'content_block_delta',
      index: 0,
      delta: { type: 'input_json_delta', partial_json: '{"path":"."}' },
    },
    { type: 'content_block_stop', index: 0 },
    { type: 'message_delta', delta: { stop_reason: 'tool_use' }, usage: { output_tokens: 0 } },
    { type: 'message_stop' },
  ]);
});

test('text that stands in the start of a block, or comes without one, is not lost', () => {
  const read = (...chunks: Json[]): Json[] => {
    const reader = readMessages();
    return [...chunks, { type: 'message_stop' }].flatMap((chunk) => reader.take(chunk));
  };
  const start = (text: string) => ({
    type: 'content_block_start',
    index: 0,
    content_block: { type: 'text', text },
  });
  const piece = { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'Hi' } };
  const whole = read(start(''), piece);
  expect(whole.slice(0, 2)).toEqual([start(''), piece]);
  expect([read(start('Hi')), read(piece)]).toEqual([whole, whole]);
  const unknown = { type: 'content_block_start', index: 0, content_block: { type: 'something.new' } };
  expect(read(unknown, piece)).toEqual(read());
});

test('a response whose text is in its end alone is read, and is not read twice', () => {
  const content = [{ type: 'output_text', text: 'Hi' }];
  const end = { type: 'response.completed', response: { output: [{ id: 'm', type: 'message', content }] } };
  const delta = { type: 'response.output_text.delta', item_id: 'm', output_index: 0, delta: 'Hi' };
  const deltas = (...chunks: Json[]): unknown[] => {
    const reader = readResponses();
    return chunks.flatMap((chunk) => reader.take(chunk)).flatMap((chunk) => chunk['delta'] ?? []);
  };
  expect([deltas(end), deltas(delta, end)]).toEqual([['Hi'], ['Hi']]);
});

test('a second answer beside the one that was asked for is left out', () => {
  const choice = (index: number) => ({ index, delta: { content: `${index}` }, finish_reason: null });
  expect(readChat().take({ choices: [choice(1), choice(0)] })).toEqual([{ choices: [choice(0)] }]);
  expect(readChat().take({ choices: [choice(1)] })).toEqual([]);
});

const formats = { compatible: readChat, openai: readResponses, anthropic: readMessages, google: readGemini };

test.each(wires)('$provider: however its bytes are cut, the chunks are the same', (wire) => {
  const { begin, texts, end } = wire.answer(['Hé', '\u{1F600}'], { input: 3, cached: 0, output: 2 });
  const bytes = [...begin, ...texts, ...end].join('');
  const read = (pieces: string[]): Json[] => {
    const reader = createAnswerReader(formats[wire.provider](), 'p');
    return [...pieces.map((piece) => reader.feed(piece)), reader.end()].flatMap(({ chunks, failure }) => {
      expect(failure).toBeUndefined();
      return chunks;
    });
  };
  const whole = read([bytes]);
  fc.assert(
    fc.property(fc.array(fc.nat(bytes.length), { maxLength: 20 }), (cuts) => {
      const places = [0, ...cuts.toSorted((one, other) => one - other), bytes.length];
      const pieces = places.slice(1).map((place, index) => bytes.slice(places[index], place));
      expect(read(pieces)).toEqual(whole);
    }),
    { numRuns: 50 },
  );
});

test('whatever a server sends, a reader answers with chunks or an error of ours', () => {
  const field = fc.constantFrom(
    'type',
    'choices',
    'delta',
    'usage',
    'error',
    'message',
    'content',
    'candidates',
  );
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      fc.jsonValue(),
      fc.constantFrom(
        'message_start',
        'content_block_start',
        'response.completed',
        'response.output_item.added',
      ),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(field, tie('value'), { maxKeys: 4 }),
    ),
  }));
  fc.assert(
    fc.property(
      fc.array(value, { maxLength: 5 }),
      fc.constantFrom(...Object.values(formats)),
      (values, format) => {
        const reader = createAnswerReader(format(), 'p');
        for (const each of values) reader.feed(`data: ${JSON.stringify(each)}\n\n`);
        reader.end();
        createAnswerReader(format(), 'p').feed(JSON.stringify(values));
        for (const each of values) {
          const document = createAnswerReader(format(), 'p');
          document.feed(JSON.stringify(each));
          document.end();
        }
      },
    ),
    { numRuns: 300 },
  );
});
