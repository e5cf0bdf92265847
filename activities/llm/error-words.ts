// What servers say when waiting is of no use: the conversation is too long, or the account is used up. Tables, so that
// the next phrasing is a line. The examples are what the tests read.

export interface Phrasing {
  /** Who says so, and where that can be read. */
  source: string;
  example: string;
  pattern: RegExp;
}

const overflows = 'badlogic/pi-mono packages/ai/src/utils/overflow.ts';

/** The prompt does not fit, whatever the status: 400, 413, 429 and 500 are used for it. */
export const tooLongWords: Phrasing[] = [
  {
    source:
      'OpenAI chat, and vLLM, SGLang, DeepSeek, OpenRouter with it (vLLM entrypoints/openai/serving_engine.py)',
    example:
      "This model's maximum context length is 8192 tokens. However, your messages resulted in 8545 tokens.",
    pattern: /maximum context length/i,
  },
  {
    source: 'OpenAI code; LM Studio and Azure with it',
    example: 'context_length_exceeded',
    pattern: /context[_ -]?length[_ ]?exceeded|model_context_window_exceeded/i,
  },
  {
    source: `OpenAI responses (${overflows})`,
    example: 'Your input exceeds the context window of this model.',
    pattern: /exceeds? (the |model |our )?context (window|length)|context window exceeds/i,
  },
  {
    source:
      'OpenAI 429: one request above the whole rate; Groq 413 (community.openai.com, the page of error codes of Groq)',
    example:
      'Request too large for gpt-4o on tokens per min (TPM): Limit 30000, Requested 42410. The input or output tokens must be reduced.',
    pattern: /request (is )?too large|tokens must be reduced/i,
  },
  {
    source: 'Anthropic (docs.anthropic.com/en/api/errors)',
    example: 'prompt is too long: 210000 tokens > 200000 maximum',
    pattern: /(prompt|input|conversation) is too long|request_too_large/i,
  },
  {
    source: 'Anthropic 400 with the longest answer counted in',
    example: 'input length and `max_tokens` exceed context limit: 190000 + 32000 > 200000',
    pattern: /exceeds? (the )?context limit/i,
  },
  {
    source: 'Amazon Bedrock ValidationException',
    example: 'Input is too long for requested model.',
    pattern: /input is too long/i,
  },
  {
    source: 'Gemini (ai.google.dev/gemini-api/docs/troubleshooting)',
    example: 'The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).',
    pattern: /input token count.{0,40}exceeds the maximum/i,
  },
  {
    source: 'llama.cpp (pull request 15780, issue 19774)',
    example: 'request (4390 tokens) exceeds the available context size (4096 tokens), try increasing it',
    pattern: /exceeds? the available context size|exceed_context_size/i,
  },
  {
    source: 'llama.cpp with status 500 (issue 19774)',
    example: 'Context size has been exceeded.',
    pattern: /context size (has been )?exceeded/i,
  },
  {
    source: 'llama-cpp-python (issue 416)',
    example: 'Requested tokens (2285) exceed context window of 2048',
    pattern: /exceeds? context (window|length)/i,
  },
  {
    source: `LM Studio (${overflows})`,
    example: 'The number of tokens to keep from the initial prompt is greater than the context length.',
    pattern: /greater than the context length/i,
  },
  {
    source: 'Ollama (server/prompt.go, "input length exceeds the context length")',
    example: 'the input length exceeds the context length',
    pattern: /input length exceeds/i,
  },
  {
    source: `Mistral (${overflows})`,
    example:
      'Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length',
    pattern: /too large for model with \d+/i,
  },
  {
    source: `Moonshot, Kimi (${overflows})`,
    example: 'Your request exceeded model token limit: 131072 (requested: 140211)',
    pattern: /exceeded model token limit/i,
  },
  {
    source: `xAI (${overflows})`,
    example: "This model's maximum prompt length is 131072 but the request contains 537812 tokens.",
    pattern: /maximum prompt length is/i,
  },
  {
    source: `GitHub Copilot (${overflows})`,
    example: 'prompt token count of 140000 exceeds the limit of 128000',
    pattern: /token count of \d+ exceeds the limit/i,
  },
  {
    source: 'Groq, SGLang and text-generation-inference',
    example: 'Please reduce the length of the messages or completion.',
    pattern: /reduce the length of the (messages|prompt|input)/i,
  },
  {
    source: 'text-generation-inference validation.rs, and TensorRT-LLM',
    example:
      '`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 `inputs` tokens and 20 `max_new_tokens`',
    pattern: /tokens \+ `?max_new_tokens`? must be/i,
  },
  {
    // Bedrock's throttling says "Too many tokens, please wait"; that passes.
    source: 'Cohere, Together',
    example: 'too many tokens: size limit exceeded by 2000 tokens',
    pattern: /too many (input |prompt )?tokens(?!,? please wait| per )/i,
  },
];

/** The account has nothing left or is not paid for: the server answers like this until a person acts. */
export const exhaustedWords: Phrasing[] = [
  {
    // Gemini uses the same sentence for a limit that passes in a minute, so it is known by its code.
    source: 'OpenAI 429 (platform.openai.com/docs/guides/error-codes)',
    example: 'insufficient_quota',
    pattern: /insufficient_quota|billing_(hard_limit|not_active|error)/i,
  },
  {
    source: 'Anthropic 400 (docs.anthropic.com/en/api/errors)',
    example: 'Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing.',
    pattern: /credit balance is too low/i,
  },
  {
    source: 'DeepSeek 402 (api-docs.deepseek.com/quick_start/error_codes), MiniMax 1008, Zhipu 1113',
    example: 'Insufficient Balance',
    pattern: /insufficient[_ ](account )?(balance|funds)/i,
  },
  {
    source: 'OpenRouter 402 (openrouter.ai/docs/api-reference/errors)',
    example: 'This request requires more credits, or fewer max_tokens.',
    pattern: /insufficient credits|requires more credits|never purchased credits/i,
  },
  {
    source: 'Moonshot 429 (platform.moonshot.ai/docs)',
    example: 'exceeded_current_quota_error',
    pattern: /exceeded_current_quota|account .{0,60}is suspended/i,
  },
  {
    source: 'xAI 429, Together 402',
    example: 'Your team has used all available credits or reached its monthly spending limit.',
    pattern:
      /used all available credits|(spending|credit) limit (has been )?(exceeded|reached)|reached its monthly spending/i,
  },
  {
    source:
      'Gemini 429 of a model that the free tier has no share of (ai.google.dev/gemini-api/docs/rate-limits)',
    example: 'Quota exceeded for metric: generativelanguage.googleapis.com/free_tier_requests, limit: 0',
    pattern: /limit: 0\b|prepayment credits are depleted/i,
  },
];
