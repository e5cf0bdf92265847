// What becomes of due times: which are made up for after an outage, which gives way to another, and when a failed one is
// tried again. Pure: the caller holds the rows.
import type { Outcome, Overlap, ScheduleDefinition } from '../contracts/schedule.ts';

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
  return due.map((dueAt, index) => {
    const next = due[index + 1];
    // Temporal begins each before the next is due.
    const toNextMs = next ? next.getTime() - dueAt.getTime() : Infinity;
    const late = now.getTime() - dueAt.getTime() > promptMs + Math.min(jitterSeconds * 1000, toNextMs);
    if (!late) return { dueAt, late };
    if (next) return { dueAt, late, missed: 'Missed; a later due time stands for it.' };
    if (now.getTime() - dueAt.getTime() > catchUpSeconds * 1000)
      return {
        dueAt,
        late,
        missed: `Missed, and more than ${catchUpSeconds} s ago when it could have begun.`,
      };
    return { dueAt, late };
  });
}

/** One that has not ended. */
interface Open {
  due_at: Date;
  outcome: string;
  attempts: number;
}

export interface Way<Row> {
  outcome: Extract<Outcome, 'waiting' | 'skipped' | 'merged'>;
  reason: string | null;
  /** Those that are cancelled for it. */
  cancels: readonly Row[];
}

/** What becomes of a due time while earlier ones are open, first the one that others wait for. One that waits begins at their end. */
export function givesWay<Row extends Open>(overlap: Overlap, open: readonly Row[]): Way<Row> {
  const [first, ...others] = open;
  if (!first || overlap === 'allow') return { outcome: 'waiting', reason: null, cancels: [] };
  const of = `one due at ${first.due_at.toISOString()}`;
  if (overlap === 'skip') return { outcome: 'skipped', reason: `The ${of} had not ended.`, cancels: [] };
  const cancelling = overlap === 'cancel-old';
  // One that is to be tried again has had its turn.
  const hasBegun = ({ outcome, attempts }: Open): boolean => outcome === 'running' || attempts > 0;
  if (!others.every(hasBegun)) {
    const reason = `Another waits already for the ${of} to end.`;
    return { outcome: 'merged', reason, cancels: cancelling ? open.filter(hasBegun) : [] };
  }
  const reason = `Waits for the ${of} to end${cancelling ? ', which was cancelled for it' : ''}.`;
  return { outcome: 'waiting', reason, cancels: cancelling ? open : [] };
}

const minuteMs = 60_000;

/** The pause after so many failed attempts: 1, 2, 4 … minutes, up to an hour. */
export function pauseAfter(attempts: number): number {
  return Math.min(60, 2 ** (attempts - 1)) * minuteMs;
}
