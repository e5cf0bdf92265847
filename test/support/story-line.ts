// An event of a run as a line of its story.
import type { NewEvent } from '../../workflows/contracts/event.ts';

/** Undefined for what a story leaves out. */
export function lineOf({ type, payload }: NewEvent): string | undefined {
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
