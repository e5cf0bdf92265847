// What the servers with a format of their own refuse, each rule with where it was seen.

export type Body = Record<string, unknown>;

export interface Rule<Of extends Body> {
  source: string;
  /** What the server says, or undefined when it has no objection. */
  refuses(body: Of): string | undefined;
}

export function firstOf<T>(
  items: T[],
  refuses: (item: T, index: number) => string | undefined,
): string | undefined {
  return items.map(refuses).find((sentence) => sentence !== undefined);
}

export interface AnthropicBody extends Body {
  messages: { role: string; content: AnthropicBlock[] }[];
}

interface AnthropicBlock {
  type: string;
  text?: string;
  id?: string;
  tool_use_id?: string;
  cache_control?: unknown;
}

export interface GeminiBody extends Body {
  contents: { role: string; parts: GeminiPart[] }[];
}

interface GeminiPart {
  functionCall?: { name: string };
  functionResponse?: { name: string };
  thoughtSignature?: string;
}

export interface ResponsesBody extends Body {
  input: ResponsesItem[];
  store?: boolean;
  include?: string[];
}

interface ResponsesItem {
  id?: string;
  type?: string;
  role?: string;
  call_id?: string;
  encrypted_content?: string;
}

// Anthropic

const anthropicOrder: Rule<AnthropicBody> = {
  source: 'docs.anthropic.com/en/api/messages, messages',
  refuses: ({ messages }) =>
    firstOf(messages, ({ role, content }, index) => {
      if (role !== (index % 2 === 0 ? 'user' : 'assistant')) return `messages.${index}: roles must alternate`;
      return content.some((block) => block.type === 'text' && block.text?.trim() === '')
        ? 'text content blocks must be non-empty'
        : undefined;
    }),
};

const anthropicResults: Rule<AnthropicBody> = {
  source: 'docs.anthropic.com/en/docs/agents-and-tools/tool-use/implement-tool-use',
  refuses: ({ messages }) =>
    firstOf(messages, ({ content }, index) => {
      const asked = (messages[index - 1]?.content ?? []).flatMap((block) =>
        block.type === 'tool_use' ? [block.id] : [],
      );
      const answered = content.flatMap((block) => (block.type === 'tool_result' ? [block.tool_use_id] : []));
      if (asked.join() !== answered.join())
        return `messages.${index}: tool_use ids were found without tool_result blocks immediately after`;
      const first = content.slice(0, answered.length);
      return first.every((block) => block.type === 'tool_result')
        ? undefined
        : `messages.${index}: tool_result blocks must come first`;
    }),
};

const anthropicThinking: Rule<AnthropicBody> = {
  source:
    'docs.anthropic.com/en/docs/build-with-claude/extended-thinking: thinking comes first, with its signature',
  refuses: ({ messages }) =>
    firstOf(messages, ({ role, content }, index) =>
      role === 'user' || content[0]?.type === 'thinking'
        ? undefined
        : `messages.${index}.content.0.type: Expected thinking, but found ${content[0]?.type}`,
    ),
};

const anthropicMarks: Rule<AnthropicBody> = {
  source: 'docs.anthropic.com/en/docs/build-with-claude/prompt-caching: at most four, none on what changes',
  refuses(body) {
    const marked = JSON.stringify(body).match(/"cache_control"/g)?.length ?? 0;
    if (marked > 4) return 'A maximum of 4 blocks with cache_control may be provided';
    const last = body.messages.at(-1)?.content.at(-1);
    return last?.cache_control === undefined
      ? undefined
      : 'the end changes with each step: its cache is never read';
  },
};

// Gemini

const geminiOrder: Rule<GeminiBody> = {
  source:
    'ai.google.dev/gemini-api/docs/function-calling: a function response turn comes right after its call turn',
  refuses: ({ contents }) =>
    firstOf(contents, ({ role, parts }, index) => {
      if (role !== (index % 2 === 0 ? 'user' : 'model')) return 'roles must alternate between user and model';
      const names = (of: GeminiPart[] | undefined, key: 'functionCall' | 'functionResponse'): string =>
        (of ?? []).flatMap((part) => part[key]?.name ?? []).join();
      return names(contents[index - 1]?.parts, 'functionCall') === names(parts, 'functionResponse')
        ? undefined
        : 'the number of function response parts is equal to the number of function call parts of the function call turn';
    }),
};

const geminiSignatures: Rule<GeminiBody> = {
  source: 'ai.google.dev/gemini-api/docs/thought-signatures: the first call of each step has its own',
  refuses: ({ contents }) =>
    firstOf(contents, ({ parts }) => {
      const call = parts.find((part) => part.functionCall);
      return call === undefined || call.thoughtSignature?.startsWith('sig-')
        ? undefined
        : 'Function call is missing a thought_signature';
    }),
};

// OpenAI's responses

const responsesItems: Rule<ResponsesBody> = {
  source: 'platform.openai.com/docs/guides/function-calling, responses: each output has its call before it',
  refuses({ input }) {
    const open = new Set<string | undefined>();
    for (const item of input) {
      if (item.type === 'function_call') open.add(item.call_id);
      else if (item.type === 'function_call_output' && !open.delete(item.call_id))
        return `No tool call found for function call output with call_id ${item.call_id}.`;
    }
    return open.size === 0 ? undefined : 'No tool output found for function call.';
  },
};

const responsesReasoning: Rule<ResponsesBody> = {
  source:
    'platform.openai.com/docs/guides/reasoning: with store: false the encrypted item goes back before its call',
  refuses(body) {
    if (body.store !== false) return 'the conversation would be stored';
    if (!body.include?.includes('reasoning.encrypted_content')) return 'reasoning is not asked for';
    const items = body.input;
    return firstOf(items, (item, index) => {
      const next = items[index + 1];
      if (
        item.type === 'reasoning' &&
        next !== undefined &&
        !['function_call', 'message'].includes(next.type ?? 'message')
      )
        return `Item '${item.id}' of type 'reasoning' was provided without its required following item.`;
      if (item.type === 'reasoning' && !item.encrypted_content) return 'not stored, and not encrypted';
      return item.type === 'item_reference'
        ? 'Item not found: items are not persisted when store is false'
        : undefined;
    });
  },
};

const responsesOrder: Rule<ResponsesBody> = {
  // It takes any order. What holds for the others is kept here too: a person's words stand in one place everywhere, those
  // apart that came with a picture, which no result can hold.
  source: 'our own',
  refuses: ({ input }) =>
    firstOf(input, (item, index) => {
      const before = input[index - 1];
      const hasFiles = JSON.stringify(item).includes('"input_image"');
      return item.role === 'user' &&
        !hasFiles &&
        (before?.role === 'user' || before?.type === 'function_call_output')
        ? 'a user message after another or after a result'
        : undefined;
    }),
};

export const anthropic = [anthropicOrder, anthropicResults, anthropicThinking, anthropicMarks];
export const gemini = [geminiOrder, geminiSignatures];
export const responses = [responsesItems, responsesReasoning, responsesOrder];
