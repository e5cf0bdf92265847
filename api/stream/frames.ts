// Events as the bytes that go over SSE, serialised once for all readers.
import type { Event, EventType } from '../../workflows/contracts/event.ts';
import { isToken } from '../../workflows/contracts/event-queries.ts';

/** A gap-free part of a stream: the events `from + 1` to `to`, one after the other in `bytes`. */
export interface Frames {
  from: number;
  to: number;
  bytes: Buffer;
  /** Where each event ends in `bytes`. */
  ends: number[];
  types: EventType[];
  /** It holds the stream's last event. */
  final: boolean;
}

/** The events to read have gaps: some were folded or deleted since the reader was let in. */
export class Skipped extends Error {
  override name = 'Skipped';
}

export function toFrames(from: number, events: Event[], numberOf: (event: Event) => number | null): Frames {
  const parts: Buffer[] = [];
  const ends: number[] = [];
  let length = 0;
  let to = from;
  for (const event of events) {
    const number = numberOf(event);
    if (number !== to + 1) {
      throw new Skipped(`${event.stream} skips from ${to} to ${number}.`);
    }
    // JSON has no raw line break, so that one `data` line holds it.
    const frame = Buffer.from(`id: ${number}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
    parts.push(frame);
    length += frame.length;
    ends.push(length);
    to = number;
  }
  const bytes = Buffer.concat(parts, length);
  return { from, to, bytes, ends, types: events.map(({ type }) => type), final: isFinal(events.at(-1)) };
}

// The bytes of readers that want no tokens are made once for all of them, and go with those they were made of.
const whole = new WeakMap<Frames, Frames>();

/** The same part of the stream with nothing in the place of its tokens. */
export function withoutTokens(frames: Frames): Frames {
  const known = whole.get(frames);
  if (known) return known;
  const made = showing(frames, (type) => !isToken({ type }));
  whole.set(frames, made);
  return made;
}

/** The same part of the stream with nothing in the place of events that are not shown. */
export function showing(frames: Frames, isShown: (type: EventType) => boolean): Frames {
  const parts: Buffer[] = [];
  const ends: number[] = [];
  let length = 0;
  for (const [index, end] of frames.ends.entries()) {
    const type = frames.types[index];
    if (type !== undefined && isShown(type)) {
      const part = frames.bytes.subarray(frames.ends[index - 1] ?? 0, end);
      parts.push(part);
      length += part.length;
    }
    ends.push(length);
  }
  return { ...frames, bytes: Buffer.concat(parts, length), ends };
}

/** What of it follows number `after`, at most `maxBytes` long but never less than one event. Copies nothing. */
export function cutFrames(frames: Frames, after: number, maxBytes: number): Frames {
  const first = after - frames.from;
  const start = first === 0 ? 0 : (frames.ends[first - 1] ?? 0);
  let last = first + 1;
  while (last < frames.ends.length && (frames.ends[last] ?? 0) - start <= maxBytes) last += 1;
  const complete = last === frames.ends.length;
  const end = frames.ends[last - 1] ?? start;
  return {
    from: after,
    to: frames.from + last,
    bytes: frames.bytes.subarray(start, end),
    ends: [],
    types: [],
    final: complete && frames.final,
  };
}

function isFinal(event: Event | undefined): boolean {
  return event !== undefined && 'final' in event.payload && event.payload.final === true;
}
