// Reads a text file of the project, whole or a range of lines. The model sees LF and no byte order mark, and is told
// once what the file has: edit, patch and write keep it.
import { z } from 'zod';
import { toStorableOutput } from '../../workflows/contracts/storable.ts';
import { answer, done, failed } from './answer.ts';
import { decode } from './capture.ts';
import { fileSeconds, maxFileBytes, pathField } from './fields.ts';
import { formOf, type TextForm } from './lines.ts';
import { defineTool, type ToolResult } from './tool.ts';

// A cut answer shows less than this: the model should know that it saw no end of the line.
const longLine = 10_000;

export const read = defineTool({
  name: 'read',
  description:
    'Reads a text file of the project. `offset` is the first line (from 1) and `limit` the number of lines; ' +
    'without them the whole file is read. Long results are cut in the middle: read long files in ranges. Lines are ' +
    'shown with LF ends; a last line in brackets says what else the file has.',
  input: z.strictObject({
    path: pathField,
    offset: z.int().min(1).max(Number.MAX_SAFE_INTEGER).optional(),
    limit: z.int().min(1).max(Number.MAX_SAFE_INTEGER).optional(),
  }),
  effect: 'read',
  repeat: 'safe',
  subject: (input) => input.path,
  timeoutSeconds: () => fileSeconds,
  run: (input, { sandbox }) =>
    answer(async () => {
      const bytes = await sandbox.read(input.path, maxFileBytes);
      if (bytes === undefined) return failed(`There is no file \`${input.path}\`.`);
      const form = formOf(bytes);
      if (form.encoding === 'binary') {
        return failed(`\`${input.path}\` is a binary file of ${bytes.length.toLocaleString('en')} bytes.`);
      }
      const text = toText(bytes, form);
      return readLines(text, input.path, input.offset ?? 1, input.limit, notesOf(bytes, form, text));
    }),
});

function toText(bytes: Buffer, { encoding, hasMark }: TextForm): string {
  // The decoder takes the mark of UTF-16 off by itself.
  const text =
    encoding === 'utf-8' ? decode(bytes.subarray(hasMark ? 3 : 0)) : new TextDecoder(encoding).decode(bytes);
  return toStorableOutput(text).replaceAll('\r\n', '\n');
}

function notesOf(bytes: Buffer, { crlf, lf, hasMark, encoding }: TextForm, text: string): string[] {
  if (encoding !== 'utf-8')
    return [`${encoding.toUpperCase()}: edit and patch cannot change it, write makes it UTF-8`];
  const isBroken = text.includes('\ufffd') && !decodesWhole(bytes);
  return [
    ...(crlf > 0 && lf === 0 ? ['line ends are CRLF, and edit, patch and write keep them'] : []),
    ...(crlf > 0 && lf > 0
      ? [
          `line ends are mixed, ${crlf.toLocaleString('en')} CRLF and ${lf.toLocaleString('en')} LF: edit and patch keep each line’s own`,
        ]
      : []),
    ...(hasMark ? ['starts with a byte order mark, which stays'] : []),
    ...(isBroken ? ['not all of it is UTF-8: \ufffd stands for other bytes'] : []),
  ];
}

function decodesWhole(bytes: Buffer): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}

function readLines(
  text: string,
  path: string,
  offset: number,
  limit: number | undefined,
  notes: readonly string[],
): ToolResult {
  const lines = text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
  if (offset > Math.max(1, lines.length)) {
    return failed(`\`${path}\` has ${lines.length.toLocaleString('en')} lines; \`offset\` lies behind them.`);
  }
  const last = limit === undefined ? lines.length : Math.min(lines.length, offset - 1 + limit);
  const shown = lines.slice(offset - 1, last);
  const left = lines.length - last;
  const said = [
    ...(left === 0 ? [] : [`${left.toLocaleString('en')} more lines; offset ${last + 1} goes on`]),
    ...notes,
    ...longLines(shown, offset),
  ];
  const range = shown.join('');
  if (said.length === 0) return done(range);
  const gap = range === '' || range.endsWith('\n') ? '' : '\n';
  return done(`${range}${gap}[${said.join('; ')}]`);
}

function longLines(lines: readonly string[], offset: number): string[] {
  const at = lines.findIndex((line) => line.length > longLine);
  if (at < 0) return [];
  const length = (lines[at] as string).replace(/\n$/, '').length.toLocaleString('en');
  return [`line ${offset + at} has ${length} characters; grep shows a long line around its match`];
}
