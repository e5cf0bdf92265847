import { stripVTControlCharacters } from 'node:util';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { toPlainText } from '../../../activities/tools/plain-text.ts';
import { cpuMs } from '../../support/cpu-time.ts';

test('a model reads of each line what a terminal shows in the end', () => {
  const cases = {
    '\x1b[1;31mred\x1b[0m and \x1b[38;5;196mmore\x1b[K': 'red and more',
    '10 %\r50 %\r100 %\ndone\n': '100 %\ndone\n',
    'windows\r\nline ends\r\n': 'windows\nline ends\n',
    'cleared \x1b[2K\r\x1b[32m✔\x1b[39m built\r\n': '✔ built\n',
    'spin |\b/\b-\b\\\b ok': 'spin  ok',
    '\x1b]8;;https://example.org\x07link\x1b]8;;\x1b\\ \x1b]0;title\x07': 'link ',
    'bell\x07 tab\t page\f ␀': 'bell tab\t page\f ␀',
    '\x1b(B\x1b=\x1b[?25lhidden cursor\x1b[?25h': 'hidden cursor',
    'torn \x1b': 'torn ',
  };
  expect(Object.keys(cases).map(toPlainText)).toEqual(Object.values(cases));
});

test('text without orders to a terminal is as it was, and what a terminal obeys is never left', () => {
  const piece = fc.constantFrom(
    '\x1b',
    '[',
    ']',
    '0',
    ';',
    'm',
    'K',
    '\x07',
    '\r',
    '\n',
    '\b',
    'ü',
    '😀',
    '\t',
    '\\',
  );
  fc.assert(
    fc.property(fc.string({ unit: piece }), fc.string({ unit: 'grapheme' }), (drawn, text) => {
      const plain = toPlainText(drawn);
      expect([
        plain,
        stripVTControlCharacters(plain),
        ['\x1b', '\r', '\b'].some((order) => plain.includes(order)),
      ]).toEqual([plain, plain, false]);
      const without = text.replace(/[\p{Cc}--[\t\n]]/gv, '');
      expect(toPlainText(without)).toBe(without);
    }),
  );
});

test('eight megabytes of half orders take no more than a moment', () => {
  const before = cpuMs();
  for (const part of ['\x1b[;', '\x1b]x', '\x1b', '\r', 'a\b', ';1', '\x1b[1;1;1'])
    toPlainText(part.repeat((8 * 1024 * 1024) / part.length));
  // A second or two; what backtracks takes hours.
  expect(cpuMs() - before).toBeLessThan(20_000);
});
