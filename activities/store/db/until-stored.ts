// Storing what cannot be had again: a model's answer is paid for, a tool has acted. An outage of Postgres is
// waited out instead of losing the result; the act must be safe to run twice, since a lost answer to COMMIT
// leaves open whether it committed.
import { setTimeout as sleep } from 'node:timers/promises';
import { isStoreOutage } from './database.ts';

// Longer than a restart of Postgres with crash recovery; beyond it the attempt fails and is taken up again.
const longestMs = 120_000;
const firstPauseMs = 100;
const longestPauseMs = 2000;

export async function untilStored<T>(act: () => Promise<T>): Promise<T> {
  const giveUpAt = Date.now() + longestMs;
  let pauseMs = firstPauseMs;
  for (;;) {
    try {
      return await act();
    } catch (error) {
      if (!isStoreOutage(error) || Date.now() > giveUpAt) throw error;
      await sleep(pauseMs);
      pauseMs = Math.min(pauseMs * 2, longestPauseMs);
    }
  }
}
