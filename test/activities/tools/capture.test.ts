import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createCapture, createTail } from '../../../activities/tools/capture.ts';

const bytes = fc.uint8Array({ maxLength: 40 }).map((array) => Buffer.from(array));

test('a tail always holds the last bytes of what was pushed', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 64 }), fc.array(bytes, { maxLength: 20 }), (capacity, chunks) => {
      const tail = createTail(capacity);
      for (const chunk of chunks) tail.push(chunk);
      expect(Buffer.concat(tail.parts())).toEqual(Buffer.concat(chunks).subarray(-capacity));
    }),
  );
});

test('whatever a command prints, the text can be stored, is bounded, and is whole when it fits', () => {
  fc.assert(
    fc.property(fc.array(bytes, { maxLength: 20 }), (chunks) => {
      const capture = createCapture({ halfBytes: 100 });
      for (const chunk of chunks) capture.push('stdout', chunk);
      const all = Buffer.concat(chunks);
      const text = capture.text();
      expect(text.isWellFormed() && !text.includes('\0')).toBe(true);
      if (all.length <= 200) expect(text).toBe(all.toString('utf8').replaceAll('\0', '␀'));
      // Each byte that is no UTF-8 becomes one character of three bytes.
      else expect(text.length).toBeLessThan(200 + 100);
      expect(capture.bytes).toBe(all.length);
      const lines = all.toString('latin1').split('\n');
      expect(capture.lines).toBe(lines.length - (lines.at(-1) === '' ? 1 : 0));
    }),
  );
});

test('a gigabyte without a line end is kept as head and tail, counted and bounded', () => {
  const capture = createCapture({ halfBytes: 1000 });
  const chunk = Buffer.alloc(1024 * 1024, 'x');
  capture.push('stdout', Buffer.from('start'));
  for (let round = 0; round < 1024; round += 1) capture.push('stdout', chunk);
  capture.push('stderr', Buffer.from('end'));
  expect({ bytes: capture.bytes, lines: capture.lines, text: capture.text() }).toEqual({
    bytes: 1024 ** 3 + 8,
    lines: 1,
    text: `start${'x'.repeat(995)}\n[… 1,073,739,832 bytes left out here …]\n${'x'.repeat(997)}end`,
  });
});

test('a million short lines cost what their bytes cost', () => {
  const capture = createCapture();
  globalThis.gc?.();
  const before = process.memoryUsage();
  for (let round = 0; round < 1_000_000; round += 1) capture.push('stdout', Buffer.from(`line ${round}\n`));
  const after = process.memoryUsage();
  expect([capture.lines, capture.bytes]).toEqual([1_000_000, 11_888_890]);
  // Two halves of four megabytes, doubled at most while they grow; buffers of their own would take hundreds.
  expect((after.arrayBuffers - before.arrayBuffers) / 1024 / 1024).toBeLessThan(64);
});

test('colours stay, and a character that is split over chunks is not torn in the live output', () => {
  const live: string[] = [];
  const capture = createCapture({ live: (from, text) => live.push(`${from}:${text}`) });
  const euro = Buffer.from('€');
  capture.push('stdout', Buffer.from('\x1b[31mred\0'));
  capture.push('stdout', euro.subarray(0, 1));
  capture.push('stderr', Buffer.from('x'));
  capture.push('stdout', euro.subarray(1));
  expect(live).toEqual(['stdout:\x1b[31mred␀', 'stderr:x', 'stdout:€']);
});

test('live output ends at its bound and says so once', () => {
  const live: string[] = [];
  const capture = createCapture({ liveBytes: 10, live: (_from, text) => live.push(text) });
  for (let round = 0; round < 5; round += 1) capture.push('stdout', Buffer.from('12345678'));
  expect([live, capture.text()]).toEqual([
    ['12345678', '12', '\n[live output ends here; the result holds more]\n'],
    '12345678'.repeat(5),
  ]);
});
