// A circuit breaker for each model of a provider, shared by every run of the process: a model that is down is left alone
// instead of being asked by all of them. Only outages open it, never an answer that we gave up or could not read.
import { LRUCache } from 'lru-cache';
import { type Llm, LlmError, type LlmPart, ProviderLeftAlone, ServerUnreached } from './llm.ts';

// One failure happens, five in a row are an outage.
const failuresToOpen = 5;
// Long enough for a provider to breathe, short enough that a person still waits.
const openMs = 30_000;
// The least that is waited while a probe runs; it doubles with the time the probe takes, up to `openMs`.
const probeMs = 2_000;
// How long the run that failed last lets others go first: those that were sent away come back within this time.
const turnMs = 5_000;
// People choose the names of models; of models that work nothing is kept.
const mostModels = 1_000;

interface Circuit {
  failures: number;
  openUntil: number;
  /** When the one call that is let through began. */
  probeSince: number | undefined;
  /** The run whose call failed last. */
  failed: string;
  /** What it failed with. */
  error: LlmError | undefined;
  /** The runs that were sent away since. */
  waiting: Set<string>;
}

/** What a call tells of its model; an error is an outage. */
type Outcome = 'answered' | LlmError | 'unknown';

export function withBreaker(llm: Llm): Llm {
  const circuits = new LRUCache<string, Circuit>({ max: mostModels });
  return {
    ...llm,
    async *stream(request, signal): AsyncGenerator<LlmPart> {
      const { model, runId } = request;
      const circuit = circuits.get(model);
      const isProbe = circuit !== undefined && admit(circuit, `${llm.provider}/${model}`, runId);
      const settle = settleOnce((outcome) => tell(circuits, model, { runId, isProbe, outcome }));
      try {
        for await (const part of llm.stream(request, signal)) {
          // The first part of a probe answers for all: no run waits for the rest of it.
          if (isProbe || part.type === 'finish') settle('answered');
          yield part;
        }
      } catch (error) {
        settle(outcomeOf(error));
        throw error;
      } finally {
        // The reader left: that says nothing of the provider.
        settle('unknown');
      }
    },
  };
}

/** Whether the call is the probe; throws where none may be made. */
function admit(circuit: Circuit, name: string, runId: string): boolean {
  if (circuit.failures < failuresToOpen) return false;
  const left = waitFor(circuit, runId);
  if (left > 0) {
    circuit.waiting.add(runId);
    const { error } = circuit;
    const rest = `${name} is left alone for another ${Math.ceil(left / 1000)} s`;
    const why = `it failed ${failuresToOpen} times in a row, the last time with: ${error?.message}`;
    throw new ProviderLeftAlone(`${rest}: ${why}`, left, error instanceof ServerUnreached);
  }
  circuit.waiting.delete(runId);
  circuit.probeSince = Date.now();
  return true;
}

function waitFor({ openUntil, probeSince, failed, waiting }: Circuit, runId: string): number {
  const now = Date.now();
  if (probeSince !== undefined) return Math.min(Math.max(now - probeSince, probeMs), openMs);
  if (now < openUntil) return openUntil - now;
  // A run that fails by itself must not take every turn.
  const others = [...waiting].some((other) => other !== runId);
  return runId === failed && others ? openUntil + turnMs - now : 0;
}

function outcomeOf(error: unknown): Outcome {
  if (!(error instanceof LlmError)) return 'unknown';
  if (error.outage) return error;
  // A refusal of the request shows that the server is there.
  return error.retryable ? 'unknown' : 'answered';
}

function tell(
  circuits: LRUCache<string, Circuit>,
  model: string,
  { runId, isProbe, outcome }: { runId: string; isProbe: boolean; outcome: Outcome },
): void {
  if (outcome === 'answered') {
    circuits.delete(model);
    return;
  }
  const circuit = circuits.get(model) ?? {
    ...{ failures: 0, openUntil: 0, probeSince: undefined, failed: runId, error: undefined },
    waiting: new Set<string>(),
  };
  circuits.set(model, circuit);
  if (isProbe) circuit.probeSince = undefined;
  if (outcome === 'unknown') return;
  const wasOpen = circuit.failures >= failuresToOpen;
  circuit.failures += 1;
  // A call that began before the circuit opened says nothing new.
  if (wasOpen && !isProbe) return;
  circuit.failed = runId;
  circuit.error = outcome;
  if (circuit.failures >= failuresToOpen) circuit.openUntil = Date.now() + openMs;
}

function settleOnce(settle: (outcome: Outcome) => void): (outcome: Outcome) => void {
  let settled = false;
  return (outcome) => {
    if (!settled) settle(outcome);
    settled = true;
  };
}
