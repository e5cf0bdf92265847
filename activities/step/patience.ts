// How long a provider's failures are retried. Only failures count, never a time without requests: a machine that was
// off over a weekend has not waited for the provider.

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
