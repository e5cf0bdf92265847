// What a provider's cache of prompts would hold: of each request the longest beginning that an earlier one had too, byte
// for byte, in the order in which providers read a request.
import type { PromptUse } from '../chaos/fake-model.ts';

// As OpenAI says of its own: from 1,024 tokens on, in steps of 128.
const least = 1024;
const stepTokens = 128;
// Of English text and JSON; the share is the same with any other.
const bytesPerToken = 4;

export interface PromptCache {
  /** Of a request as it came over the wire, which is then held itself. */
  take(body: string): PromptUse;
}

export function createPromptCache(): PromptCache {
  const held: string[] = [];
  return {
    take(body) {
      const { tools, messages } = JSON.parse(body) as { tools?: unknown[]; messages: unknown[] };
      const text = JSON.stringify([tools ?? [], messages]);
      const common = Math.max(0, ...held.map((earlier) => commonBytes(earlier, text)));
      held.push(text);
      const tokens = Math.floor(common / bytesPerToken);
      return {
        prompt: Math.ceil(Buffer.byteLength(text) / bytesPerToken),
        cached: tokens < least ? 0 : tokens - (tokens % stepTokens),
      };
    },
  };
}

function commonBytes(one: string, other: string): number {
  let at = 0;
  while (at < one.length && one[at] === other[at]) at += 1;
  return Buffer.byteLength(one.slice(0, at));
}
