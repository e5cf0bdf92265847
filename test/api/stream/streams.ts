// Runs with events to read, and a reader of SSE that keeps every frame.
import { createParser } from 'eventsource-parser';
import { endRun } from '../../../activities/store/lifecycle/end-run.ts';
import { lockedRun } from '../../support/store.ts';
import { streamOf } from '../../../workflows/contracts/event.ts';
import type { Event, NewEvent } from '../../../workflows/contracts/event.ts';
import type { StartRunView } from '../../../workflows/contracts/run.ts';
import type { TestApp } from '../../support/test-app.ts';

export interface Frame {
  id: string | undefined;
  event: string | undefined;
  data: Event;
}

export async function startRun(api: TestApp, body: object = {}): Promise<StartRunView> {
  const answer = await api.app.inject({
    method: 'POST',
    url: '/api/v1/runs',
    headers: api.auth,
    payload: { prompt: 'say hello', ...body },
  });
  if (answer.statusCode !== 202) throw new Error(answer.body);
  return answer.json<StartRunView>();
}

/** Appends text deltas, `size` characters each, in batches of ten. */
export async function appendTexts(api: TestApp, run: StartRunView, count: number, size = 10): Promise<void> {
  for (let from = 0; from < count; from += 10) {
    const events: NewEvent[] = Array.from({ length: Math.min(10, count - from) }, () => ({
      type: 'text-delta',
      payload: { step: 1, block: 0, text: 'x'.repeat(size) },
    }));
    await api.log.append({ ...placeOf(api, run), events });
  }
}

export async function endOfRun(
  api: TestApp,
  run: Pick<StartRunView, 'id'>,
  status: 'failed' | 'cancelled' = 'failed',
): Promise<void> {
  await api.log.write('test', async (write) =>
    endRun(write, await lockedRun(write, run.id), {
      status,
      reason: 'internal_error',
      reasonText: 'The test ended it.',
    }),
  );
}

function placeOf(api: TestApp, run: StartRunView) {
  return { tenantId: api.tenantId, stream: streamOf('run', run.id), conversationId: run.conversationId };
}

export interface Reading {
  status: number;
  headers: Headers;
  frames: Frame[];
  comments: string[];
}

/** Reads until the server ends the stream, or until `until` is content with what came. */
export async function readStream(
  url: string,
  headers: Record<string, string>,
  until: (frames: Frame[]) => boolean = () => false,
): Promise<Reading> {
  const leave = new AbortController();
  const response = await fetch(url, { headers, signal: leave.signal });
  const frames: Frame[] = [];
  const comments: string[] = [];
  const parser = createParser({
    onEvent: (frame) => void frames.push({ id: frame.id, event: frame.event, data: JSON.parse(frame.data) }),
    onComment: (comment) => void comments.push(comment.trim()),
  });
  const decoder = new TextDecoder();
  for await (const chunk of response.body ?? []) {
    parser.feed(decoder.decode(chunk, { stream: true }));
    if (until(frames)) break;
  }
  leave.abort();
  return { status: response.status, headers: response.headers, frames, comments };
}
