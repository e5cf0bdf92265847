// Storing what cannot be had again: a model's answer is paid for, a tool has acted. An outage of Postgres, or a disk that
// is full, is waited out instead of losing the result; the act must be safe to run twice, since a lost answer to COMMIT
// leaves open whether it committed.
import { setTimeout as sleep } from 'node:timers/promises';
import { isStoreOutage } from './database.ts';

// A lock not had in this time is held by a transaction that does not end; the attempt fails and is taken up again.
const longestForLockMs = 120_000;
const firstPauseMs = 100;
const longestPauseMs = 2000;

/**
 * However long the outage is: until it is over no other attempt could store anything either, and a result that is given
 * up is an unknown outcome. A server whose disk is full may not even start. `signal`: of what another attempt does as well.
 */
export async function untilStored<T>(act: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  const giveUpLockAt = Date.now() + longestForLockMs;
  let pauseMs = firstPauseMs;
  for (;;) {
    signal?.throwIfAborted();
    try {
      return await act();
    } catch (error) {
      if (!isStoreOutage(error) || (isOfLocks(error) && Date.now() > giveUpLockAt)) throw error;
      await sleep(pauseMs);
      pauseMs = Math.min(pauseMs * 2, longestPauseMs);
    }
  }
}

/** 55P03, a lock that was not had in time; 25P03, a transaction that was idle for too long. */
function isOfLocks(error: unknown): boolean {
  const { code } = error as { code?: unknown };
  return code === '55P03' || code === '25P03';
}
