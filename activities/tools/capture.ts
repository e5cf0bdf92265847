// Takes output of any size and shape and keeps a bounded text of it: head and tail, with what was left out counted.
// The text can be stored: no NUL, no half characters.
import { toStorableOutput } from '../../workflows/contracts/storable.ts';

// Twice this is held at most for each call.
const defaultHalfBytes = 4 * 1024 * 1024;
// Live output is for people who watch; each part of it becomes an event.
const defaultLiveBytes = 1024 * 1024;

export interface Capture {
  push(from: 'stdout' | 'stderr', bytes: Buffer): void;
  /** Everything so far, or its head and tail with a mark between them. */
  text(): string;
  readonly bytes: number;
  readonly lines: number;
}

export interface CaptureOptions {
  halfBytes?: number;
  liveBytes?: number;
  live?(from: 'stdout' | 'stderr', text: string): void;
}

export function createCapture(options: CaptureOptions = {}): Capture {
  const { halfBytes = defaultHalfBytes, liveBytes = defaultLiveBytes, live } = options;
  const head = createTail(halfBytes);
  const tail = createTail(halfBytes);
  const shown = live === undefined ? undefined : createLive(liveBytes, live);
  let bytes = 0;
  let lines = 0;
  let endsLine = true;
  return {
    push(from, chunk) {
      if (chunk.length === 0) return;
      shown?.(from, chunk);
      bytes += chunk.length;
      lines += countLines(chunk);
      endsLine = chunk.at(-1) === 0x0a;
      const forHead = chunk.subarray(0, halfBytes - head.length);
      head.push(forHead);
      tail.push(chunk.subarray(forHead.length));
    },
    text() {
      const cut = bytes - head.length - tail.length;
      if (cut === 0) return toStorableOutput(decode(Buffer.concat([...head.parts(), ...tail.parts()])));
      const start = toStorableOutput(decode(Buffer.concat(head.parts())));
      const end = toStorableOutput(decode(Buffer.concat(tail.parts())));
      return `${start}\n[… ${cut.toLocaleString('en')} bytes left out here …]\n${end}`;
    },
    get bytes() {
      return bytes;
    },
    get lines() {
      return endsLine ? lines : lines + 1;
    },
  };
}

export interface Tail {
  push(chunk: Buffer): void;
  parts(): Buffer[];
  clear(): void;
  readonly length: number;
}

/** The last bytes of a stream, at most `capacity`. A million tiny chunks cost no more than their bytes. */
export function createTail(capacity: number): Tail {
  let ring = Buffer.alloc(0);
  let start = 0;
  let length = 0;
  const grow = (needed: number): void => {
    if (needed <= ring.length) return;
    const larger = Buffer.alloc(Math.min(capacity, Math.max(needed, ring.length * 2, 4096)));
    Buffer.concat(parts()).copy(larger);
    ring = larger;
    start = 0;
  };
  const parts = (): Buffer[] => {
    const first = ring.subarray(start, Math.min(start + length, ring.length));
    return [first, ring.subarray(0, length - first.length)];
  };
  return {
    push(chunk) {
      const kept = chunk.subarray(Math.max(0, chunk.length - capacity));
      if (kept.length === 0) return;
      grow(Math.min(capacity, length + kept.length));
      const at = (start + length) % ring.length;
      const first = kept.copy(ring, at, 0, Math.min(kept.length, ring.length - at));
      kept.copy(ring, 0, first);
      const overflow = Math.max(0, length + kept.length - ring.length);
      start = (start + overflow) % ring.length;
      length = length + kept.length - overflow;
    },
    parts,
    clear() {
      start = 0;
      length = 0;
    },
    get length() {
      return length;
    },
  };
}

export function decode(bytes: Buffer): string {
  // Not fatal: what is no UTF-8 becomes U+FFFD. The mark at the start of a file is text like any other.
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
}

function createLive(limit: number, live: (from: 'stdout' | 'stderr', text: string) => void) {
  const decoder = (): TextDecoder => new TextDecoder('utf-8', { ignoreBOM: true });
  const decoders = { stdout: decoder(), stderr: decoder() };
  let left = limit;
  return (from: 'stdout' | 'stderr', chunk: Buffer): void => {
    if (left <= 0) return;
    const text = toStorableOutput(decoders[from].decode(chunk.subarray(0, left), { stream: true }));
    left -= chunk.length;
    if (text !== '') live(from, text);
    if (left <= 0) live(from, '\n[live output ends here; the result holds more]\n');
  };
}

function countLines(chunk: Buffer): number {
  let count = 0;
  for (let at = chunk.indexOf(0x0a); at >= 0; at = chunk.indexOf(0x0a, at + 1)) count += 1;
  return count;
}
