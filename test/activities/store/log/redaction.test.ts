import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createRedactor } from '../../../../activities/store/log/redaction.ts';

const secret = fc
  .string({ minLength: 6, maxLength: 40, unit: 'grapheme-ascii' })
  .filter((text) => text.trim() === text && text.length >= 6);
const secrets = fc.array(secret, { minLength: 1, maxLength: 4 });

/** Texts in which secrets really occur, also next to each other and cut short. */
const textWith = (values: string[]) =>
  fc
    .array(
      fc.oneof(
        fc.string({ maxLength: 20 }),
        fc.constantFrom(...values),
        fc.constantFrom(...values).map((value) => value.slice(0, -1)),
      ),
      { maxLength: 12 },
    )
    .map((pieces) => pieces.join(''));

const scene = secrets.chain((values) => fc.record({ values: fc.constant(values), text: textWith(values) }));

function cut(text: string, lengths: number[]): string[] {
  const pieces: string[] = [];
  let from = 0;
  for (const length of lengths) {
    pieces.push(text.slice(from, from + length));
    from += length;
  }
  return [...pieces, text.slice(from)];
}

describe('a redactor', () => {
  test('hides every known value and touches nothing else', () => {
    const redactor = createRedactor(['sk-live-123456', 'hunter22']);
    expect(redactor.text('key sk-live-123456, password hunter22, word hunter2')).toBe(
      'key [redacted], password [redacted], word hunter2',
    );
  });

  test('leaves no occurrence of a secret, whatever the text around it', () => {
    fc.assert(
      fc.property(scene, ({ values, text }) => {
        // Taken apart at the marks, because a mark next to text is not the text that was there.
        const rest = createRedactor(values)
          .text(text)
          .split(/\[redacted\]|\[\*\*\*\]/);
        for (const value of values) expect(rest.some((piece) => piece.includes(value))).toBe(false);
      }),
    );
  });

  test('gives a stream what it gives the whole text, however the text is cut', () => {
    fc.assert(
      fc.property(scene, fc.array(fc.nat({ max: 9 }), { maxLength: 40 }), ({ values, text }, lengths) => {
        const redactor = createRedactor(values);
        const stream = redactor.stream();
        const out = cut(text, lengths).map((piece) => stream.push(piece));
        expect(out.join('') + stream.end()).toBe(redactor.text(text));
      }),
      { numRuns: 500 },
    );
  });

  test('hides a value in Base64, hex, URL and JSON form, wherever it starts in what was encoded', () => {
    fc.assert(
      fc.property(
        secret,
        fc.string({ maxLength: 10 }),
        fc.string({ maxLength: 10 }),
        (value, before, after) => {
          const redactor = createRedactor([value]);
          const whole = Buffer.from(`${before}${value}${after}`, 'utf8');
          const base64 = redactor.text(whole.toString('base64'));
          const hex = redactor.text(whole.toString('hex'));
          const url = redactor.text(`q=${encodeURIComponent(value)}&r=1`);
          const json = redactor.text(JSON.stringify({ value }));
          expect(hex).not.toContain(Buffer.from(value).toString('hex'));
          expect(url).toBe('q=[redacted]&r=1');
          expect(json).toBe('{"value":"[redacted]"}');
          if (value.length >= 9) expect(base64).toContain('[redacted]');
        },
      ),
    );
  });

  test('holds back only what may become a secret', () => {
    const stream = createRedactor(['sk-live-123456']).stream();
    expect([
      stream.push('hello '),
      stream.push('sk-li'),
      stream.push('st'),
      stream.push(' sk-live-1'),
      stream.push('23456!'),
    ]).toEqual(['hello ', '', 'sk-list', ' ', '[redacted]!']);
    expect(stream.end()).toBe('');
  });

  test('takes the longer of two secrets that begin alike, also when it arrives in pieces', () => {
    const redactor = createRedactor(['abcdef', 'abcdefghi']);
    const stream = redactor.stream();
    expect(stream.push('abcdef') + stream.push('gh') + stream.push('i!') + stream.end()).toBe('[redacted]!');
    const shorter = redactor.stream();
    expect(shorter.push('abcdefg') + shorter.push('x') + shorter.end()).toBe('[redacted]gx');
  });

  test('hides a value learned later in every text from then on, also in a stream that is open', () => {
    const lengths = fc.array(fc.nat({ max: 9 }), { maxLength: 40 });
    const later = scene.chain(({ values, text }) =>
      fc.record({ values: fc.constant(values), text: fc.constant(text), before: textWith(values), lengths }),
    );
    fc.assert(
      fc.property(later, fc.nat({ max: 4 }), ({ values, text, before, lengths: cuts }, first) => {
        const redactor = createRedactor(values.slice(0, first));
        const stream = redactor.stream();
        stream.push(before);
        for (const value of values) redactor.learn(value);
        expect(redactor.text(text)).toBe(createRedactor(values).text(text));
        // What is held back of what came before is let out first: the text stands apart from it.
        const apart = '\u0001'.repeat(100);
        const out = cut(apart + text, cuts).map((piece) => stream.push(piece));
        const said = out.join('') + stream.end();
        expect(said.slice(said.indexOf(apart) + apart.length)).toBe(redactor.text(text));
      }),
      { numRuns: 500 },
    );
  });

  test('hides a value that is learned while it streams, as long as none of it is out', () => {
    const redactor = createRedactor(['sk-live-123456']);
    const stream = redactor.stream();
    expect(stream.push('sk-liv')).toBe('');
    redactor.learn('sk-lively-9');
    expect([stream.push('ely-9'), stream.push('!'), stream.end()]).toEqual(['[redacted]', '!', '']);
    redactor.learn(' hunter22\n');
    redactor.learn('short');
    expect(redactor.text('hunter22 is short')).toBe('[redacted] is short');
  });

  test('lets everything through when it knows nothing', () => {
    const redactor = createRedactor(['', 'short']);
    expect(redactor.text('short text')).toBe('short text');
    expect(redactor.stream().push('short text')).toBe('short text');
  });
});
