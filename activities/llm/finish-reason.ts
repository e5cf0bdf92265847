// How an answer ended, out of what a provider's package and the provider itself say of it.
import type { LanguageModelV4FinishReason } from '@ai-sdk/provider';

/**
 * `length`: cut at the longest answer, or where the model's context was full. `paused`: a long turn is to be sent back
 * and goes on. `other`: with a reason that says neither.
 */
export type FinishReason = 'stop' | 'calls' | 'length' | 'paused' | 'refused' | 'other';

// DeepSeek's interrupted inference, vLLM's abort, and OpenRouter's error after the first word: the packages call all
// of them `other`.
const brokenOff = ['insufficient_system_resource', 'abort', 'error'];

/** The server gave up in the middle: what it said is not its answer. */
export function isBrokenOff({ unified, raw }: LanguageModelV4FinishReason): boolean {
  return unified === 'error' || unified === 'interrupted' || brokenOff.includes(raw?.toLowerCase() ?? '');
}

/** An answer with calls has ended for their sake, whatever a server calls it: some say "stop". Cut is cut. */
export function toReason({ unified, raw }: LanguageModelV4FinishReason, hasCalls: boolean): FinishReason {
  switch (unified) {
    case 'length':
      return 'length';
    case 'content-filter':
      return 'refused';
    case 'tool-calls':
      return 'calls';
    case 'stop':
      if (hasCalls) return 'calls';
      // Of Anthropic; its package takes it for an end.
      return raw === 'pause_turn' ? 'paused' : 'stop';
    default:
      return hasCalls ? 'calls' : 'other';
  }
}
