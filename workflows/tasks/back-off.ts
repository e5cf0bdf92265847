// How long a task waits after a failed attempt.
const firstMs = 5000;
// Doubling alone would be weeks after the twentieth; an hour is as long as that of schedules.
const longestMs = 3_600_000;

/** 5 s after the first failed attempt, then twice as long each time. */
export function backOffMs(failed: number): number {
  return Math.min(firstMs * 2 ** (failed - 1), longestMs);
}
