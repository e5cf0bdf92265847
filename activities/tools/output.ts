// Reads more of an output that was cut: a range of its lines, or those that hold a text. Only of outputs this
// conversation was told of.
import { z } from 'zod';
import { answer, done, failed } from './answer.ts';
import { fileSeconds, textField } from './fields.ts';
import { defineTool, type ToolResult } from './tool.ts';

// With the line below it, less than what is cut again.
const mostBytes = 15_000;
// Of a line in which a text was found, enough to see what stands around it.
const mostAround = 300;
const defaultLines = 200;
const mostLines = 2000;
const mostFindBytes = 1000;

const count = z.int().min(1).max(Number.MAX_SAFE_INTEGER).optional();

const input = z.strictObject({
  key: z.string().regex(/^[0-9a-f]{64}$/, 'must be the key of 64 characters that a cut result names'),
  from: count,
  column: count,
  lines: z.int().min(1).max(mostLines).optional(),
  find: textField(mostFindBytes)
    .refine((text) => text !== '' && !text.includes('\n'), 'must be a part of one line')
    .optional(),
});
type Input = z.infer<typeof input>;

export const output = defineTool<Input>({
  name: 'output',
  description:
    'Reads more of a result that was cut, by the `key` it names: `lines` of it (200 unless said otherwise) `from` a ' +
    'line (from 1; `column` goes on inside a very long one). With `find`, only lines that hold this text, in any ' +
    'case; it is no pattern.',
  input,
  effect: 'read',
  subjectKind: 'run',
  repeat: 'safe',
  subject: ({ key }) => key,
  timeoutSeconds: () => fileSeconds,
  run: (given, { wholeOutput }) =>
    answer(async () => {
      const text = await wholeOutput(given.key);
      if (text === undefined) {
        return failed(
          'No result of this conversation was cut under that key. Take the key a cut result names.',
        );
      }
      const lines = (text.endsWith('\n') ? text.slice(0, -1) : text).split('\n');
      const from = given.from ?? 1;
      if (from > lines.length)
        return failed(`It has ${amount(lines.length)} lines; \`from\` lies behind them.`);
      return given.find === undefined ? range(lines, from, given) : findings(lines, from, given.find, given);
    }),
});

function range(
  lines: string[],
  from: number,
  { column = 1, lines: wanted = defaultLines }: Input,
): ToolResult {
  const last = Math.min(lines.length, from - 1 + wanted);
  let text = '';
  let left = mostBytes;
  for (let number = from; number <= last; number += 1) {
    const line = (lines[number - 1] as string).slice(number === from ? column - 1 : 0);
    const size = Buffer.byteLength(line) + 1;
    if (size > left && text !== '')
      return done(`${text}[${place(number - 1, lines)}; from ${number} goes on]`);
    if (size > left) {
      const part = start(line, left);
      const next = (number === from ? column : 1) + part.length;
      return done(`${part}\n[${place(number, lines)}; from ${number}, column ${next} goes on]`);
    }
    text += `${line}\n`;
    left -= size;
  }
  return done(`${text}[${place(last, lines)}${last < lines.length ? `; from ${last + 1} goes on` : ''}]`);
}

function findings(
  lines: string[],
  from: number,
  find: string,
  { lines: wanted = defaultLines }: Input,
): ToolResult {
  const looked = find.toLowerCase();
  const found: string[] = [];
  let left = mostBytes;
  for (let number = from; number <= lines.length; number += 1) {
    const line = lines[number - 1] as string;
    const at = line.toLowerCase().indexOf(looked);
    if (at < 0) continue;
    const shown = `${number}: ${around(line, at, find.length)}`;
    left -= Buffer.byteLength(shown) + 1;
    if (found.length === wanted || (left < 0 && found.length > 0))
      return done(`${found.join('\n')}\n[more lines hold it; from ${number} goes on]`);
    found.push(shown);
  }
  if (found.length === 0) return done(`[no line from ${amount(from)} to ${amount(lines.length)} holds it]`);
  return done(`${found.join('\n')}\n[${amount(found.length)} lines from ${amount(from)} hold it]`);
}

function around(line: string, at: number, length: number): string {
  const first = Math.max(0, at - mostAround);
  const end = at + length + mostAround;
  const mark = first > 0 ? `[column ${first + 1}] …` : '';
  return `${mark}${line.slice(first, end).toWellFormed()}${end < line.length ? '…' : ''}`;
}

/** As much of the start as fits, in whole characters. */
function start(line: string, bytes: number): string {
  const kept = Buffer.from(line)
    .subarray(0, bytes - 1)
    .toString('utf8');
  return kept.endsWith('\ufffd') ? kept.replace(/\ufffd+$/, '') : kept;
}

function place(number: number, lines: string[]): string {
  return `line ${amount(number)} of ${amount(lines.length)}`;
}

function amount(value: number): string {
  return value.toLocaleString('en');
}
