// Lists one directory of the project.
import { z } from 'zod';
import { toStorableOutput } from '../../workflows/contracts/storable.ts';
import { answer, done } from './answer.ts';
import { fileSeconds, pathField } from './fields.ts';
import { defineTool } from './tool.ts';

const marks = { file: '', directory: '/', symlink: ' (link)', other: ' (device or pipe)' };

export const list = defineTool({
  name: 'list',
  description:
    'Lists a directory, one name a line; directories end in a slash. Without a path it lists the project.',
  input: z.strictObject({ path: pathField.optional() }),
  effect: 'read',
  repeat: 'safe',
  subject: ({ path = '.' }) => path,
  timeoutSeconds: () => fileSeconds,
  run: ({ path = '.' }, { sandbox }) =>
    answer(async () => {
      const entries = await sandbox.list(path);
      const lines = entries.map((entry) => toStorableOutput(entry.name) + marks[entry.kind]);
      return done(lines.length === 0 ? `\`${path}\` is empty.` : lines.join('\n'));
    }),
});
