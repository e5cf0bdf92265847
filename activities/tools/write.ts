// Writes a whole file of the project, making its directories.
import { z } from 'zod';
import { changeFiles, readWhole } from './file-change.ts';
import { fileSeconds, maxContentBytes, pathField, textField } from './fields.ts';
import { byteOrderMark, formOf, toLatin1, usualEnd } from './lines.ts';
import { defineTool } from './tool.ts';

const input = z.strictObject({
  path: pathField,
  content: textField(maxContentBytes),
  exact: z.boolean().optional(),
});

export const write = defineTool<z.infer<typeof input>>({
  name: 'write',
  description:
    'Writes a file of the project, replacing what it held before. A file that is there keeps its line ends (LF or ' +
    'CRLF) and its byte order mark; with `exact` the content is written byte for byte.',
  input,
  effect: 'write',
  repeat: 'once',
  subject: ({ path }) => path,
  timeoutSeconds: () => fileSeconds,
  ...changeFiles(async ({ path, content, exact }, files) => {
    const before = await readWhole(files, path);
    const { after, kept } =
      before === undefined || exact === true
        ? { after: Buffer.from(content), kept: '' }
        : fit(before, content);
    const did = before === undefined ? 'Wrote the new file' : 'Replaced';
    return {
      changes: [{ path, before, after }],
      summary: `${did} \`${path}\` (${after.length.toLocaleString('en')} bytes).${kept}`,
    };
  }),
});

/**
 * The content with the line ends that the file has most of, and with its mark where it has one. A file without line
 * ends has none to keep; one that is not UTF-8 text is replaced as it is.
 */
function fit(before: Buffer, content: string): { after: Buffer; kept: string } {
  const form = formOf(before);
  const given = toLatin1(content);
  const after = (text: string): Buffer => Buffer.from(text, 'latin1');
  if (form.encoding === 'utf-16le' || form.encoding === 'utf-16be')
    return { after: after(given), kept: ` It was ${form.encoding.toUpperCase()} and is UTF-8 now.` };
  if (form.encoding === 'binary' || before.length === 0) return { after: after(given), kept: '' };
  const end = usualEnd(form);
  const text = end === undefined ? given : given.replace(/\r?\n/g, end);
  const bare = text.startsWith(byteOrderMark) ? text.slice(byteOrderMark.length) : text;
  const whole = form.hasMark ? byteOrderMark + bare : bare;
  const kept = [
    ...(text === given ? [] : [end === '\n' ? 'line ends (LF)' : 'line ends (CRLF)']),
    ...(whole === text ? [] : [form.hasMark ? 'byte order mark' : 'start without a byte order mark']),
  ];
  const said = ` It keeps its ${kept.join(' and its ')}; \`exact\` writes the content as given.`;
  return { after: after(whole), kept: kept.length === 0 ? '' : said };
}
