// The log of a run as lines that a test compares.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import type { History } from '@temporalio/common/lib/proto-utils.js';
import proto from '@temporalio/proto';
import type { RunRow } from '../../activities/store/runs/runs.ts';
import type { NewEvent } from '../../workflows/contracts/event.ts';
import { workflowId } from '../../workflows/contracts/messages.ts';
import type { TestStore } from './store.ts';

const { EventType } = proto.temporal.api.enums.v1;

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

// Far above what a loaded machine takes, below the time a test has: a hang is told with the run's events.
const longestMs = 120_000;

/** Looks again until it finds something; the error of a hang says what has happened so far. */
export async function until<T>(
  kernel: { store: TestStore; client: Client; history(run: RunRow): Promise<History> },
  run: RunRow,
  what: string,
  look: () => Promise<T | undefined>,
): Promise<T> {
  const deadline = Date.now() + longestMs;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (Date.now() > deadline) {
      const { events } = await kernel.history(run);
      const types = (events ?? []).map(({ eventType }) => EventType[eventType ?? 0]);
      const { raw } = await kernel.client.workflow.getHandle(workflowId('run', run.id)).describe();
      const failing = (raw.pendingActivities ?? []).map(
        ({ activityType, attempt, lastFailure }) =>
          `${activityType?.name}, attempt ${attempt}: ${lastFailure?.message ?? 'no failure'}`,
      );
      const told = [...(await story(kernel, run)), 'In Temporal:', ...types.slice(-12), ...failing];
      throw new Error(`Run ${run.id} did not come to ${what}. So far:\n${told.join('\n')}`);
    }
    await sleep(15);
  }
}
