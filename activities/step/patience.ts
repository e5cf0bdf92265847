// How long a provider's failures are retried: an outage is borne with, and whatever else fails the same way again and
// again is a fault that waiting does not mend. Only failures count, never a time without requests: a machine that was off
// over a weekend has not waited for the provider.
import { createHash } from 'node:crypto';
import { type LlmError, ServerUnreached } from '../llm/llm.ts';
import { neverAsked } from '../store/runs/attempts.ts';

export interface Patience {
  ms: number;
  /** Fewer failures in that time say that something else took it. */
  fewestFailures: number;
}

// Outages of providers pass within minutes; after half an hour a person should hear that nothing works. Half an hour of
// retries makes far more than ten.
export const usualPatience: Patience = { ms: 30 * 60_000, fewestFailures: 10 };
// A server that was never reached may have a wrong address, or was never started: a minute is enough to start
// it. Retries come after 0.5, 1, 2, 4 s and so on.
export const firstPatience: Patience = { ms: 60_000, fewestFailures: 3 };
// Retries are a minute apart and a slow attempt takes less than half an hour: a longer silence was our own.
const silenceMs = 60 * 60_000;

/** Whether the failure at `now`, after those at the given times in order, is the one too many. */
export function isOutOfPatience(failedAt: Date[], now: Date, patience = usualPatience): boolean {
  let first = now.getTime();
  let failures = 1;
  for (const at of failedAt.toReversed()) {
    if (first - at.getTime() >= silenceMs) break;
    first = at.getTime();
    failures += 1;
  }
  return failures >= patience.fewestFailures && now.getTime() - first > patience.ms;
}

// A fault may be chance once, and bad luck twice. Between three tries lie seconds. The tries themselves are not cut short:
// three that are given up for silence take as long as llm/stalls.ts lets each of them be silent, 10, 20 and 29 minutes
// where nothing at all comes. A server that loads a large model cannot be told from one that hangs; PERDURE_MODEL_SECONDS
// shortens it.
const mostFaults = 3;

const outages = ['failed', 'unreached'];

/** How an attempt ended that the provider failed, as it is stored. */
export function outcomeOfProvider(error: LlmError): string {
  if (error instanceof ServerUnreached) return 'unreached';
  if (error.passing) return 'failed';
  return error.kind === 'unreadable' ? `unreadable ${likenessOf(error.message)}` : 'faulty';
}

export function isOutage(outcome: string): boolean {
  return outages.includes(outcome);
}

/** Whether nothing has been heard of the server, by how the attempts of a run's first step ended. */
export function wasNeverReached(outcomes: readonly string[]): boolean {
  return outcomes.every((each) => each === 'unreached' || neverAsked.includes(each));
}

/** The same for answers that differ in their ids, times and counts only. */
function likenessOf(message: string): string {
  const alike = message.replace(/[\w-]*\d[\w-]*/g, '#');
  return createHash('sha256').update(alike).digest('hex').slice(0, 12);
}

/** Why it is no use to try again after `outcome`, when those before it in the same step, in order, were these. */
export function faultOf(before: readonly string[], outcome: string): string | undefined {
  // Deaths of workers and whatever else is our own say nothing of the provider.
  const row = [...before, outcome].filter((each) => isOutage(each) || isFault(each));
  const faults = row.slice(row.findLastIndex(isOutage) + 1);
  if (outcome !== 'faulty' && faults.indexOf(outcome) < faults.length - 1)
    return 'The same unreadable answer came twice: this is a fault of the server.';
  return faults.length >= mostFaults
    ? `It failed ${mostFaults} times in a row without an outage.`
    : undefined;
}

/** Of the outcomes of attempts, those that `outcomeOfProvider` gives to faults. */
export function isFault(outcome: string): boolean {
  return outcome === 'faulty' || outcome.startsWith('unreadable ');
}
