// One followed topic: how far it has come, who reads it, and its last bytes for readers that were busy for a moment.
import type { Event } from '../../workflows/contracts/event.ts';
import { type Frames, toFrames } from './frames.ts';
import { numberIn, type Topic } from './topics.ts';

export interface Reader {
  /** The topic has grown by these. Called once for each growth, in order; must not throw. */
  grown(frames: Frames): void;
  /** What comes next is not to be had: events were removed before they were read. Nothing more comes here. */
  skipped(): void;
}

export interface Growth {
  readonly topic: Topic;
  readonly position: number;
  readonly readers: Set<Reader>;
  /** Hands the next events to every reader. */
  grow(events: Event[]): void;
  /** The frames with the event after `number`, when still kept. */
  recent(number: number): Frames | undefined;
}

// A few seconds of a model's output.
const keepBytes = 256 * 1024;

export function createGrowth(topic: Topic, from: number): Growth {
  const readers = new Set<Reader>();
  const kept: Frames[] = [];
  let keptBytes = 0;
  let position = from;

  function keep(frames: Frames): void {
    kept.push(frames);
    keptBytes += frames.bytes.length;
    while (keptBytes > keepBytes) keptBytes -= kept.shift()?.bytes.length ?? keptBytes;
  }

  return {
    topic,
    readers,
    get position() {
      return position;
    },
    grow(events) {
      if (events.length === 0) return;
      const frames = toFrames(position, events, numberIn(topic));
      position = frames.to;
      keep(frames);
      for (const reader of readers) reader.grown(frames);
    },
    recent: (number) => kept.find((frames) => frames.from <= number && number < frames.to),
  };
}
