// The one transition table of a task; every writer of a status asks it.
import type { TaskStatus } from '../contracts/task.ts';

const transitions: Record<TaskStatus, readonly TaskStatus[]> = {
  blocked: ['pending', 'cancelled', 'skipped'],
  // Failed without an executor: none can begin it, such as in a directory that is gone.
  pending: ['blocked', 'in_progress', 'failed', 'cancelled', 'skipped'],
  in_progress: ['pending', 'completed', 'failed', 'cancelled'],
  completed: [],
  failed: [],
  cancelled: [],
  skipped: [],
};

export function canBecome(from: TaskStatus, to: TaskStatus): boolean {
  return transitions[from].includes(to);
}

export function hasEnded(status: TaskStatus): boolean {
  return transitions[status].length === 0;
}
