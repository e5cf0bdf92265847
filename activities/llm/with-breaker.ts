// One circuit breaker around one provider, shared by every run of the process: a provider that is down is
// left alone instead of being asked by all of them.
import { CircuitState, ConsecutiveBreaker, circuitBreaker, handleWhen } from 'cockatiel';
import { type Llm, LlmError, type LlmPart } from './llm.ts';

// One failure happens, five in a row are an outage.
const failuresToOpen = 5;
// Long enough for a provider to breathe, short enough that a person still waits.
const openMs = 30_000;
// While the probe runs nobody knows; asking again soon costs nothing.
const probeMs = 2_000;

export function withBreaker(llm: Llm): Llm {
  const policy = circuitBreaker(
    handleWhen((error) => error instanceof LlmError && error.retryable),
    { halfOpenAfter: openMs, breaker: new ConsecutiveBreaker(failuresToOpen) },
  );
  let openedAt = 0;
  policy.onBreak(() => {
    openedAt = Date.now();
  });

  function refuseWhileOpen(): void {
    const left = policy.state === CircuitState.HalfOpen ? probeMs : openedAt + openMs - Date.now();
    if (policy.state === CircuitState.Closed || left <= 0) return;
    const sentence = `${llm.provider} failed ${failuresToOpen} times in a row: it is left alone for another ${Math.ceil(left / 1000)} s`;
    throw new LlmError('overloaded', sentence, left, true);
  }

  /** Tells the breaker that an answer is under way; the result says how it ended. */
  function begin(): (error: unknown) => void {
    refuseWhileOpen();
    const answer = Promise.withResolvers<void>();
    // The reader of the parts gets the error itself; the breaker only counts it.
    policy.execute(() => answer.promise).catch(() => undefined);
    return (error) => (error === undefined ? answer.resolve() : answer.reject(error));
  }

  return {
    ...llm,
    async *stream(request, signal): AsyncGenerator<LlmPart> {
      const end = begin();
      let outcome: unknown = new Error('the reader left before the answer ended');
      try {
        for await (const part of llm.stream(request, signal)) {
          // The answer is whole; whether its reader asks for more does not matter.
          if (part.type === 'finish') outcome = undefined;
          yield part;
        }
      } catch (error) {
        outcome = error;
        throw error;
      } finally {
        end(outcome);
      }
    },
  };
}
