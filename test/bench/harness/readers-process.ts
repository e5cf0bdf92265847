// The process of readers.ts: opens what it is told to and reports when it is asked.
import { type Ages, createAges } from './ages.ts';
import { openReader, type Reader } from './reader.ts';
import type { ReadersOrder, ReadersReport } from './readers.ts';

let readers: Reader[] = [];
let ages: Ages = createAges();
let ended = 0;

function open({ targets, ...order }: ReadersOrder): void {
  for (const reader of readers) reader.close();
  ages = createAges();
  ended = 0;
  readers = targets.map((target) =>
    openReader({ ...order, target, onAge: (milliseconds, frames) => ages.add(milliseconds, frames) }),
  );
  for (const reader of readers) {
    void reader.ended.then(() => {
      if (readers.includes(reader)) ended += 1;
    });
  }
}

function report(): ReadersReport {
  const sum = (figure: (reader: Reader) => number): number =>
    readers.reduce((total, reader) => total + figure(reader), 0);
  const told: ReadersReport = {
    frames: sum(({ seen }) => seen.frames),
    lost: sum(({ seen }) => seen.lost),
    doubled: sum(({ seen }) => seen.doubled),
    reordered: sum(({ seen }) => seen.reordered),
    fresh: readers.filter(({ seen }) => seen.freshAt > 0).length,
    lastFreshAt: Math.max(0, ...readers.map(({ seen }) => seen.freshAt)),
    ended,
    ages: { count: ages.count(), p50: ages.percentile(0.5), p99: ages.percentile(0.99) },
  };
  ages = createAges();
  return told;
}

async function obey({ order, waitForEnd }: { order?: ReadersOrder; waitForEnd?: boolean }): Promise<object> {
  if (order) open(order);
  if (waitForEnd) await Promise.all(readers.map((reader) => reader.ended));
  return order || waitForEnd ? {} : report();
}

process.on('message', (message: Parameters<typeof obey>[0]) => {
  void obey(message).then((answer) => process.send?.(answer));
});
process.on('disconnect', () => process.exit(0));
process.send?.('ready');
