// A loopback server that holds a request against the rules of its kind, and answers with thoughts, text and calls in
// its own wire format; each with the signatures that its kind gives.
import { createRawServer, type RawServer, refuses, streams } from './raw-server.ts';
import { refusalOf } from './request-rules.ts';

/** What a model says in one step. */
export interface Turn {
  thought: string;
  signature: string;
  text: string;
  calls: { name: string; input: object }[];
}

export type Format = 'chat' | 'anthropic' | 'gemini' | 'responses';

export interface Kind {
  /** Whose rules it has. */
  server: string;
  format: Format;
  /** The field of its thoughts, in the chat format. */
  thoughts?: 'reasoning_content' | 'reasoning' | 'reasoning_details' | 'chunks' | 'extra_content';
}

/** Each profile with the thoughts its servers give; the last has OpenAI's rules over the chat format. */
export const kinds: Kind[] = [
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

export interface AnsweringServer extends RawServer {
  /** What it said of the requests it refused. */
  refusals: string[];
}

export async function createAnsweringServer(kind: Kind, turns: Turn[]): Promise<AnsweringServer> {
  const refusals: string[] = [];
  let next = 0;
  const server = await createRawServer((response, request) => {
    const refusal = refusalOf(kind.server, (server.bodies.at(-1) ?? {}) as Record<string, unknown>);
    if (refusal !== undefined) {
      refusals.push(refusal);
      return refuses(400, { error: { message: refusal, type: 'invalid_request_error' } })(response, request);
    }
    const turn = turns[next++];
    if (turn === undefined)
      return refuses(400, { error: { message: 'it was asked too often' } })(response, request);
    return streams(toEvents(kind, turn, next))(response, request);
  });
  return Object.assign(server, { refusals });
}

const data = (value: unknown): string => `data: ${JSON.stringify(value)}\n\n`;
const event = (type: string, more: object): string => `event: ${type}\n${data({ type, ...more })}`;

type Writer = (turn: Turn, number: number, kind: Kind) => string[];

const chat: Writer = ({ thought, signature, text, calls }, number, { thoughts }) => {
  const chunk = (delta: object, finish: string | null = null): string =>
    data({ id: 'c', created: 1, model: 'm', choices: [{ index: 0, delta, finish_reason: finish }] });
  const detail = (more: object): object => ({
    reasoning_details: [{ type: 'reasoning.text', index: 0, ...more }],
  });
  const half = Math.ceil(thought.length / 2);
  const thinking: Record<string, object[]> = {
    reasoning_content: [{ reasoning_content: thought }],
    reasoning: [{ reasoning: thought }],
    reasoning_details: [
      { reasoning: thought.slice(0, half), ...detail({ text: thought.slice(0, half) }) },
      { reasoning: thought.slice(half), ...detail({ text: thought.slice(half), signature }) },
    ],
    chunks: [{ content: [{ type: 'thinking', thinking: [{ type: 'text', text: thought }] }] }],
    extra_content: [],
  };
  const extra = thoughts === 'extra_content' && {
    extra_content: { google: { thought_signature: signature } },
  };
  return [
    chunk({ role: 'assistant', content: '' }),
    ...(thinking[thoughts ?? ''] ?? []).map((delta) => chunk(delta)),
    ...(text === '' ? [] : [chunk({ content: text })]),
    ...calls.map(({ name, input }, index) =>
      chunk({
        tool_calls: [
          {
            ...{ index, id: `c${number}${index}`, type: 'function' },
            ...{ function: { name, arguments: JSON.stringify(input) }, ...(index === 0 && extra) },
          },
        ],
      }),
    ),
    chunk({}, calls.length > 0 ? 'tool_calls' : 'stop'),
    data({ id: 'c', choices: [], usage: { prompt_tokens: 9, completion_tokens: 9 } }),
    'data: [DONE]\n\n',
  ];
};

const anthropic: Writer = ({ thought, signature, text, calls }, number) => {
  const blocks: [object, object[]][] = [
    [
      { type: 'thinking', thinking: '', signature: '' },
      [
        { type: 'thinking_delta', thinking: thought },
        { type: 'signature_delta', signature },
      ],
    ],
    ...(text === ''
      ? []
      : [[{ type: 'text', text: '' }, [{ type: 'text_delta', text }]] as [object, object[]]]),
    ...calls.map(({ name, input }, index): [object, object[]] => [
      { type: 'tool_use', id: `t${number}${index}`, name, input: {} },
      [{ type: 'input_json_delta', partial_json: JSON.stringify(input) }],
    ]),
  ];
  const message = { id: 'm', type: 'message', role: 'assistant', content: [], model: 'm', stop_reason: null };
  return [
    event('message_start', { message: { ...message, usage: { input_tokens: 9, output_tokens: 1 } } }),
    ...blocks.flatMap(([content_block, deltas], index) => [
      event('content_block_start', { index, content_block }),
      ...deltas.map((delta) => event('content_block_delta', { index, delta })),
      event('content_block_stop', { index }),
    ]),
    event('message_delta', {
      delta: { stop_reason: calls.length > 0 ? 'tool_use' : 'end_turn', stop_sequence: null },
      usage: { output_tokens: 9 },
    }),
    event('message_stop', {}),
  ];
};

const gemini: Writer = ({ thought, signature, text, calls }) => {
  const chunk = (parts: object[], more: object = {}): string =>
    data({ candidates: [{ content: { role: 'model', parts }, index: 0, ...more }] });
  const usageMetadata = { promptTokenCount: 9, candidatesTokenCount: 9, totalTokenCount: 18 };
  return [
    chunk([{ text: thought, thought: true }]),
    ...(text === '' ? [] : [chunk([{ text }])]),
    // The first of parallel calls alone is signed; an answer without calls on its last part.
    ...calls.map(({ name, input }, index) =>
      chunk([{ functionCall: { name, args: input }, ...(index === 0 && { thoughtSignature: signature }) }]),
    ),
    ...(calls.length === 0 ? [chunk([{ text: '', thoughtSignature: signature }])] : []),
    data({
      candidates: [{ content: { role: 'model', parts: [] }, finishReason: 'STOP', index: 0 }],
      usageMetadata,
    }),
  ];
};

const responses: Writer = ({ thought, signature, text, calls }, number) => {
  const reasoning = { id: `rs_${number}`, type: 'reasoning', encrypted_content: signature };
  const said = { id: `msg_${number}`, type: 'message', role: 'assistant' };
  const part = { item_id: reasoning.id, output_index: 0, summary_index: 0 };
  const head = { id: 'resp', object: 'response', created_at: 1, model: 'm' };
  const at = calls.length + 1;
  return [
    event('response.created', { response: { ...head, status: 'in_progress' } }),
    event('response.output_item.added', { output_index: 0, item: { ...reasoning, summary: [] } }),
    event('response.reasoning_summary_part.added', { ...part, part: { type: 'summary_text', text: '' } }),
    event('response.reasoning_summary_text.delta', { ...part, delta: thought }),
    event('response.reasoning_summary_part.done', { ...part, part: { type: 'summary_text', text: thought } }),
    event('response.output_item.done', {
      ...{ output_index: 0, item: { ...reasoning, summary: [{ type: 'summary_text', text: thought }] } },
    }),
    ...(text === ''
      ? []
      : [
          event('response.output_item.added', { output_index: at, item: { ...said, content: [] } }),
          event('response.output_text.delta', {
            item_id: said.id,
            output_index: at,
            content_index: 0,
            delta: text,
          }),
          event('response.output_item.done', {
            ...{
              output_index: at,
              item: { ...said, content: [{ type: 'output_text', text, annotations: [] }] },
            },
          }),
        ]),
    ...calls.flatMap(({ name, input }, index) => {
      const call = { id: `fc_${number}${index}`, type: 'function_call', call_id: `c${number}${index}`, name };
      const place = { output_index: index + 1 };
      return [
        event('response.output_item.added', { ...place, item: { ...call, arguments: '' } }),
        event('response.output_item.done', {
          ...{ ...place, item: { ...call, arguments: JSON.stringify(input), status: 'completed' } },
        }),
      ];
    }),
    event('response.completed', {
      response: {
        ...head,
        status: 'completed',
        usage: { input_tokens: 9, output_tokens: 9, total_tokens: 18 },
      },
    }),
  ];
};

const writers: Record<Format, Writer> = { chat, anthropic, gemini, responses };

/** The events of an answer; `number` tells its ids from those of other answers. */
export function toEvents(kind: Kind, turn: Turn, number: number): string[] {
  return writers[kind.format](turn, number, kind);
}
