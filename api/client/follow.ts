// Follows a stream of events over SSE across dropped connections and restarts of the server: every event once,
// in order, none skipped. It reads numbers and never asks what an event means, beyond its being the last.
import { createParser } from 'eventsource-parser';
import type { Event, EventListView, EventType } from '../../workflows/contracts/event.ts';
import { BrokenStream, ProblemError, toProblem, Unreachable } from './problem.ts';
import { pause } from './transport.ts';

export interface FollowOptions {
  /** Events after this number; all of them when left out. */
  after?: number;
  /** False: without the pieces of texts; their numbers are skipped. */
  tokens?: boolean;
  /** Only these; the numbers of others are skipped. */
  types?: readonly EventType[];
  signal?: AbortSignal;
  /** The connection is gone and being made again. Called once per loss. */
  onLost?: () => void;
  /** The connection that was lost is back. */
  onBack?: () => void;
  /** Events up to this number are folded: what comes of them is whole messages and results, with numbers that skip. */
  onFolded?: (floor: number) => void;
}

export interface Stream {
  /** Names the server in errors. */
  url: string;
  open(after: number, signal: AbortSignal): Promise<Response>;
  /** What is kept of folded events after a number, in order; their numbers skip. */
  kept(after: number, signal: AbortSignal | undefined): Promise<EventListView>;
  numberOf(event: Event): number | null;
  isLast(event: Event): boolean;
  /** How long the server may not answer before this ends as unreachable. */
  giveUpAfterMs: number;
}

// The server writes a comment every 15 seconds: after three missing ones the connection is dead, not quiet.
const silenceMs = 45_000;
// Headers of a stream come at once or not at all; a server that is frozen is tried again.
const connectMs = 10_000;
// First pause before a connection is made again; it doubles up to the second figure, about one start of the API.
const firstPauseMs = 100;
const longestPauseMs = 2_000;

class Lost extends Error {}

export async function* follow(stream: Stream, options: FollowOptions = {}): AsyncGenerator<Event, void> {
  let last = options.after ?? 0;
  let pauseMs = firstPauseMs;
  let serverPauseMs = 0;
  let heardAt = Date.now();
  let lost = false;
  const skips = options.tokens === false || options.types !== undefined;
  for (;;) {
    const connection = new AbortController();
    const close = (): void => connection.abort(options.signal?.reason);
    options.signal?.addEventListener('abort', close, { once: true });
    try {
      options.signal?.throwIfAborted();
      const response = await connect(stream, last, connection);
      if (response.status === 204) return;
      heardAt = Date.now();
      if (lost) options.onBack?.();
      lost = false;
      const retry = (milliseconds: number): void => {
        serverPauseMs = milliseconds;
      };
      for await (const event of eventsOf(response, connection, retry)) {
        pauseMs = firstPauseMs;
        heardAt = Date.now();
        const number = stream.numberOf(event);
        if (number === null) throw new BrokenStream(`The stream sent a ${event.type} without a number.`);
        // A frame that came before: the server repeats at a reconnect, we do not.
        if (number <= last) continue;
        if (number !== last + 1 && !skips) {
          throw new BrokenStream(`The stream skipped from event ${last} to ${number}: report this.`);
        }
        last = number;
        yield event;
        // The time that the caller took is none in which the server did not answer.
        heardAt = Date.now();
        if (stream.isLast(event)) return;
      }
    } catch (error) {
      options.signal?.throwIfAborted();
      const floor = floorOf(error);
      if (floor !== undefined && floor > last) {
        options.onFolded?.(floor);
        for await (const event of keptUpTo(stream, last, floor, options.signal)) {
          yield event;
          if (stream.isLast(event)) return;
        }
        last = floor;
        continue;
      }
      if (!(error instanceof Lost)) throw error;
      if (Date.now() - heardAt > stream.giveUpAfterMs) throw new Unreachable(stream.url, error.cause);
    } finally {
      options.signal?.removeEventListener('abort', close);
      connection.abort();
    }
    if (!lost) options.onLost?.();
    lost = true;
    await pause(Math.max(pauseMs, serverPauseMs), options.signal);
    pauseMs = Math.min(pauseMs * 2, longestPauseMs);
  }
}

/** Undefined unless the server says that the cursor is below what it keeps whole. */
function floorOf(error: unknown): number | undefined {
  return error instanceof ProblemError && error.status === 410 ? error.problem.floor : undefined;
}

async function* keptUpTo(
  stream: Stream,
  after: number,
  floor: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Event, void> {
  for (let cursor: number | null = after; cursor !== null; ) {
    const { items, nextCursor } = await stream.kept(cursor, signal);
    for (const event of items) {
      const number = stream.numberOf(event);
      if (number !== null && number > floor) return;
      yield event;
    }
    cursor = nextCursor === null ? null : Number(nextCursor);
  }
}

async function connect(stream: Stream, after: number, connection: AbortController): Promise<Response> {
  const timer = setTimeout(() => connection.abort(new Error('no answer in time')), connectMs);
  try {
    const response = await stream.open(after, connection.signal).catch((cause: unknown) => {
      throw new Lost('the connection failed', { cause });
    });
    // A gateway without its server behind it, or a server that is going down or has lost its store.
    if ([502, 503, 504].includes(response.status)) {
      throw new Lost('the server is not ready', { cause: `it answers ${response.status}` });
    }
    if (!response.ok)
      throw new ProblemError(response.status, toProblem(response.status, await response.text()));
    return response;
  } finally {
    clearTimeout(timer);
  }
}

async function* eventsOf(
  response: Response,
  connection: AbortController,
  onRetry: (milliseconds: number) => void,
): AsyncGenerator<Event, void> {
  if (response.body === null) return;
  const found: string[] = [];
  const parser = createParser({ onEvent: (frame) => void found.push(frame.data), onRetry });
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  for (;;) {
    const timer = setTimeout(() => connection.abort(new Error('the server fell silent')), silenceMs);
    const chunk = await reader
      .read()
      .catch((cause: unknown) => {
        throw new Lost('the connection broke', { cause });
      })
      .finally(() => clearTimeout(timer));
    if (chunk.done) return;
    parser.feed(decoder.decode(chunk.value, { stream: true }));
    for (const data of found.splice(0)) yield toEvent(data);
  }
}

function toEvent(data: string): Event {
  try {
    return JSON.parse(data) as Event;
  } catch {
    throw new BrokenStream('The stream sent a frame that is not JSON: report this.');
  }
}
