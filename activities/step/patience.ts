// How long a provider's failures are retried: an outage is borne with, and whatever else fails the same way again and
// again is a fault that waiting does not mend. Only failures count, never a time without requests: a machine that was off
// over a weekend has not waited for the provider.
import { createHash } from 'node:crypto';
import type { LlmError } from '../llm/llm.ts';

// Outages of providers pass within minutes; after half an hour a person should hear that nothing works.
const patienceMs = 30 * 60_000;
// Half an hour of retries makes far more; fewer say that something else took the time.
const fewestFailures = 10;
// Retries are a minute apart and a slow attempt takes less than half an hour: a longer silence was our own.
const silenceMs = 60 * 60_000;

/** Whether the failure at `now`, after those at the given times in order, is the one too many. */
export function isOutOfPatience(failedAt: Date[], now: Date): boolean {
  let first = now.getTime();
  let failures = 1;
  for (const at of failedAt.toReversed()) {
    if (first - at.getTime() >= silenceMs) break;
    first = at.getTime();
    failures += 1;
  }
  return failures >= fewestFailures && now.getTime() - first > patienceMs;
}

// A fault may be chance once, and bad luck twice.
const mostFaults = 3;

/** How an attempt ended that the provider failed, as it is stored. `failed` is an outage. */
export function outcomeOfProvider(error: LlmError): string {
  if (error.passing) return 'failed';
  return error.kind === 'unreadable' ? `unreadable ${likenessOf(error.message)}` : 'faulty';
}

/** The same for answers that differ in their ids, times and counts only. */
function likenessOf(message: string): string {
  const alike = message.replace(/[\w-]*\d[\w-]*/g, '#');
  return createHash('sha256').update(alike).digest('hex').slice(0, 12);
}

/** Why it is no use to try again after `outcome`, when those before it in the same step, in order, were these. */
export function faultOf(before: readonly string[], outcome: string): string | undefined {
  // Deaths of workers and whatever else is our own say nothing of the provider.
  const row = [...before, outcome].filter((each) => each === 'failed' || isFault(each));
  const faults = row.slice(row.lastIndexOf('failed') + 1);
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
