// What has become of a task, as lines for people.
import type { Event } from '../../../workflows/contracts/event.ts';
import { plural } from './figures.ts';
import type { Pen } from './pen.ts';
import { printable } from './printable.ts';
import { shortId } from './short-id.ts';

export type TaskEvent = Extract<Event, { type: `task-${string}` }>;

export function isOfTask(event: Event): event is TaskEvent {
  return event.type.startsWith('task-');
}

export function drawTask({ note, warn, short, sentence, colors }: Pen, event: TaskEvent): void {
  switch (event.type) {
    case 'task-start': {
      const { title, status, priority, labels, dependsOn } = event.payload;
      const wants = labels.length === 0 ? [] : [`for ${labels.map(short).join(', ')}`];
      const behind = dependsOn.length === 0 ? [] : [`behind ${plural(dependsOn.length, 'task')}`];
      const unusual = priority === 'normal' ? [] : [`${priority} priority`];
      return note(
        [`task ${shortId(event.stream)}`, short(title), status, ...unusual, ...wants, ...behind].join(' · '),
      );
    }
    case 'task-change':
      return note(`changed by ${short(event.payload.by)}: ${event.payload.fields.map(printable).join(', ')}`);
    case 'task-ready':
      return note('its turn has come: what it depends on is completed');
    case 'task-wait':
      return note(`waits: ${short(event.payload.reason)}`);
    case 'task-claim': {
      const { executor, runId } = event.payload;
      const how = runId === null ? '' : ` as run ${shortId(runId)}`;
      return note(`${short(executor)} has it${how}`);
    }
    case 'task-progress': {
      const { progress, note: said } = event.payload;
      return note(`${progress} %${said === null ? '' : `: ${short(said)}`}`);
    }
    case 'task-release':
      return note(`waits again: ${short(event.payload.reason)}`);
    case 'task-error': {
      const { attempt, reason, againAt } = event.payload;
      return warn(
        `attempt ${attempt} failed: ${short(reason)}${againAt === null ? '' : `; again at ${againAt}`}`,
      );
    }
    case 'task-late':
      return note(`refused what came too late: ${short(event.payload.what)}`);
    case 'task-end': {
      const { status, reason } = event.payload;
      const paint = status === 'completed' ? colors.green : status === 'failed' ? colors.red : colors.yellow;
      return sentence(`${colors.bold(paint(status))}${reason === null ? '' : ` · ${printable(reason)}`}`);
    }
  }
}
