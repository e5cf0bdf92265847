// What the stream of a tenant carries, which is `tenant/<id>`: of all its runs, tasks and schedules what a dashboard or
// another program wants to hear. Each is there once, as it is in its own stream and with its type; `source` says which
// stream and number that is. It comes after the commit of what it tells of, in the order of each source.
import type { EventType } from './event.ts';

export const toldTypes = [
  // A run is accepted, at work, in trouble, and what it came to and cost.
  'run-queued',
  'run-start',
  'run-stuck',
  'run-resume',
  'run-end',
  // What a step used.
  'step-end',
  // What waits for people, and their answers.
  'approval-request',
  'approval-escalation',
  'approval-response',
  // 80 % or all of an allowance is used.
  'budget-warning',
  'task-start',
  // The dispatcher has given it to a worker, with a run, or an agent has pulled it.
  'task-claim',
  // It could not be handed out: `kind` says for want of what.
  'task-wait',
  'task-release',
  'task-error',
  'task-late',
  'task-end',
  'occurrence-start',
  'occurrence-end',
  'dead-letter',
  // What nothing else would show, mostly after the end of its run.
  'late-write',
  'call-settle',
  'rewind-start',
  'rewind-end',
] as const satisfies readonly EventType[];
export type ToldType = (typeof toldTypes)[number];

const told: ReadonlySet<EventType> = new Set(toldTypes);

export function isTold(type: EventType): type is ToldType {
  return told.has(type);
}
