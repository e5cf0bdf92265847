// What a model writes, drawn in a terminal: at its width, as it streams, and with every word of it.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { stripVTControlCharacters } from 'node:util';
import { cellsOf } from '../../../../api/cli/terminal/cells.ts';
import { createOutput } from '../../../../api/cli/terminal/output.ts';
import { createProse } from '../../../../api/cli/terminal/prose.ts';

const answer = `# What I **changed**

The cart **rounds each line** now, with \`roundCents()\`, and not the sum; 2 * 3 ** 4, **kwargs and *.ts stay as they are.
- one test was missing, and it is there now: \`cart.test.js\`
  1. nested
> a quote that goes on for some time, longer than a narrow terminal
---
\`\`\`js
const total = lines.map(roundCents); // **code**
\`\`\`

| File | What it is for |
|---|---|
| \`cart.js\` | **rounds** what a line costs, before anything is added up, and never afterwards |

Nothing **else.
`;

function draw(pieces: string[], columns: number, environment: Record<string, string> = {}): string {
  const sink = { write: () => 0, isTTY: columns > 0, columns };
  const prose = createProse(createOutput(sink, sink, environment));
  return [...pieces.map((piece) => prose.push(piece)), prose.end()].join('');
}

// Colours as a reader of this file sees them.
const colours = (text: string): string =>
  text.replaceAll(
    /\u001b\[(\d+)m/g,
    (_, code: string) => ({ 1: '<b>', 2: '<dim>', 36: '<code>' })[code] ?? '</>',
  );

test('headings, lists, quotes, code, bold and tables are drawn within 50 columns, in whole words', () => {
  expect(colours(draw([answer], 50))).toMatchInlineSnapshot();
});

test('without colours the marks stay, and into a pipe goes the text as it is', () => {
  const shown = draw([answer], 80, { NO_COLOR: '1' });
  expect(shown).not.toContain('\u001b');
  for (const mark of ['# What I **changed**', '`roundCents()`', '```js\n', '---\n'])
    expect(shown).toContain(mark);
  expect(draw([answer], 0)).toBe(answer);
});

test('however an answer is cut into pieces, the same is drawn', () => {
  const part = fc.constantFrom(
    ...[
      'word',
      ' ',
      '\n',
      '**',
      '*',
      '`',
      '```',
      '# ',
      '- ',
      '1. ',
      '> ',
      '|',
      '|---|---|\n',
      '| a | b |\n',
      '---',
      '日本',
      '_',
      '+ ',
    ],
  );
  const text = fc.array(part, { maxLength: 60 }).map((parts) => parts.join(''));
  fc.assert(
    fc.property(
      text,
      fc.array(fc.nat(8), { maxLength: 80 }),
      fc.constantFrom(20, 50),
      (whole, cuts, columns) => {
        const pieces: string[] = [];
        let from = 0;
        for (const cut of cuts) {
          pieces.push(whole.slice(from, from + cut));
          from += cut;
        }
        expect(draw([...pieces, whole.slice(from)], columns)).toBe(draw([whole], columns));
      },
    ),
    { numRuns: 400 },
  );
});

test('no word is lost, and no line of words is longer than the terminal', () => {
  const words = fc.array(fc.stringMatching(/^[a-z]{1,12}$/), { minLength: 1, maxLength: 60 });
  fc.assert(
    fc.property(words, fc.integer({ min: 12, max: 60 }), (list, columns) => {
      const shown = stripVTControlCharacters(
        draw([list.map((word, at) => (at % 5 === 0 ? `**${word}**` : word)).join(' ')], columns),
      );
      expect(shown.split(/\s+/)).toEqual(list);
      expect(Math.max(...shown.split('\n').map(cellsOf))).toBeLessThanOrEqual(columns);
    }),
  );
});
