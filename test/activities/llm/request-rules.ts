// What each server refuses, replayed: each rule with where it was seen. A request passes all rules of its server.

type Body = Record<string, any>;

export interface Rule {
  source: string;
  /** What the server says, or undefined when it has no objection. */
  refuses(body: Body): string | undefined;
}

const firstOf = <T>(
  items: T[],
  refuses: (item: T, index: number) => string | undefined,
): string | undefined => items.map(refuses).find((sentence) => sentence !== undefined);

function fields(source: string, ...known: string[]): Rule {
  return {
    source,
    refuses: (body) =>
      firstOf(Object.keys(body), (key) => (known.includes(key) ? undefined : `extra_forbidden: ${key}`)),
  };
}

// Chat completions

const chatFields = ['model', 'messages', 'tools', 'stream', 'max_tokens', 'stream_options'];

const order: Rule = {
  // api.mistral.ai, code 3230; "After the optional system message, conversation roles must alternate" of templates.
  source: 'github.com/BerriAI/litellm/issues/17761, github.com/vllm-project/vllm/issues/6862',
  refuses: ({ messages }) =>
    firstOf(messages as Body[], ({ role }, index) => {
      const before = messages[index - 1]?.role as string | undefined;
      const allowed: Record<string, (string | undefined)[]> = {
        system: [undefined],
        user: [undefined, 'system', 'assistant'],
        assistant: ['user', 'tool'],
        tool: ['assistant', 'tool'],
      };
      return allowed[role]?.includes(before) ? undefined : `Unexpected role '${role}' after role '${before}'`;
    }) ??
    (['user', 'tool'].includes(messages.at(-1).role)
      ? undefined
      : 'Expected last role User or Tool (or Assistant with prefix True)'),
};

const results: Rule = {
  // OpenAI: "An assistant message with 'tool_calls' must be followed by tool messages responding to each".
  source: 'platform.openai.com/docs/guides/function-calling; mistral-common, request validator',
  refuses({ messages }) {
    let open: string[] = [];
    const seen = new Set<string>();
    for (const message of messages as Body[]) {
      if (message['role'] === 'tool') {
        if (!open.includes(message['tool_call_id'])) return `no call ${message['tool_call_id']}`;
        open = open.filter((id) => id !== message['tool_call_id']);
        continue;
      }
      if (open.length > 0) return `tool_calls must be followed by tool messages: ${open.join()}`;
      for (const { id } of message['tool_calls'] ?? []) {
        if (seen.has(id)) return `duplicate id ${id}`;
        seen.add(id);
        open.push(id);
      }
    }
    return open.length === 0 ? undefined : 'Not the same number of function calls and responses';
  },
};

const argumentsAreObjects: Rule = {
  // vLLM parses the arguments of earlier calls for the template; llama.cpp too.
  source: 'vllm/entrypoints/chat_utils.py, _postprocess_messages',
  refuses: ({ messages }) =>
    firstOf(
      (messages as Body[]).flatMap((message) => message['tool_calls'] ?? []),
      (call) => {
        const value: unknown = JSON.parse(call.function.arguments);
        return value !== null && typeof value === 'object' && !Array.isArray(value)
          ? undefined
          : 'arguments are no object';
      },
    ),
};

const someText: Rule = {
  source: 'github.com/ggml-org/llama.cpp/issues/13471: "Expected \'content\' to be a string or an array"',
  refuses: ({ messages }) =>
    firstOf(messages as Body[], ({ content }) =>
      typeof content === 'string' || Array.isArray(content)
        ? undefined
        : "Expected 'content' to be a string or an array",
    ),
};

const plainText: Rule = {
  // Templates of text models put the content of people and tools into a string.
  source: 'github.com/vllm-project/vllm/issues/6862, and the templates of Mistral 7B and Gemma',
  refuses: ({ messages }) =>
    firstOf(messages as Body[], ({ content }) =>
      typeof content === 'string' ? undefined : 'content is no text',
    ),
};

const nineLetters: Rule = {
  source: 'github.com/langchain-ai/langchain/pull/24668',
  refuses: ({ messages }) =>
    firstOf(
      (messages as Body[]).flatMap((message) => [
        ...(message['tool_calls'] ?? []).map((call: Body) => call['id']),
        ...(message['role'] === 'tool' ? [message['tool_call_id']] : []),
      ]),
      (id: string) =>
        /^[a-zA-Z0-9]{9}$/.test(id)
          ? undefined
          : `Tool call id was ${id} but must be a-z, A-Z, 0-9, with a length of 9.`,
    ),
};

function messageFields(source: string, ...known: string[]): Rule {
  const all = ['role', 'content', 'tool_calls', 'tool_call_id', ...known];
  return {
    source,
    refuses: ({ messages }) =>
      firstOf(
        (messages as Body[]).flatMap((message) => Object.keys(message)),
        (key) => (all.includes(key) ? undefined : `extra_forbidden: messages.${key}`),
      ),
  };
}

const smallGrammar: Rule = {
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

function reasoningBesideCalls(source: string, isThere: (reasoning: unknown) => boolean): Rule {
  return {
    source,
    refuses: ({ messages }) =>
      firstOf(messages as Body[], (message, index) =>
        message['tool_calls'] === undefined || isThere(message['reasoning_content'])
          ? undefined
          : `thinking is enabled but reasoning_content is missing in assistant tool call message at index ${index}`,
      ),
  };
}

const notBothWithCalls: Rule = {
  source: "github.com/ggml-org/llama.cpp/issues/17040, gpt-oss's template",
  refuses: ({ messages }) =>
    firstOf(messages as Body[], ({ content, reasoning_content, reasoning, tool_calls }) =>
      tool_calls && content && (reasoning_content || reasoning)
        ? 'Cannot pass both content and thinking in an assistant message with tool calls!'
        : undefined,
    ),
};

const chat = [order, results, argumentsAreObjects];

// Anthropic

const anthropicOrder: Rule = {
  source: 'docs.anthropic.com/en/api/messages, messages',
  refuses: ({ messages }) =>
    firstOf(messages as Body[], ({ role, content }, index) => {
      if (role !== (index % 2 === 0 ? 'user' : 'assistant')) return `messages.${index}: roles must alternate`;
      return (content as Body[]).some((block) => block['type'] === 'text' && block['text'].trim() === '')
        ? 'text content blocks must be non-empty'
        : undefined;
    }),
};

const anthropicResults: Rule = {
  source: 'docs.anthropic.com/en/docs/agents-and-tools/tool-use/implement-tool-use',
  refuses: ({ messages }) =>
    firstOf(messages as Body[], ({ content }, index) => {
      const asked = ((messages[index - 1]?.content ?? []) as Body[]).flatMap((block) =>
        block['type'] === 'tool_use' ? [block['id']] : [],
      );
      const answered = (content as Body[]).flatMap((block) =>
        block['type'] === 'tool_result' ? [block['tool_use_id']] : [],
      );
      if (asked.join() !== answered.join())
        return `messages.${index}: tool_use ids were found without tool_result blocks immediately after`;
      const first = (content as Body[]).slice(0, answered.length);
      return first.every((block) => block['type'] === 'tool_result')
        ? undefined
        : `messages.${index}: tool_result blocks must come first`;
    }),
};

const anthropicThinking: Rule = {
  source:
    'docs.anthropic.com/en/docs/build-with-claude/extended-thinking: thinking comes first, with its signature',
  refuses: ({ messages }) =>
    firstOf(messages as Body[], ({ role, content }, index) =>
      role === 'user' || content[0].type === 'thinking'
        ? undefined
        : `messages.${index}.content.0.type: Expected thinking, but found ${content[0].type}`,
    ),
};

const anthropicMarks: Rule = {
  source: 'docs.anthropic.com/en/docs/build-with-claude/prompt-caching: at most four, none on what changes',
  refuses(body) {
    const marked = JSON.stringify(body).match(/"cache_control"/g)?.length ?? 0;
    if (marked > 4) return 'A maximum of 4 blocks with cache_control may be provided';
    const last = body['messages'].at(-1).content.at(-1);
    return last.cache_control === undefined
      ? undefined
      : 'the end changes with each step: its cache is never read';
  },
};

// Gemini

const geminiOrder: Rule = {
  source:
    'ai.google.dev/gemini-api/docs/function-calling: a function response turn comes right after its call turn',
  refuses: ({ contents }) =>
    firstOf(contents as Body[], ({ role, parts }, index) => {
      if (role !== (index % 2 === 0 ? 'user' : 'model')) return 'roles must alternate between user and model';
      const names = (of: Body[] | undefined, key: string): string =>
        (of ?? []).flatMap((part) => (part[key] ? [part[key].name] : [])).join();
      return names(contents[index - 1]?.parts, 'functionCall') === names(parts, 'functionResponse')
        ? undefined
        : 'the number of function response parts is equal to the number of function call parts of the function call turn';
    }),
};

const geminiSignatures: Rule = {
  source: 'ai.google.dev/gemini-api/docs/thought-signatures: the first call of each step has its own',
  refuses: ({ contents }) =>
    firstOf(contents as Body[], ({ parts }) => {
      const call = (parts as Body[]).find((part) => part['functionCall']);
      return call === undefined || /^sig-/.test(call['thoughtSignature'] ?? '')
        ? undefined
        : 'Function call is missing a thought_signature';
    }),
};

// OpenAI's responses

const responsesItems: Rule = {
  source: 'platform.openai.com/docs/guides/function-calling, responses: each output has its call before it',
  refuses({ input }) {
    const open = new Set<string>();
    for (const item of input as Body[]) {
      if (item['type'] === 'function_call') open.add(item['call_id']);
      else if (item['type'] === 'function_call_output' && !open.delete(item['call_id']))
        return `No tool call found for function call output with call_id ${item['call_id']}.`;
    }
    return open.size === 0 ? undefined : 'No tool output found for function call.';
  },
};

const responsesReasoning: Rule = {
  source:
    'platform.openai.com/docs/guides/reasoning: with store: false the encrypted item goes back before its call',
  refuses(body) {
    if (body['store'] !== false) return 'the conversation would be stored';
    if (!body['include']?.includes('reasoning.encrypted_content')) return 'reasoning is not asked for';
    const items = body['input'] as Body[];
    return firstOf(items, (item, index) => {
      const next = items[index + 1];
      if (item['type'] === 'reasoning' && !['function_call', 'message', undefined].includes(next?.['type']))
        return `Item '${item['id']}' of type 'reasoning' was provided without its required following item.`;
      if (item['type'] === 'reasoning' && !item['encrypted_content']) return 'not stored, and not encrypted';
      return item['type'] === 'item_reference'
        ? 'Item not found: items are not persisted when store is false'
        : undefined;
    });
  },
};

const responsesOrder: Rule = {
  // It takes any order. What holds for the others is kept here too: a person's words stand in one place everywhere.
  source: 'our own',
  refuses: ({ input }) =>
    firstOf(input as Body[], (item, index) => {
      const before = input[index - 1];
      return item['role'] === 'user' && (before?.role === 'user' || before?.type === 'function_call_output')
        ? 'a user message after another or after a result'
        : undefined;
    }),
};

/** By the name of the profile. */
export const rules: Record<string, Rule[]> = {
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
  anthropic: [anthropicOrder, anthropicResults, anthropicThinking, anthropicMarks],
  gemini: [geminiOrder, geminiSignatures],
  openai: [responsesItems, responsesReasoning, responsesOrder],
};

/** What the server says of a request it refuses. */
export function refusalOf(server: string, body: Body): string | undefined {
  return rules[server]?.map((rule) => rule.refuses(body)).find((sentence) => sentence !== undefined);
}
