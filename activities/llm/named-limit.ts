// The longest answer a server takes, out of its refusal of a longer one.
import { APICallError } from '@ai-sdk/provider';

/** What servers say; the first group is the limit, or the names say from what it is computed. */
const sentences: RegExp[] = [
  // DeepSeek: github.com/deepseek-ai/DeepSeek-V3/issues/69; Qwen: github.com/open-webui/open-webui/issues/10507
  /max_tokens[^[]{0,60}\[\s*\d+\s*,\s*(\d+)\s*\]/i,
  // OpenAI: "max_tokens is too large: 32000. This model supports at most 16384 completion tokens"
  /supports at most (\d+) (?:completion|output) tokens/i,
  // Anthropic: "max_tokens: 32000 > 8192, which is the maximum allowed number of output tokens"
  /max_tokens: \d+ > (\d+), which is the maximum/i,
  // vLLM: "'max_tokens' or 'max_completion_tokens' is too large: … (32000 > 32768 - 1200)"
  /\(\d+ > (?<context>\d+) - (?<input>\d+)\)/,
  // OpenAI's older models, OpenRouter: "maximum context length is 8192 tokens. However, you requested …"
  /maximum context length is (?<context>\d+) tokens[^(]{0,120}\((?<input>\d+) (?:in the messages|of text input)/i,
  // Together: "`inputs` tokens + `max_new_tokens` must be <= 8193. Given: 100 `inputs` tokens"
  /max_new_tokens`? must be <= (?<context>\d+)\. Given: (?<input>\d+)/i,
  // Groq, Gemini's OpenAI face and others: "max_tokens must be less than or equal to `8192`", "… ≤ 8192", "… <= 8192"
  /max_(?:completion_|output_|new_)?tokens\W{0,3} (?:must be|should be|has to be)?\s*(?:less than or equal to|at most|no more than|≤|<=|<)\s*`?(\d+)/i,
  // Bedrock: "The maximum tokens you requested exceeds the model limit of 8192"
  /maximum tokens you requested exceeds the model limit of (\d+)/i,
  // Gemini: "Unable to submit request because it has a maxOutputTokens value of 99999 but the supported range is from 1 (inclusive) to 8193 (exclusive)"
  /maxOutputTokens[^.]{0,80}from 1 \(inclusive\) to (?<exclusive>\d+) \(exclusive\)/i,
];

export interface NamedLimit {
  tokens: number;
  /** True: the same for any prompt. False: what this prompt leaves of the context. */
  isFixed: boolean;
}

/** Undefined when the refusal is about something else, or names nothing that is shorter than what was asked. */
export function namedLimit(error: unknown, asked: number): NamedLimit | undefined {
  const text = textOf(error);
  for (const sentence of sentences) {
    const found = sentence.exec(text);
    if (found === null) continue;
    const tokens = limitOf(found);
    if (Number.isSafeInteger(tokens) && tokens >= 1 && tokens < asked)
      return { tokens, isFixed: found.groups?.['context'] === undefined };
  }
  return undefined;
}

function limitOf(found: RegExpExecArray): number {
  const { context, input, exclusive } = found.groups ?? {};
  if (context !== undefined) return Number(context) - Number(input);
  return exclusive === undefined ? Number(found[1]) : Number(exclusive) - 1;
}

function textOf(error: unknown): string {
  if (!(error instanceof Error)) return '';
  // A refusal is short; what is longer is a page, and the patterns need not run over it.
  const body = APICallError.isInstance(error) ? (error.responseBody ?? '') : '';
  return `${error.message}\n${body}`.slice(0, 10_000);
}
