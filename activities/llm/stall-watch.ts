// Notices that a provider has gone silent, or takes too long in all. Any byte is life. It counts only while we wait for
// the provider, never while the reader of the parts is busy storing them.
import type { LanguageModelV4StreamPart } from '@ai-sdk/provider';
import { LlmError } from './llm.ts';
import type { Stalls } from './stalls.ts';

export interface StallWatch {
  /** Aborted with an LlmError when the provider stalls, and by `close`. */
  signal: AbortSignal;
  during<Result>(wait: () => Promise<Result>): Promise<Result>;
  /** Bytes have come, whatever they say. */
  alive(): void;
  saw(part: LanguageModelV4StreamPart): void;
  close(): void;
}

export function createStallWatch({ firstMs, betweenMs, callMs, totalMs }: Stalls): StallWatch {
  const stop = new AbortController();
  let begun = false;
  // Between these two a model may think for minutes without a word.
  let thinking = 0;
  let inCall = false;
  let waitedMs = 0;
  let silence: NodeJS.Timeout | undefined;
  let pieces = 0;

  function silenceMs(): number {
    if (!begun || thinking > 0) return firstMs;
    return inCall ? callMs : betweenMs;
  }

  function giveUp(ms: number): NodeJS.Timeout {
    const timer = setTimeout(() => {
      const before = pieces;
      // In a process that stood still bytes may have come: they are read first.
      setImmediate(() => {
        if (silence !== timer || pieces > before) return;
        stop.abort(new LlmError('timeout', `The model sent nothing for ${Math.ceil(ms / 1000)} s`));
      });
    }, ms);
    return timer;
  }

  return {
    signal: stop.signal,
    async during(wait) {
      const from = performance.now();
      silence = giveUp(silenceMs());
      const total = setTimeout(
        () => {
          const sentence = `The answer was not whole after ${Math.ceil(totalMs / 1000)} s`;
          stop.abort(new LlmError('timeout', sentence));
        },
        Math.max(totalMs - waitedMs, 0),
      );
      try {
        return await wait();
      } finally {
        clearTimeout(silence);
        clearTimeout(total);
        silence = undefined;
        waitedMs += performance.now() - from;
      }
    },
    alive() {
      pieces += 1;
      silence?.refresh();
    },
    saw(part) {
      if (part.type === 'reasoning-start') thinking += 1;
      if (part.type === 'reasoning-end') thinking -= 1;
      if (part.type === 'tool-input-start') inCall = true;
      if (part.type === 'tool-call') inCall = false;
      if (part.type === 'text-delta' || part.type === 'reasoning-delta' || part.type === 'tool-input-start')
        begun = true;
    },
    close() {
      stop.abort(new Error('the answer is no longer read'));
    },
  };
}
