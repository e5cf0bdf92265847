// What a call has probably used, for when the provider does not say.
import { type FileTokens, type LlmFile, type LlmRequest, type LlmUsage, tokensOfFiles } from './llm.ts';

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
    inputTokens: Math.ceil(input / charactersPerToken) + tokensOfFiles(filesOf(messages)),
    cachedInputTokens: 0,
    outputTokens: Math.ceil(output.length / charactersPerToken),
  };
}

// Below what prose and code have, which is three to four.
const fewestCharactersPerToken = 2;
// Base64, hashes and the like have fewer than two. A word, a name or a folder is seldom as long as the shortest hash.
const shortestRandom = 32;
const ofRandom = Uint8Array.from({ length: 256 }, (_, byte) => +/[\w+/=-]/.test(String.fromCharCode(byte)));

/** The most tokens a prompt can be. Outside ASCII a token is at least a byte: some scripts and emoji come to that. */
export function mostInputTokens(request: Pick<LlmRequest, 'messages' | 'tools'>): number {
  const tokens = textsOf(request).reduce((sum, text) => sum + mostTokensOf(text), 0);
  return Math.ceil(tokens) + tokensOfFiles(filesOf(request.messages), largestFile);
}

/** In one pass: prompts are long, and each step sends all of its own again. */
function mostTokensOf(text: string): number {
  const bytes = Buffer.from(text);
  // The bytes that are a token each: those outside ASCII, and those of random text.
  let dense = 0;
  let random = 0;
  for (const byte of bytes) {
    if (ofRandom[byte] === 1) {
      random += 1;
      continue;
    }
    if (random >= shortestRandom) dense += random;
    random = 0;
    if (byte > 127) dense += 1;
  }
  if (random >= shortestRandom) dense += random;
  return dense + (bytes.length - dense) / fewestCharactersPerToken;
}

// Cut into tiles, a large picture comes to ten thousand; a page that is text alone has few bytes for what it says.
const largestFile: FileTokens = { image: 10_000, bytesPerToken: 2 };

function filesOf(messages: LlmRequest['messages']): LlmFile[] {
  return messages.flatMap((message) => (message.role === 'user' ? (message.files ?? []) : []));
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
