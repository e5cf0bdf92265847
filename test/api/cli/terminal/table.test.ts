import { expect, test } from 'vitest';
import { cellsOf } from '../../../../api/cli/terminal/cells.ts';
import { createOutput } from '../../../../api/cli/terminal/output.ts';
import { fieldsOf, firstWords, tableOf } from '../../../../api/cli/terminal/table.ts';

const head = ['RUN', 'AGE', 'STATUS', 'MODEL', 'PROJECT', 'PROMPT'];
const rows = [
  ['9b1fe2c4', '3 min', 'succeeded', 'openai/some-model-5', 'shop', 'Make the failing test of the cart pass'],
  ['a7c1de02', '2 days', 'awaiting input', 'scripted/hello', null, '価格を直してください and tell me why'],
];

/** At so many columns; 0 is a pipe. */
function outputOf(columns: number) {
  const sink = { write: () => 0, isTTY: columns > 0, columns };
  return createOutput(sink, sink, { NO_COLOR: '1' });
}

test('a table has its cells of several lines where they fit, and is a block for each row where they do not', () => {
  expect(tableOf(outputOf(120), head, rows)).toMatchInlineSnapshot(`
    "RUN       AGE     STATUS          MODEL                PROJECT  PROMPT
    9b1fe2c4  3 min   succeeded       openai/some-model-5  shop     Make the failing test of the cart pass
    a7c1de02  2 days  awaiting input  scripted/hello       -        価格を直してください and tell me why"
  `);
  expect(tableOf(outputOf(80), head, rows)).toMatchInlineSnapshot(`
    "RUN       AGE     STATUS      MODEL                PROJECT  PROMPT
    9b1fe2c4  3 min   succeeded   openai/some-model-5  shop     Make the failing
                                                                test of the cart
                                                                pass
    a7c1de02  2 days  awaiting    scripted/hello       -        価格を直してください
                      input                                     and tell me why"
  `);
  expect(tableOf(outputOf(50), head, rows)).toMatchInlineSnapshot(`
    "RUN      9b1fe2c4
    AGE      3 min
    STATUS   succeeded
    MODEL    openai/some-model-5
    PROJECT  shop
    PROMPT   Make the failing test of the cart pass

    RUN      a7c1de02
    AGE      2 days
    STATUS   awaiting input
    MODEL    scripted/hello
    PROJECT  -
    PROMPT   価格を直してください and tell me why"
  `);
});

test('it keeps to the terminal, and each word and id is whole', () => {
  for (const columns of [50, 64, 80, 100]) {
    const drawn = tableOf(outputOf(columns), head, rows);
    expect(Math.max(...drawn.split('\n').map(cellsOf))).toBeLessThanOrEqual(columns);
    for (const word of rows.flat().flatMap((cell) => cell?.split(' ') ?? [])) expect(drawn).toContain(word);
  }
});

test('into a pipe each row is one line with whole cells, however long', () => {
  const long = 'word '.repeat(100).trim();
  expect(tableOf(outputOf(0), ['A', 'B'], [['x', long]])).toBe(`A  B\nx  ${long}`);
});

test('what is too long is cut between words and says so; names and values stand in two columns', () => {
  expect([firstWords('Make the test pass', 14), firstWords('Make it', 14)]).toEqual([
    'Make the …',
    'Make it',
  ]);
  expect(
    fieldsOf(outputOf(24), [
      ['model', 'scripted/hello'],
      ['prompt', 'one two three four'],
    ]),
  ).toBe('model   scripted/hello\nprompt  one two three\n        four');
});
