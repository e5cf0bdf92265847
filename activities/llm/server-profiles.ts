// What each kind of server takes in a request, as data: each value with its reason and where that can be read. What a
// profile does not say is as in `compatible`, which is what the strictest servers take.

export const profileNames = [
  'openai',
  'anthropic',
  'gemini',
  'mistral',
  'deepseek',
  'kimi',
  'vllm',
  'llamacpp',
  'ollama',
  'lmstudio',
  'openrouter',
  'compatible',
] as const;
export type ProfileName = (typeof profileNames)[number];

export interface Taken {
  /** The name of the longest answer. */
  longestField: 'max_tokens' | 'max_completion_tokens';
  /** Whether the longest answer is sent when tokens cost nothing; when they cost, it always is. */
  longestWhenFree: 'sent' | 'left-out';
  /** Whether the usage is asked for with `stream_options`. */
  streamUsage: boolean;
  /** `nine`: exactly nine letters and digits. */
  callIds: 'any' | 'nine';
  /** What an answer of calls alone has as its text. */
  noText: 'null' | 'empty';
  /** `small`: without the bounds of a schema that make a grammar large. */
  schemaBounds: 'any' | 'small';
  /**
   * How the reasoning of an answer goes back. `as-came`: as text, in the field it came in. `chunks`: as parts of the
   * content. `package`: the provider's package does it. `none`: it does not.
   */
  reasoning: 'as-came' | 'reasoning_content' | 'reasoning' | 'chunks' | 'package' | 'none';
  /** What stands for reasoning that is missing beside calls; undefined where it may be missing. */
  reasoningFiller: string | undefined;
  /** Whether an answer of calls may have both text and reasoning. */
  reasoningBesideText: boolean;
  /** Whether a failed call is marked as such beside its text. */
  failedResults: 'marked' | 'text';
  /** Whether what follows a tool's result is a part of its own; else it is joined to the text of the result. */
  partsAfterResult: boolean;
}

interface Said<T> {
  value: T;
  why: string;
  source: string;
}

const said = <T>(value: T, why: string, source: string): Said<T> => ({ value, why, source });

type Table<Keys extends keyof Taken = keyof Taken> = { [Key in Keys]: Said<Taken[Key]> };

const smallBounds = said<'small'>(
  'small',
  'The schema of every tool becomes one grammar; a bound above 2,000 or a nested pattern fails the whole request.',
  'github.com/ggml-org/llama.cpp/issues/25746 and 26596; of arrays: github.com/unslothai/unsloth/issues/9888',
);

const base: Table = {
  longestField: said('max_tokens', 'The only name that older servers know.', 'docs.vllm.ai, OpenAI server'),
  longestWhenFree: said(
    'left-out',
    'Local servers answer up to what their context holds, and refuse a figure above it.',
    'vllm/entrypoints/openai/serving_engine.py: max_tokens must fit beside the prompt',
  ),
  streamUsage: said(true, 'Most leave the usage out of a stream unasked.', 'docs.vllm.ai, stream_options'),
  callIds: said('any', 'Ids are opaque.', 'platform.openai.com/docs/api-reference/chat'),
  noText: said(
    'empty',
    'Templates add the content to a text and fail on null.',
    'github.com/ggml-org/llama.cpp/issues/13471, github.com/ml-explore/mlx-lm/issues/185',
  ),
  schemaBounds: smallBounds,
  reasoning: said(
    'as-came',
    'A server that named the field reads it under that name, or reads it not at all.',
    'github.com/ggml-org/llama.cpp/pull/18485 (reasoning_content), docs.vllm.ai, reasoning outputs',
  ),
  reasoningFiller: said<undefined>(undefined, 'It may be missing.', 'docs.vllm.ai, reasoning outputs'),
  reasoningBesideText: said(true, 'Templates take both.', 'github.com/ggml-org/llama.cpp/issues/18463'),
  failedResults: said(
    'text',
    'The format has no place for it; the text of the result says it.',
    'platform.openai.com/docs/api-reference/chat, tool messages',
  ),
  partsAfterResult: said(
    false,
    "Templates and Mistral's models refuse a user message after a tool's result.",
    'github.com/BerriAI/litellm/issues/17761, github.com/vllm-project/vllm/issues/6862',
  ),
};

const fixedLongest = said<'sent'>(
  'sent',
  'It has one limit a model, and says it when it refuses.',
  'its API reference',
);
const anyBounds = said<'any'>('any', 'It builds no grammar out of the tools.', 'its API reference, tools');
const byPackage = (source: string): Said<'package'> =>
  said('package', 'Signed blocks go back as parts of the message.', source);
const llamaTemplates = said(
  false,
  "gpt-oss's template raises when calls come with both text and thinking.",
  'github.com/ggml-org/llama.cpp/issues/17040',
);

const differences: Record<ProfileName, Partial<Table>> = {
  compatible: {},
  openai: {
    longestField: said(
      'max_completion_tokens',
      'Reasoning models refuse max_tokens.',
      'platform.openai.com/docs/api-reference/chat/create',
    ),
    longestWhenFree: fixedLongest,
    noText: said('null', 'As its own answers have it.', 'platform.openai.com/docs/guides/function-calling'),
    schemaBounds: anyBounds,
    reasoning: byPackage('platform.openai.com/docs/guides/reasoning: encrypted_content with store: false'),
  },
  anthropic: {
    longestWhenFree: said(
      'sent',
      'A request must have it.',
      'docs.anthropic.com/en/api/messages, max_tokens',
    ),
    schemaBounds: anyBounds,
    reasoning: byPackage('docs.anthropic.com/en/docs/build-with-claude/extended-thinking, preserving blocks'),
    failedResults: said('marked', 'is_error.', 'docs.anthropic.com/en/api/messages, tool_result'),
    partsAfterResult: said(
      true,
      'Results and text are blocks of one user message, the results first; the cache may then end before the text.',
      'docs.anthropic.com/en/docs/agents-and-tools/tool-use/implement-tool-use',
    ),
  },
  gemini: {
    longestWhenFree: fixedLongest,
    failedResults: said('marked', 'The key `error`.', 'ai.google.dev/api/caching, FunctionResponse.response'),
    schemaBounds: anyBounds,
    reasoning: byPackage('ai.google.dev/gemini-api/docs/thought-signatures'),
  },
  mistral: {
    longestWhenFree: fixedLongest,
    streamUsage: said(
      false,
      'Fields it does not know are refused (extra_forbidden), and the usage comes unasked.',
      'docs.mistral.ai/api, chat; github.com/partITech/php-mistral/issues/76',
    ),
    callIds: said(
      'nine',
      '"Tool call id was … but must be a-z, A-Z, 0-9, with a length of 9."',
      'github.com/langchain-ai/langchain/pull/24668',
    ),
    schemaBounds: anyBounds,
    reasoning: said(
      'chunks',
      'Thoughts are parts of the content; a reasoning field would be refused.',
      'docs.mistral.ai/capabilities/reasoning',
    ),
  },
  deepseek: {
    longestWhenFree: fixedLongest,
    schemaBounds: anyBounds,
    reasoning: said(
      'reasoning_content',
      'Beside calls it must be sent back in every later request; elsewhere it is ignored.',
      'api-docs.deepseek.com/guides/thinking_mode',
    ),
    reasoningFiller: said(
      '',
      'Beside calls the field must be there, even empty.',
      'github.com/deepseek-ai/deepseek-harness/discussions/739, github.com/vercel/ai/pull/13203',
    ),
  },
  kimi: {
    longestWhenFree: fixedLongest,
    schemaBounds: anyBounds,
    reasoning: said(
      'reasoning_content',
      '"thinking is enabled but reasoning_content is missing in assistant tool call message"',
      'github.com/continuedev/continue/issues/11600',
    ),
    reasoningFiller: said(
      ' ',
      'Beside calls the field must be there; an empty one counts as missing.',
      'github.com/BerriAI/litellm, llms/moonshot/chat/transformation.py',
    ),
  },
  vllm: {},
  llamacpp: { reasoningBesideText: llamaTemplates },
  ollama: { reasoningBesideText: llamaTemplates },
  lmstudio: { reasoningBesideText: llamaTemplates },
  openrouter: {
    longestWhenFree: said(
      'sent',
      'It reserves credit for the longest answer of the model when none is given.',
      'openrouter.ai/docs/api-reference/errors, 402',
    ),
    noText: said('null', "It translates OpenAI's own form.", 'openrouter.ai/docs/features/tool-calling'),
    reasoning: said(
      'reasoning',
      'Plain reasoning is taken back as text; signed one as reasoning_details, unchanged and in order.',
      'openrouter.ai/docs/use-cases/reasoning-tokens, preserving reasoning blocks',
    ),
  },
};

/** A profile's values. */
export function takenBy(name: ProfileName): Taken {
  const table = { ...base, ...differences[name] };
  return Object.fromEntries(
    Object.entries(table).map(([key, { value }]) => [key, value]),
  ) as unknown as Taken;
}
