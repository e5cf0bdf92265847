// The log of a run as lines that a test compares.
import type { RunRow } from '../../activities/store/runs/runs.ts';
import type { NewEvent } from '../../workflows/contracts/event.ts';
import type { TestStore } from './store.ts';

/** The events of a run, a line each, with the pieces of a text put together. */
export async function story({ store }: { store: TestStore }, run: RunRow): Promise<string[]> {
  const lines: string[] = [];
  for (const event of await store.events(run)) {
    const line = lineOf(event);
    if (line === undefined) continue;
    const last = lines.at(-1);
    if (event.type === 'text-delta' && last?.startsWith('text: '))
      lines[lines.length - 1] = last + event.payload.text;
    else lines.push(line);
  }
  return lines;
}

function lineOf({ type, payload }: NewEvent): string | undefined {
  switch (type) {
    case 'text-delta':
      return `text: ${payload.text}`;
    case 'text-start':
    case 'text-end':
    case 'call-delta':
    case 'call-request':
      return undefined;
    case 'step-start':
    case 'message-reset':
    case 'step-end':
      return `${type} ${payload.step}`;
    case 'message-end':
      return `${type} ${payload.text}`.trim();
    case 'call-start':
      return `${type} ${payload.callId}`;
    case 'call-end':
      return `${type} ${payload.callId} ${payload.status}`;
    case 'steer-request':
      return `${type} ${payload.messageId}`;
    case 'steer-response':
      return `${type} ${payload.messageId} ${payload.outcome} ${payload.step ?? ''}`.trim();
    case 'attempt-error':
      return `${type} ${payload.unit} ${payload.retry ? 'again' : 'for good'}`;
    case 'run-end':
      return `${type} ${payload.status} ${payload.reason}`;
    default:
      return type;
  }
}
