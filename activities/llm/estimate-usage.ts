// What a call has probably used, for when the provider does not say.
import type { LlmMessage, LlmRequest, LlmUsage } from './llm.ts';

// English text and code have three to four characters a token. Three errs towards charging: an estimate that is
// too low could be used to overspend. A tokenizer would be exact for one vendor only, and some take minutes on
// a long run of one letter.
const charactersPerToken = 3;

export function estimateUsage(
  { messages, tools }: Pick<LlmRequest, 'messages' | 'tools'>,
  output: string,
): LlmUsage {
  const toolCharacters = tools.length === 0 ? 0 : JSON.stringify(tools).length;
  const input = messages.reduce((sum, message) => sum + charactersOf(message), toolCharacters);
  return {
    inputTokens: Math.ceil(input / charactersPerToken),
    cachedInputTokens: 0,
    outputTokens: Math.ceil(output.length / charactersPerToken),
  };
}

function charactersOf(message: LlmMessage): number {
  const calls = message.role === 'assistant' ? message.calls : [];
  return calls.reduce((sum, call) => sum + call.name.length + call.input.length, message.text.length);
}
