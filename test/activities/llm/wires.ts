// The wire formats of the providers, byte for byte as they stream a text: what the raw server writes.

interface WireUsage {
  input: number;
  cached: number;
  output: number;
}

export interface Wire {
  provider: 'openai' | 'anthropic' | 'google' | 'compatible';
  model: string;
  /** What follows the server's address in the provider's base URL. */
  path: string;
  /** The events of an answer: one piece for each text and what stands around it, the end last. */
  answer(texts: string[], usage: WireUsage): { begin: string[]; texts: string[]; end: string[] };
  /** An answer that calls list with {"path": */
  malformedCall?: string[];
  /** Its error document for a key it does not know and for a conversation that is too long. */
  errors: { auth: [number, unknown]; tooLong: [number, unknown]; overloaded: [number, unknown] };
}

function data(value: unknown): string {
  return `data: ${JSON.stringify(value)}\n\n`;
}

function event(value: { type: string }): string {
  return `event: ${value.type}\n${data(value)}`;
}

const openAiErrors: Wire['errors'] = {
  auth: [
    401,
    {
      error: {
        message: 'Incorrect API key provided: k.',
        type: 'invalid_request_error',
        param: null,
        code: 'invalid_api_key',
      },
    },
  ],
  tooLong: [
    400,
    {
      error: {
        message: 'Your input exceeds the limit of this model.',
        type: 'invalid_request_error',
        param: 'messages',
        code: 'context_length_exceeded',
      },
    },
  ],
  overloaded: [
    503,
    {
      error: {
        message: 'The engine is currently overloaded.',
        type: 'server_error',
        param: null,
        code: null,
      },
    },
  ],
};

const compatible: Wire = {
  provider: 'compatible',
  model: 'small-model',
  path: '/v1',
  answer(texts, usage) {
    const chunk = (choices: unknown[], more: object = {}): string =>
      data({
        id: 'c-1',
        object: 'chat.completion.chunk',
        created: 1,
        model: 'small-model',
        choices,
        ...more,
      });
    return {
      begin: [chunk([{ index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null }])],
      texts: texts.map((content) => chunk([{ index: 0, delta: { content }, finish_reason: null }])),
      end: [
        chunk([{ index: 0, delta: {}, finish_reason: 'stop' }]),
        chunk([], {
          usage: {
            prompt_tokens: usage.input,
            completion_tokens: usage.output,
            total_tokens: usage.input + usage.output,
            prompt_tokens_details: { cached_tokens: usage.cached },
          },
        }),
        'data: [DONE]\n\n',
      ],
    };
  },
  errors: openAiErrors,
};

const openai: Wire = {
  provider: 'openai',
  model: 'gpt-5.4',
  path: '/v1',
  answer(texts, usage) {
    const response = { id: 'resp_1', object: 'response', created_at: 1, model: 'gpt-5.4' };
    const place = { item_id: 'msg_1', output_index: 0, content_index: 0 };
    const text = texts.join('');
    const item = { id: 'msg_1', type: 'message', role: 'assistant' };
    return {
      begin: [
        event({ type: 'response.created', ...{ response: { ...response, status: 'in_progress' } } }),
        event({
          type: 'response.output_item.added',
          ...{ output_index: 0, item: { ...item, status: 'in_progress', content: [] } },
        }),
      ],
      texts: texts.map((delta) => event({ type: 'response.output_text.delta', ...{ ...place, delta } })),
      end: [
        event({ type: 'response.output_text.done', ...{ ...place, text } }),
        event({
          type: 'response.output_item.done',
          ...{
            output_index: 0,
            item: { ...item, status: 'completed', content: [{ type: 'output_text', text, annotations: [] }] },
          },
        }),
        event({
          type: 'response.completed',
          ...{
            response: {
              ...response,
              status: 'completed',
              usage: {
                input_tokens: usage.input,
                input_tokens_details: { cached_tokens: usage.cached },
                output_tokens: usage.output,
                output_tokens_details: { reasoning_tokens: 0 },
                total_tokens: usage.input + usage.output,
              },
            },
          },
        }),
      ],
    };
  },
  errors: openAiErrors,
};

const malformedAnthropicCall = [
  event({
    type: 'message_start',
    ...{
      message: {
        ...{ id: 'msg_1', type: 'message', role: 'assistant', content: [], model: 'claude-sonnet-5' },
        ...{ stop_reason: null, stop_sequence: null, usage: { input_tokens: 9, output_tokens: 1 } },
      },
    },
  }),
  event({
    type: 'content_block_start',
    ...{ index: 0, content_block: { type: 'tool_use', id: 'toolu_1', name: 'list', input: {} } },
  }),
  event({
    type: 'content_block_delta',
    ...{ index: 0, delta: { type: 'input_json_delta', partial_json: '{"path":' } },
  }),
  event({ type: 'content_block_stop', ...{ index: 0 } }),
  event({
    type: 'message_delta',
    ...{ delta: { stop_reason: 'max_tokens', stop_sequence: null }, usage: { output_tokens: 9 } },
  }),
  event({ type: 'message_stop' }),
];

const anthropic: Wire = {
  provider: 'anthropic',
  model: 'claude-sonnet-5',
  path: '/v1',
  answer(texts, usage) {
    const message = {
      id: 'msg_1',
      type: 'message',
      role: 'assistant',
      content: [],
      model: 'claude-sonnet-5',
      stop_reason: null,
      stop_sequence: null,
    };
    return {
      begin: [
        event({
          type: 'message_start',
          ...{
            message: {
              ...message,
              usage: {
                input_tokens: usage.input - usage.cached,
                cache_creation_input_tokens: 0,
                cache_read_input_tokens: usage.cached,
                output_tokens: 1,
              },
            },
          },
        }),
        event({ type: 'content_block_start', ...{ index: 0, content_block: { type: 'text', text: '' } } }),
        event({ type: 'ping' }),
      ],
      texts: texts.map((text) =>
        event({ type: 'content_block_delta', ...{ index: 0, delta: { type: 'text_delta', text } } }),
      ),
      end: [
        event({ type: 'content_block_stop', ...{ index: 0 } }),
        event({
          type: 'message_delta',
          ...{
            delta: { stop_reason: 'end_turn', stop_sequence: null },
            usage: { output_tokens: usage.output },
          },
        }),
        event({ type: 'message_stop' }),
      ],
    };
  },
  malformedCall: malformedAnthropicCall,
  errors: {
    auth: [401, { type: 'error', error: { type: 'authentication_error', message: 'invalid x-api-key' } }],
    tooLong: [
      400,
      {
        type: 'error',
        error: {
          type: 'invalid_request_error',
          message: 'prompt is too long: 210000 tokens > 200000 maximum',
        },
      },
    ],
    overloaded: [529, { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } }],
  },
};

const google: Wire = {
  provider: 'google',
  model: 'gemini-3.5-flash',
  path: '/v1beta',
  answer(texts, usage) {
    const chunk = (parts: unknown[], more: object = {}): string =>
      data({
        candidates: [{ content: { parts, role: 'model' }, index: 0, ...more }],
        modelVersion: 'gemini-3.5-flash',
      });
    const usageMetadata = {
      promptTokenCount: usage.input,
      cachedContentTokenCount: usage.cached,
      candidatesTokenCount: usage.output,
      totalTokenCount: usage.input + usage.output,
    };
    return {
      begin: [],
      texts: texts.map((text) => chunk([{ text }])),
      end: [
        chunk([{ text: '' }], { finishReason: 'STOP' }).replace(
          /\}\n\n$/,
          `,"usageMetadata":${JSON.stringify(usageMetadata)}}\n\n`,
        ),
      ],
    };
  },
  errors: {
    auth: [
      400,
      {
        error: {
          code: 400,
          message: 'API key not valid. Please pass a valid API key.',
          status: 'INVALID_ARGUMENT',
          details: [
            {
              '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
              reason: 'API_KEY_INVALID',
              domain: 'googleapis.com',
            },
          ],
        },
      },
    ],
    tooLong: [
      400,
      {
        error: {
          code: 400,
          message: 'The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).',
          status: 'INVALID_ARGUMENT',
        },
      },
    ],
    overloaded: [
      503,
      {
        error: {
          code: 503,
          message: 'The model is overloaded. Please try again later.',
          status: 'UNAVAILABLE',
        },
      },
    ],
  },
};

export const wires: Wire[] = [openai, anthropic, google, compatible];
