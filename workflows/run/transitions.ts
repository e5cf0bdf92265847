// The one transition table of a run; every writer of a status asks it. Anything else is refused and recorded as late.
// A run is `waiting_workers` while it waits for subagents. None is `gating` yet: gates will set it, and clients of today
// know it.
import type { RunStatus } from '../contracts/run.ts';

const ends = ['succeeded', 'failed', 'timed_out', 'interrupted', 'cancelled'] as const;

const transitions: Record<RunStatus, readonly RunStatus[]> = {
  // A run that never started can fail (its project is gone), run out of time or be stopped; it cannot succeed.
  queued: ['running', 'failed', 'timed_out', 'interrupted', 'cancelled'],
  running: ['waiting_workers', 'awaiting_input', 'gating', ...ends],
  waiting_workers: ['running', 'failed', 'timed_out', 'interrupted', 'cancelled'],
  awaiting_input: ['running', 'waiting_workers', 'failed', 'timed_out', 'interrupted', 'cancelled'],
  gating: ['running', ...ends],
  succeeded: [],
  failed: [],
  timed_out: [],
  interrupted: [],
  cancelled: [],
};

export function canBecome(from: RunStatus, to: RunStatus): boolean {
  return transitions[from].includes(to);
}

export function isTerminal(status: RunStatus): boolean {
  return transitions[status].length === 0;
}

export const activeStatuses = (Object.keys(transitions) as RunStatus[]).filter(
  (status) => !isTerminal(status),
);

/** A run that ended so left a snapshot: the conversation goes on from it. */
export const snapshotStatuses: readonly RunStatus[] = ['succeeded', 'interrupted', 'timed_out'];
