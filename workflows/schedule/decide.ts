// What becomes of due times: which are made up for after an outage, which gives way to another, and when a failed one is
// tried again. Pure: the caller holds the rows.
import type { Overlap, ScheduleDefinition } from '../contracts/schedule.ts';

// What a busy machine takes to begin something that is due now.
const promptMs = 60_000;

export interface DueTime {
  dueAt: Date;
  /** It begins later than it was due. */
  late: boolean;
  /** Why it does not begin at all; undefined: it may. */
  missed?: string;
}

/**
 * Of due times that nothing was made of yet, in order. Those that are due now begin. Of those that were missed the
 * latest is made up for, if it is young enough and none is due now.
 */
export function planDue(
  due: readonly Date[],
  now: Date,
  { jitterSeconds, catchUpSeconds }: Pick<ScheduleDefinition, 'jitterSeconds' | 'catchUpSeconds'>,
): DueTime[] {
  const isLate = (at: Date): boolean => now.getTime() - at.getTime() > promptMs + jitterSeconds * 1000;
  const latest = due.at(-1);
  return due.map((dueAt) => {
    const late = isLate(dueAt);
    if (!late) return { dueAt, late };
    if (dueAt !== latest) return { dueAt, late, missed: 'Missed; a later due time stands for it.' };
    if (now.getTime() - dueAt.getTime() > catchUpSeconds * 1000)
      return {
        dueAt,
        late,
        missed: `Missed, and more than ${catchUpSeconds} s ago when it could have begun.`,
      };
    return { dueAt, late };
  });
}

/**
 * What becomes of a due time while `open` earlier ones have not ended. `wait`: it begins at the end of those.
 * `replace`: the same, and they are cancelled.
 */
export function givesWay(overlap: Overlap, open: number): 'begin' | 'skip' | 'wait' | 'merge' | 'replace' {
  if (open === 0 || overlap === 'allow') return 'begin';
  if (overlap === 'skip') return 'skip';
  if (open > 1) return 'merge';
  return overlap === 'queue-one' ? 'wait' : 'replace';
}

const minuteMs = 60_000;

/** The pause after so many failed attempts: 1, 2, 4 … minutes, up to an hour. */
export function pauseAfter(attempts: number): number {
  return Math.min(60, 2 ** (attempts - 1)) * minuteMs;
}
