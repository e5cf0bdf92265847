// What the tenant's stream tells, each event in one line. Everything a model, a tool or a person wrote is made printable.
import type { Event } from '../../../workflows/contracts/event.ts';
import { writtenOut } from '../../../workflows/contracts/hidden-characters.ts';
import type { ToldType } from '../../../workflows/contracts/tenant-events.ts';
import { plural, toDollars } from './figures.ts';
import { toAmount, toPeriod } from './limit-words.ts';
import { printable, printableLine } from './printable.ts';
import { shortId } from './short-id.ts';

type EventOf<T extends ToldType> = Extract<Event, { type: T }>;
export type ToldEvent = EventOf<ToldType>;
type RunEvent = EventOf<'run-queued' | 'run-start' | 'run-stuck' | 'run-resume' | 'run-end' | 'step-end'>;
type AskEvent = EventOf<'approval-request' | 'approval-escalation' | 'approval-response'>;
type TaskEvent = Extract<ToldEvent, { type: `task-${string}` }>;
type OccurrenceEvent = Extract<ToldEvent, { type: `occurrence-${string}` }>;

// What the API tells and is missing here does not compile.
const told: Record<ToldType, true> = {
  'run-queued': true,
  'run-start': true,
  'run-stuck': true,
  'run-resume': true,
  'run-end': true,
  'step-end': true,
  'approval-request': true,
  'approval-escalation': true,
  'approval-response': true,
  'budget-warning': true,
  'task-start': true,
  'task-claim': true,
  'task-wait': true,
  'task-release': true,
  'task-error': true,
  'task-late': true,
  'task-end': true,
  'occurrence-start': true,
  'occurrence-end': true,
  'dead-letter': true,
  'late-write': true,
  'call-settle': true,
  'rewind-start': true,
  'rewind-end': true,
};
export const toldTypes = Object.keys(told) as ToldType[];

export function isTold(type: string): type is ToldType {
  return Object.hasOwn(told, type);
}

// A line or two of a terminal; the whole is in the event.
const longest = 160;
const short = (text: string): string => printableLine(text, longest);

function joined(...parts: (string | null | undefined)[]): string {
  return parts.filter((part) => part !== null && part !== undefined && part !== '').join(' · ');
}

export function toldWords(event: ToldEvent): string {
  switch (event.type) {
    case 'run-queued':
    case 'run-start':
    case 'run-stuck':
    case 'run-resume':
    case 'run-end':
    case 'step-end':
      return runWords(event);
    case 'approval-request':
    case 'approval-escalation':
    case 'approval-response':
      return askWords(event);
    case 'occurrence-start':
    case 'occurrence-end':
      return occurrenceWords(event);
    case 'budget-warning': {
      const { allowance, limit, percent, used, allowed } = event.payload;
      const amounts = `${toAmount(limit, used)} of ${toAmount(limit, allowed)} ${toPeriod(limit)}`;
      return joined(`${percent} %`, short(allowance), amounts);
    }
    case 'dead-letter':
      return joined(shortId(event.payload.id), short(event.payload.reason));
    case 'late-write':
      return short(event.payload.what);
    case 'call-settle':
      return joined(event.payload.callId, event.payload.outcome, short(event.payload.by));
    case 'rewind-start':
      return short(event.payload.by);
    case 'rewind-end':
      return joined(event.payload.outcome, plural(event.payload.restored, 'file'));
    default:
      return taskWords(event);
  }
}

function runWords(event: RunEvent): string {
  switch (event.type) {
    case 'run-queued':
      return short(event.payload.prompt);
    case 'run-start':
      return short(event.payload.model);
    case 'run-stuck':
    case 'run-resume':
      return short(event.payload.reason);
    case 'step-end':
      return joined(`step ${event.payload.step}`, toDollars(event.payload.costMicros));
    case 'run-end': {
      const { status, reason, reasonText, costMicros, steps } = event.payload;
      const why = reason === 'finished' ? '' : short(reasonText || reason);
      return joined(status.replace('_', ' '), plural(steps, 'step'), toDollars(costMicros), why);
    }
  }
}

function askWords(event: AskEvent): string {
  const id = printable(shortId(event.payload.approvalId));
  switch (event.type) {
    case 'approval-request':
      // A person may decide by it: hidden characters are shown.
      return joined(id, short(writtenOut(event.payload.text)));
    case 'approval-escalation':
      return joined(id, `until ${printable(event.payload.deadlineAt)}`);
    case 'approval-response':
      return joined(id, event.payload.outcome, short(event.payload.by));
  }
}

function occurrenceWords(event: OccurrenceEvent): string {
  const { schedule, dueAt } = event.payload;
  const due = joined(short(schedule), `due ${printable(dueAt)}`);
  return event.type === 'occurrence-start'
    ? joined(due, `run ${shortId(event.payload.runId)}`)
    : joined(due, event.payload.outcome, short(event.payload.reason ?? ''));
}

function taskWords(event: TaskEvent): string {
  switch (event.type) {
    case 'task-start':
      return joined(short(event.payload.title), event.payload.status);
    case 'task-claim': {
      const { executor, runId } = event.payload;
      return joined(short(executor), runId && `run ${shortId(runId)}`);
    }
    case 'task-wait':
      return joined(event.payload.kind, short(event.payload.reason));
    case 'task-release':
    case 'task-error':
      return short(event.payload.reason);
    case 'task-late':
      return short(event.payload.what);
    case 'task-end':
      return joined(event.payload.status, short(event.payload.reason ?? ''));
  }
}
