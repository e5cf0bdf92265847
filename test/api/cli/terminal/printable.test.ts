import fc from 'fast-check';
import { expect, test } from 'vitest';
import { printable, printableLine } from '../../../../api/cli/terminal/printable.ts';

test('escape sequences, bidi overrides and invisible characters are taken out; text, tabs and newlines stay', () => {
  const cases: [string, string][] = [
    ['\u001b[31mred\u001b[0m', 'red'],
    ['\u001b]0;a title\u0007then', 'then'],
    ['\u001b]8;;http://evil.example\u001b\\link\u001b]8;;\u001b\\', 'link'],
    ['rm -rf \u202e/ em\u202c', 'rm -rf / em'],
    ['pass\u200bword\u00ad\ufeff', 'password'],
    ['\u009b2Jgone', 'gone'],
    ['50 %\r99 %\r\ndone\n', '50 %\n99 %\ndone\n'],
    ['a\ttab, é, 日本, 🙂', 'a\ttab, é, 日本, 🙂'],
    ['bell\u0007 null\u0000 back\u0008', 'bell null back'],
    ['tags \u{e0041}\u{e0042}', 'tags '],
  ];
  expect(cases.map(([text]) => printable(text))).toEqual(cases.map(([, shown]) => shown));
});

test('whatever comes in, nothing that moves a cursor or hides comes out', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      expect(printable(text)).not.toMatch(/(?![\n\t])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u);
      expect(printable(printable(text))).toBe(printable(text));
      const line = printableLine(text, 20);
      expect(line).not.toContain('\n');
      expect(Array.from(line).length).toBeLessThanOrEqual(20);
    }),
  );
});

test('a long line is cut with a mark, and never inside a character', () => {
  expect(printableLine('🙂'.repeat(10), 4)).toBe('🙂🙂🙂…');
  expect(printableLine('  one\n two  ', 20)).toBe('one two');
});
