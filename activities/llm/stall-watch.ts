// Notices that a provider has gone silent. It counts only while we wait for the provider, never while the
// reader of the parts is busy storing them.
import type { LanguageModelV4StreamPart } from '@ai-sdk/provider';
import { LlmError } from './llm.ts';

export interface Stalls {
  /** Silence before the first token, and inside thinking that is not shown. */
  firstMs: number;
  /** Silence between two parts of an answer that has begun. */
  betweenMs: number;
}

export interface StallWatch {
  /** Aborted with an LlmError when the provider stalls, and by `close`. */
  signal: AbortSignal;
  during<Result>(wait: () => Promise<Result>): Promise<Result>;
  saw(part: LanguageModelV4StreamPart): void;
  close(): void;
}

export function createStallWatch({ firstMs, betweenMs }: Stalls): StallWatch {
  const stop = new AbortController();
  let begun = false;
  // Between these two a model may think for minutes without a word.
  let thinking = 0;
  const waitMs = (): number => (begun && thinking <= 0 ? betweenMs : firstMs);
  return {
    signal: stop.signal,
    async during(wait) {
      const patience = waitMs();
      const timer = setTimeout(
        () =>
          stop.abort(new LlmError('timeout', `The model sent nothing for ${Math.ceil(patience / 1000)} s`)),
        patience,
      );
      try {
        return await wait();
      } finally {
        clearTimeout(timer);
      }
    },
    saw(part) {
      if (part.type === 'reasoning-start') thinking += 1;
      if (part.type === 'reasoning-end') thinking -= 1;
      if (part.type === 'text-delta' || part.type === 'reasoning-delta' || part.type === 'tool-input-start')
        begun = true;
    },
    close() {
      stop.abort(new Error('the answer is no longer read'));
    },
  };
}
