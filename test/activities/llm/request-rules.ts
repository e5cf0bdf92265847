// What each server refuses, replayed: each rule with where it was seen. A request passes all rules of its server.

import { anthropic, type Body, firstOf, gemini, responses, type Rule } from './native-request-rules.ts';

export interface ChatBody extends Body {
  messages: ChatMessage[];
  tools?: { function: { parameters: Record<string, unknown> } }[];
}

interface ChatMessage {
  role: string;
  content?: unknown;
  reasoning?: unknown;
  reasoning_content?: unknown;
  tool_calls?: { id: string; function: { name: string; arguments: string } }[];
  tool_call_id?: string;
}

type ChatRule = Rule<ChatBody>;

function fields(source: string, ...known: string[]): ChatRule {
  return {
    source,
    refuses: (body) =>
      firstOf(Object.keys(body), (key) => (known.includes(key) ? undefined : `extra_forbidden: ${key}`)),
  };
}

// Chat completions

const chatFields = ['model', 'messages', 'tools', 'stream', 'max_tokens', 'stream_options'];

const order: ChatRule = {
  // api.mistral.ai, code 3230; "After the optional system message, conversation roles must alternate" of templates.
  source: 'github.com/BerriAI/litellm/issues/17761, github.com/vllm-project/vllm/issues/6862',
  refuses: ({ messages }) =>
    firstOf(messages, ({ role }, index) => {
      const before = messages[index - 1]?.role;
      const allowed: Record<string, (string | undefined)[]> = {
        system: [undefined],
        user: [undefined, 'system', 'assistant'],
        assistant: ['user', 'tool'],
        tool: ['assistant', 'tool'],
      };
      return allowed[role]?.includes(before) ? undefined : `Unexpected role '${role}' after role '${before}'`;
    }) ??
    (['user', 'tool'].includes(messages.at(-1)?.role ?? '')
      ? undefined
      : 'Expected last role User or Tool (or Assistant with prefix True)'),
};

const results: ChatRule = {
  // OpenAI: "An assistant message with 'tool_calls' must be followed by tool messages responding to each".
  source: 'platform.openai.com/docs/guides/function-calling; mistral-common, request validator',
  refuses({ messages }) {
    let open: (string | undefined)[] = [];
    const seen = new Set<string>();
    for (const message of messages) {
      if (message.role === 'tool') {
        if (!open.includes(message.tool_call_id)) return `no call ${message.tool_call_id}`;
        open = open.filter((id) => id !== message.tool_call_id);
        continue;
      }
      if (open.length > 0) return `tool_calls must be followed by tool messages: ${open.join()}`;
      for (const { id } of message.tool_calls ?? []) {
        if (seen.has(id)) return `duplicate id ${id}`;
        seen.add(id);
        open.push(id);
      }
    }
    return open.length === 0 ? undefined : 'Not the same number of function calls and responses';
  },
};

const argumentsAreObjects: ChatRule = {
  // vLLM parses the arguments of earlier calls for the template; llama.cpp too.
  source: 'vllm/entrypoints/chat_utils.py, _postprocess_messages',
  refuses: ({ messages }) =>
    firstOf(
      messages.flatMap((message) => message.tool_calls ?? []),
      (call) => {
        const value: unknown = JSON.parse(call.function.arguments);
        return value !== null && typeof value === 'object' && !Array.isArray(value)
          ? undefined
          : 'arguments are no object';
      },
    ),
};

const someText: ChatRule = {
  source: 'github.com/ggml-org/llama.cpp/issues/13471: "Expected \'content\' to be a string or an array"',
  refuses: ({ messages }) =>
    firstOf(messages, ({ content }) =>
      typeof content === 'string' || Array.isArray(content)
        ? undefined
        : "Expected 'content' to be a string or an array",
    ),
};

const plainText: ChatRule = {
  // Templates of text models put the content of people and tools into a string.
  source: 'github.com/vllm-project/vllm/issues/6862, and the templates of Mistral 7B and Gemma',
  refuses: ({ messages }) =>
    firstOf(messages, ({ content }) => (typeof content === 'string' ? undefined : 'content is no text')),
};

const nineLetters: ChatRule = {
  source: 'github.com/langchain-ai/langchain/pull/24668',
  refuses: ({ messages }) =>
    firstOf(
      messages.flatMap((message) => [
        ...(message.tool_calls ?? []).map((call) => call.id),
        ...(message.role === 'tool' ? [message.tool_call_id] : []),
      ]),
      (id = '') =>
        /^[a-zA-Z0-9]{9}$/.test(id)
          ? undefined
          : `Tool call id was ${id} but must be a-z, A-Z, 0-9, with a length of 9.`,
    ),
};

function messageFields(source: string, ...known: string[]): ChatRule {
  const all = ['role', 'content', 'tool_calls', 'tool_call_id', ...known];
  return {
    source,
    refuses: ({ messages }) =>
      firstOf(
        messages.flatMap((message) => Object.keys(message)),
        (key) => (all.includes(key) ? undefined : `extra_forbidden: messages.${key}`),
      ),
  };
}

const smallGrammar: ChatRule = {
  source: 'github.com/ggml-org/llama.cpp/issues/25746 and 25895, github.com/unslothai/unsloth/issues/9888',
  refuses({ tools }) {
    const large = (value: unknown): boolean => {
      if (value === null || typeof value !== 'object') return false;
      return Object.entries(value).some(([key, inner]) => {
        if (['maxLength', 'maxItems', 'minLength', 'minItems'].includes(key) && Number(inner) >= 1_997)
          return true;
        // A property may have that name: its value is a schema then.
        if (key === 'pattern' && typeof inner === 'string') return true;
        return large(inner);
      });
    };
    return large(tools) ? 'Failed to initialize samplers: failed to parse grammar' : undefined;
  },
};

function reasoningBesideCalls(source: string, isThere: (reasoning: unknown) => boolean): ChatRule {
  return {
    source,
    refuses: ({ messages }) =>
      firstOf(messages, (message, index) =>
        message.tool_calls === undefined || isThere(message.reasoning_content)
          ? undefined
          : `thinking is enabled but reasoning_content is missing in assistant tool call message at index ${index}`,
      ),
  };
}

const notBothWithCalls: ChatRule = {
  source: "github.com/ggml-org/llama.cpp/issues/17040, gpt-oss's template",
  refuses: ({ messages }) =>
    firstOf(messages, ({ content, reasoning_content, reasoning, tool_calls }) =>
      tool_calls && content && (reasoning_content || reasoning)
        ? 'Cannot pass both content and thinking in an assistant message with tool calls!'
        : undefined,
    ),
};

const chat = [order, results, argumentsAreObjects];

/** By the name of the profile. */
const chatRules: Record<string, ChatRule[]> = {
  mistral: [
    ...chat,
    nineLetters,
    someText,
    fields('docs.mistral.ai/api, chat', 'model', 'messages', 'tools', 'stream', 'max_tokens'),
    messageFields('docs.mistral.ai/api, chat; github.com/partITech/php-mistral/issues/76'),
  ],
  deepseek: [
    ...chat,
    plainText,
    fields('api-docs.deepseek.com/api/create-chat-completion', ...chatFields),
    reasoningBesideCalls('api-docs.deepseek.com/guides/thinking_mode', (text) => typeof text === 'string'),
  ],
  kimi: [
    ...chat,
    plainText,
    fields('platform.moonshot.ai/docs/api/chat', ...chatFields),
    reasoningBesideCalls('github.com/continuedev/continue/issues/11600', Boolean),
  ],
  vllm: [...chat, plainText, smallGrammar, fields('docs.vllm.ai, OpenAI server', ...chatFields)],
  llamacpp: [
    ...chat,
    plainText,
    smallGrammar,
    notBothWithCalls,
    fields('tools/server/README.md', ...chatFields),
  ],
  ollama: [
    ...chat,
    plainText,
    smallGrammar,
    notBothWithCalls,
    fields('docs/openai.md of ollama', ...chatFields),
  ],
  lmstudio: [
    ...chat,
    plainText,
    smallGrammar,
    notBothWithCalls,
    fields('lmstudio.ai/docs/api', ...chatFields),
  ],
  openrouter: [...chat, fields('openrouter.ai/docs/api-reference/overview', ...chatFields)],
  compatible: [...chat, plainText, smallGrammar, fields('the least of all the others', ...chatFields)],
  'openai chat': [
    ...chat,
    fields(
      'platform.openai.com/docs/api-reference/chat/create: reasoning models refuse max_tokens',
      ...['model', 'messages', 'tools', 'stream', 'max_completion_tokens', 'stream_options'],
    ),
    messageFields('platform.openai.com/docs/api-reference/chat/create'),
  ],
};

// Each is the rule of bodies of its own format, which is all that a server of its kind is sent.
const nativeRules = { anthropic, gemini, openai: responses } as unknown as Record<string, Rule<Body>[]>;

/** What the server says of a request it refuses. */
export function refusalOf(server: string, body: unknown): string | undefined {
  const rules = (chatRules[server] ?? nativeRules[server]) as Rule<Body>[] | undefined;
  if (rules === undefined) throw new Error(`no rules of ${server}`);
  return rules.map((rule) => rule.refuses(body as Body)).find((sentence) => sentence !== undefined);
}
