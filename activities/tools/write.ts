// Writes a whole file of the project, making its directories.
import { z } from 'zod';
import { changeFiles, readWhole } from './file-change.ts';
import { fileSeconds, maxContentBytes, pathField, textField } from './fields.ts';
import { defineTool } from './tool.ts';

const input = z.strictObject({ path: pathField, content: textField(maxContentBytes) });

export const write = defineTool<z.infer<typeof input>>({
  name: 'write',
  description: 'Writes a file of the project with exactly this content, replacing what it held before.',
  input,
  effect: 'write',
  repeat: 'once',
  subject: ({ path }) => path,
  timeoutSeconds: () => fileSeconds,
  ...changeFiles(async ({ path, content }, sandbox) => {
    const before = await readWhole(sandbox, path);
    const after = Buffer.from(content);
    const did = before === undefined ? 'Wrote the new file' : 'Replaced';
    return {
      changes: [{ path, before, after }],
      summary: `${did} \`${path}\` (${after.length.toLocaleString('en')} bytes).`,
    };
  }),
});
