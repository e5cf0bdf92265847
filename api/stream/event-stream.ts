// Events over SSE: every reader from its own cursor, each at its own pace, none able to hold memory or the others.
// A reader that does not keep up is cut; its cursor makes that free of loss.
import type { ServerResponse } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import type { StreamHead } from '../../activities/store/log/tails.ts';
import type { EventType } from '../../workflows/contracts/event.ts';
import { Failure } from '../../workflows/contracts/failures.ts';
import type { KnownTokens } from '../known-tokens.ts';
import { logWhenClosed } from '../plugins/request-log.ts';
import { type Frames, showing, Skipped, withoutTokens } from './frames.ts';
import type { Followed, Hub } from './hub.ts';
import type { Topic } from './topics.ts';

export interface EventStreams {
  /** Answers with the topic's events after a cursor. The caller has checked the cursor and the right to read. */
  open(request: FastifyRequest, reply: FastifyReply, following: Following): FastifyReply;
  /** Ends the streams of tokens that do not count any more. */
  endRevoked(): Promise<void>;
  /** Ends every open stream. */
  end(): void;
  close(): void;
}

export interface Following {
  topic: Topic;
  head: StreamHead;
  after: number;
  /** False: without the pieces of texts. */
  tokens: boolean;
  /** Only these. */
  types?: readonly EventType[];
}

// Proxies and browsers give a silent connection up after 30 to 60 seconds.
const heartbeatMs = 15_000;
// The streams of a token that expires, or whose revocation was not heard of, end within this. Nothing is asked while no
// stream is open.
const checkMs = 5_000;
// Unsent bytes of one reader stay under 1 MiB: a quarter at a time, and no more before that has gone out.
const sliceBytes = 256 * 1024;
// A healthy reader takes such a slice in milliseconds; one that needs five seconds has stalled.
const stalledMs = 5_000;
// Time for the last bytes of a reader that is sent away, then its memory is taken back.
const lingerMs = 1_000;
// Postgres is away; the reader stays and the next try may find it back.
const retryMs = 500;
// What a client waits before it connects again.
const opening = 'retry: 1000\n\n';

interface Open {
  tokenId: string;
  beat(): void;
  end(comment: string): void;
}

/** The cursor of a request; the header wins, as it is what a client sends by itself when it comes back. */
export function cursorOf(request: FastifyRequest, after: string | undefined): number {
  const header = request.headers['last-event-id'];
  const given = header ?? after ?? '0';
  // 19 digits hold any 64-bit number; 0 is "from the start" and everything else was an id of ours.
  if (typeof given !== 'string' || !/^\d{1,19}$/.test(given)) {
    throw new Failure('InvalidCursor', 'Last-Event-ID must be the id of an event of this stream.');
  }
  return Number(given);
}

/** Refuses a number the stream has not reached. */
export function checkCursor(after: number, position: number): void {
  if (after > position) {
    throw new Failure(
      'InvalidCursor',
      `There is no event ${after} here yet, the last one is ${position}; use a number this stream gave you.`,
    );
  }
}

/**
 * Refuses a number below what is kept whole: what followed it cannot be had any more. `path` is where the topic is read.
 */
export function checkFloor(after: number, { floor }: StreamHead, path: string): void {
  if (after >= floor) return;
  throw new Failure(
    'EventsFolded',
    `Events up to ${floor} are folded to whole messages and results. Read those with GET ${path}/events?kept=true&after=${after}, then go on after ${floor}.`,
    { floor },
  );
}

export function createEventStreams(input: { hub: Hub; tokens: KnownTokens; logger: Logger }): EventStreams {
  const { hub, tokens, logger } = input;
  const streams = new Set<Open>();

  async function endRevoked(): Promise<void> {
    const ids = new Set([...streams].map((stream) => stream.tokenId));
    try {
      const live = await tokens.live([...ids]);
      for (const stream of streams) {
        if (ids.has(stream.tokenId) && !live.has(stream.tokenId))
          stream.end('the token does not count any more');
      }
    } catch (error) {
      logger.warn({ err: error }, 'cannot check the tokens of open streams; the next check will');
    }
  }

  const beats = setInterval(() => {
    for (const stream of streams) stream.beat();
  }, heartbeatMs);
  const checks = setInterval(() => void endRevoked(), checkMs);

  return {
    open(request, reply, following) {
      // 204 is what stops an EventSource from coming back for a stream that has ended.
      if (following.head.ended && following.after === following.head.seq) return reply.code(204).send();
      reply.hijack();
      // It left while its stream was looked up: its end has been told already, and would never come again.
      if (reply.raw.destroyed) return reply;
      logWhenClosed(request, reply);
      const response = reply.raw;
      response.writeHead(200, {
        ...(reply.getHeaders() as Record<string, string>),
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-cache, no-transform',
        'x-accel-buffering': 'no',
      });
      // Sent with the first bytes, the head would stay in memory as the fifty pieces Node made it of, for as long as the
      // reader does; sent alone it becomes one, a fifth less for each connection.
      response.flushHeaders();
      const stream: Open = startStream({ response, hub, following, tokenId: request.tokenId, logger });
      streams.add(stream);
      response.once('close', () => streams.delete(stream));
      return reply;
    },
    endRevoked,
    end() {
      for (const stream of streams) stream.end('the server is shutting down');
    },
    close() {
      clearInterval(beats);
      clearInterval(checks);
    },
  };
}

function startStream(input: {
  response: ServerResponse;
  hub: Hub;
  following: Following;
  tokenId: string;
  logger: Logger;
}): Open {
  const { response, hub, following, tokenId, logger } = input;
  const endsItself = following.topic.kind === 'run';
  const shown = shownTo(following);
  let cursor = following.after;
  // Busy: behind and catching up, or waiting for the socket. New events wait for it where they are.
  let busy = false;
  let over = false;

  function end(comment: string): void {
    if (over) return;
    over = true;
    followed.leave();
    if (comment === '') response.end();
    else response.end(`: ${comment}\n\n`);
    const linger = setTimeout(() => response.destroy(), comment === '' ? stalledMs : lingerMs);
    response.once('close', () => clearTimeout(linger));
  }

  /** False when the reader must be waited for. */
  function send(frames: Frames): boolean {
    cursor = frames.to;
    const taken = frames.bytes.length === 0 || response.write(frames.bytes);
    if (frames.final && endsItself) end('');
    return taken;
  }

  async function catchUp(): Promise<void> {
    busy = true;
    try {
      while (!over) {
        if (response.writableNeedDrain && !(await drained(response))) return end('overrun');
        if (over || cursor >= followed.position()) return;
        const frames = await followed.after(cursor, sliceBytes, shown).catch(async (error: unknown) => {
          // The reader reconnects and learns where it can start.
          if (error instanceof Skipped) {
            end('folded');
            return undefined;
          }
          logger.warn({ err: error }, 'cannot read events for a stream; trying again');
          await new Promise((resolve) => setTimeout(resolve, retryMs));
          return undefined;
        });
        if (frames && !over) send(frames);
      }
    } finally {
      busy = false;
    }
  }

  response.on('error', (error) => logger.debug({ err: error }, 'a reader went away'));
  response.once('close', () => {
    over = true;
    followed.leave();
  });
  response.write(opening);
  const followed: Followed = hub.follow(following.topic, following.head, {
    grown(all) {
      if (busy || over) return;
      const frames = shown(all);
      const fits = frames.from === cursor && frames.bytes.length <= sliceBytes;
      if (!fits || !send(frames)) void catchUp();
    },
    skipped: () => end('folded'),
  });
  void catchUp();
  return {
    tokenId,
    end,
    beat() {
      // A reader that is waited for has bytes on the way already.
      if (!over && !response.writableNeedDrain) response.write(':\n\n');
    },
  };
}

function shownTo({ tokens, types }: Following): (frames: Frames) => Frames {
  const all = tokens ? (frames: Frames): Frames => frames : withoutTokens;
  if (!types) return all;
  const only = new Set(types);
  return (frames) => showing(all(frames), (type) => only.has(type));
}

/** Waits for the socket to take what is written, or for its end: waiting for `drain` alone may last for ever. */
async function drained(response: ServerResponse): Promise<boolean> {
  if (response.destroyed) return false;
  return new Promise((resolve) => {
    const settle = (taken: boolean) => (): void => {
      clearTimeout(timer);
      response.off('drain', onDrain);
      response.off('close', onClose);
      resolve(taken);
    };
    const onDrain = settle(true);
    const onClose = settle(false);
    const timer = setTimeout(settle(false), stalledMs);
    response.once('drain', onDrain);
    response.once('close', onClose);
  });
}
