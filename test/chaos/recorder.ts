// An SSE client that notes what it really received, frame by frame and connection by connection. It comes back with
// the id of its last frame and repairs nothing: repeats and gaps are the checker's business.
import { setTimeout as sleep } from 'node:timers/promises';
import { createParser } from 'eventsource-parser';
import type { Event } from '../../workflows/contracts/event.ts';
import type { Dice } from './dice.ts';
import { digestOf } from './digest.ts';

export interface Frame {
  id: number;
  type: string;
  digest: string;
  at: number;
}

export interface Connection {
  /** The cursor it was opened with. */
  after: number;
  openedAt: number;
  frames: Frame[];
}

export interface Recording {
  kind: 'run' | 'conversation';
  /** The run or the conversation. */
  of: string;
  connections: Connection[];
  /** Statuses that are neither a stream nor an outage. */
  refusals: number[];
  /** The reader left by itself before the stream's end. */
  left: boolean;
}

export interface Recorder {
  recording: Recording;
  /** Resolves at the stream's last event, or when the recorder was told to leave. */
  done: Promise<void>;
  leave(): void;
}

export interface RecorderInput {
  url: string;
  token: string;
  kind: Recording['kind'];
  of: string;
  /** Some connections are dropped by the reader itself, as browsers do. */
  dice?: Dice;
  onEvent?(event: Event): void;
}

// A server that accepts a connection and does not answer is tried again after this.
const headersMs = 10_000;
// Comments come every 15 s: three missing ones mean that the server is gone.
const silenceMs = 45_000;

export function record(input: RecorderInput): Recorder {
  const { kind, of } = input;
  const recording: Recording = { kind, of, connections: [], refusals: [], left: false };
  const leaving = new AbortController();

  async function follow(): Promise<void> {
    let cursor = 0;
    while (!leaving.signal.aborted) {
      const outcome = await connect(cursor).catch(() => 'lost' as const);
      cursor = recording.connections.at(-1)?.frames.at(-1)?.id ?? cursor;
      if (outcome === 'end') return;
      // The client's own first pause: a herd of readers does not wait for the server to say it.
      await sleep(100, undefined, { signal: leaving.signal }).catch(() => undefined);
    }
    recording.left = true;
  }

  async function connect(cursor: number): Promise<'end' | 'lost'> {
    const hangUp = new AbortController();
    const stop = (): void => hangUp.abort();
    leaving.signal.addEventListener('abort', stop, { once: true });
    let timer = setTimeout(stop, headersMs);
    try {
      const path = kind === 'run' ? 'runs' : 'conversations';
      const headers: Record<string, string> = { authorization: `Bearer ${input.token}` };
      if (cursor > 0) headers['last-event-id'] = String(cursor);
      const response = await fetch(`${input.url}/api/v1/${path}/${of}/stream`, {
        headers,
        signal: hangUp.signal,
      });
      if (response.status === 204) return 'end';
      if (response.status !== 200 || !response.body) {
        if (response.status < 500) recording.refusals.push(response.status);
        return 'lost';
      }
      const connection: Connection = { after: cursor, openedAt: Date.now(), frames: [] };
      recording.connections.push(connection);
      const leaveAfter = input.dice?.chance(0.2) ? input.dice.between(0, 30) : Number.POSITIVE_INFINITY;
      let ended = false;
      const parser = createParser({
        onEvent(frame) {
          const event = JSON.parse(frame.data) as Event;
          const { type } = event;
          connection.frames.push({ id: Number(frame.id), type, digest: digestOf(event), at: Date.now() });
          if (kind === 'run' && type === 'run-end') ended = true;
          input.onEvent?.(event);
        },
      });
      const decoder = new TextDecoder();
      for await (const chunk of response.body) {
        clearTimeout(timer);
        timer = setTimeout(stop, silenceMs);
        parser.feed(decoder.decode(chunk, { stream: true }));
        if (connection.frames.length > leaveAfter) return 'lost';
      }
      return ended ? 'end' : 'lost';
    } finally {
      clearTimeout(timer);
      hangUp.abort();
      leaving.signal.removeEventListener('abort', stop);
    }
  }

  return { recording, done: follow(), leave: () => leaving.abort() };
}
