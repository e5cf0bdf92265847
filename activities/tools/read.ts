// Reads a text file of the project, whole or a range of lines.
import { z } from 'zod';
import { toStorableOutput } from '../../workflows/contracts/storable.ts';
import { answer, done, failed } from './answer.ts';
import { decode } from './capture.ts';
import { fileSeconds, maxFileBytes, pathField } from './fields.ts';
import { defineTool } from './tool.ts';

// Enough to meet the NUL of any common binary format.
const sniffedBytes = 8192;

export const read = defineTool({
  name: 'read',
  description:
    'Reads a text file of the project. `offset` is the first line (from 1) and `limit` the number of lines; ' +
    'without them the whole file is read. Long results are cut in the middle: read long files in ranges.',
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
      if (bytes.subarray(0, sniffedBytes).includes(0)) {
        return failed(`\`${input.path}\` is a binary file of ${bytes.length.toLocaleString('en')} bytes.`);
      }
      const text = toStorableOutput(decode(bytes));
      if (input.offset === undefined && input.limit === undefined) return done(text);
      return readLines(text, input.path, input.offset ?? 1, input.limit);
    }),
});

function readLines(text: string, path: string, offset: number, limit: number | undefined) {
  const lines = text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
  if (offset > Math.max(1, lines.length)) {
    return failed(`\`${path}\` has ${lines.length.toLocaleString('en')} lines; \`offset\` lies behind them.`);
  }
  const last = limit === undefined ? lines.length : Math.min(lines.length, offset - 1 + limit);
  const range = lines.slice(offset - 1, last).join('');
  const left = lines.length - last;
  return done(
    left === 0 ? range : `${range}[${left.toLocaleString('en')} more lines; offset ${last + 1} goes on]`,
  );
}
