import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { cutOutput } from '../../../activities/store/calls/cut-output.ts';
import { openBench } from './tool-bench.ts';

const key = 'a'.repeat(64);
const cut = (whole: string) => cutOutput(whole, async () => key);
const numbered = Array.from({ length: 5000 }, (_, index) => `line ${index + 1}`).join('\n');

async function openOutput(whole: string) {
  const { call, wholes } = await openBench();
  wholes.set(key, whole);
  return async (input: object) => call('output', { key, ...input });
}

describe('an output over 16 KB', () => {
  test('is cut at line ends, and says which lines are left out and how to read them', async () => {
    const { output, bytes } = await cut(numbered);
    const [head, told, tail] = output.split(/^(….*…)\n/m) as [string, string, string];
    expect(told).toBe(
      `… ${bytes} bytes in all; lines 923 to 4181 left out here. Read more with the tool output: {"key":"${key}","from":923} …`,
    );
    expect([head.endsWith('\nline 922\n'), tail.startsWith('line 4182\n')]).toEqual([true, true]);
    const read = await openOutput(numbered);
    expect(await read({ from: 911, lines: 2 })).toEqual({
      ok: true,
      output: 'line 911\nline 912\n[line 912 of 5,000; from 913 goes on]',
    });
  });

  test('of any text is storable, bounded, and whole again when it is read from where it was cut', async () => {
    const read = await openOutput('');
    const { call, wholes } = await openBench();
    const letter = fc.constantFrom('a', 'ü', '€', '😀', '\n', ' ');
    await fc.assert(
      fc.asyncProperty(
        fc.string({ unit: letter, minLength: 1, maxLength: 40 }),
        fc.integer({ min: 1, max: 60 }),
        async (unit, times) => {
          const whole = unit.repeat(times * 400);
          const { output } = await cut(whole);
          expect([output.isWellFormed(), Buffer.byteLength(output) < 17_000]).toEqual([true, true]);
          const told = /^(?<head>[^]*?)\n?… .*tool output: (?<where>\{.*\}) …$/m.exec(output)?.groups;
          if (told === undefined) {
            expect(output).toBe(whole);
            return;
          }
          wholes.set(key, whole);
          let where = JSON.parse(told['where'] as string) as { from: number; column?: number };
          const lines = whole.split('\n');
          let text = [
            ...lines.slice(0, where.from - 1),
            (lines[where.from - 1] as string).slice(0, (where.column ?? 1) - 1),
          ].join('\n');
          if (where.column === undefined && where.from > 1)
            text = `${lines.slice(0, where.from - 1).join('\n')}\n`;
          for (;;) {
            const result = (await call('output', { ...where, key, lines: 2000 })).output;
            const [, part = '', from, column] =
              /^([^]*)\[line [\d,]+ of [\d,]+(?:; from (\d+)(?:, column (\d+))? goes on)?\]$/.exec(result) ??
              [];
            text += column === undefined ? part : part.slice(0, -1);
            if (from === undefined) break;
            where = { from: Number(from), ...(column !== undefined && { column: Number(column) }) };
          }
          expect(text.replace(/\n+$/, '')).toBe(whole.replace(/\n+$/, ''));
        },
      ),
      { numRuns: 40 },
    );
    expect((await read({})).ok).toBe(true);
  });

  test('is looked through for a text, with what stands around it in a long line', async () => {
    const long = `${'x'.repeat(2000)}Needle[1]${'y'.repeat(2000)}`;
    const read = await openOutput(`first\n${long}\nneedle[1]\n`);
    expect(await read({ find: 'needle[1]' })).toEqual({
      ok: true,
      output: `2: [column 1701] …${'x'.repeat(300)}Needle[1]${'y'.repeat(300)}…\n3: needle[1]\n[2 lines from 1 hold it]`,
    });
    expect((await read({ find: 'needle[1]', lines: 1 })).output).toMatch(
      /\n\[more lines hold it; from 3 goes on\]$/,
    );
    expect((await read({ find: 'needle.1', from: 2 })).output).toBe('[no line from 2 to 3 holds it]');
  });

  test('is read by its own key only, and not behind its end', async () => {
    const read = await openOutput('one\n');
    expect([await read({ key: 'b'.repeat(64) }), await read({ from: 2 })]).toEqual([
      { ok: false, output: expect.stringContaining('No result of this conversation was cut under that key') },
      { ok: false, output: 'It has 1 lines; `from` lies behind them.' },
    ]);
  });
});
