// What a call has probably used, for when the provider does not say.
import type { LlmRequest, LlmUsage } from './llm.ts';

// English text and code have three to four characters a token. Three errs towards charging: an estimate that is
// too low could be used to overspend. A tokenizer would be exact for one vendor only, and some take minutes on
// a long run of one letter.
const charactersPerToken = 3;

export function estimateUsage(
  { messages, tools }: Pick<LlmRequest, 'messages' | 'tools'>,
  output: string,
): LlmUsage {
  const input = textsOf({ messages, tools }).reduce((sum, text) => sum + text.length, 0);
  return {
    inputTokens: Math.ceil(input / charactersPerToken),
    cachedInputTokens: 0,
    outputTokens: Math.ceil(output.length / charactersPerToken),
  };
}

// Below what prose and code have, which is three to four.
const fewestCharactersPerToken = 2;
// Base64, hashes and the like have fewer than two. A word, a name or a folder is seldom as long as the shortest hash.
const random = /[\w+/=-]{32,}/g;

/** The most tokens a prompt can be. Outside ASCII a token is at least a byte: some scripts and emoji come to that. */
export function mostInputTokens(request: Pick<LlmRequest, 'messages' | 'tools'>): number {
  const tokens = textsOf(request).reduce((sum, text) => {
    const ascii = asciiOf(text);
    const dense = (text.match(random) ?? []).reduce((length, part) => length + part.length, 0);
    return sum + dense + (ascii - dense) / fewestCharactersPerToken + Buffer.byteLength(text) - ascii;
  }, 0);
  return Math.ceil(tokens);
}

function asciiOf(text: string): number {
  let count = 0;
  for (let index = 0; index < text.length; index += 1) if (text.charCodeAt(index) < 128) count += 1;
  return count;
}

/** Everything of a prompt that a model reads. */
function textsOf({ messages, tools }: Pick<LlmRequest, 'messages' | 'tools'>): string[] {
  const said = messages.flatMap((message) => {
    if (message.role === 'system') return [message.text];
    if (message.role !== 'assistant') return [message.text, message.context ?? ''];
    const calls = message.calls.flatMap(({ name, input }) => [name, input]);
    return [message.text, ...calls, ...(message.kept === undefined ? [] : [JSON.stringify(message.kept)])];
  });
  return tools.length === 0 ? said : [...said, JSON.stringify(tools)];
}
